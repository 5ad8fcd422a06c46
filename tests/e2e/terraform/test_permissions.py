"""Least privilege, shown: the real producer, worker and operator under the policies that Terraform wrote, enforced."""

import ast
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session

from tests.support.paths import walked
from tests.support.policies import Call, Grant, also, grants
from tests.support.processes import ROOT
from tests.support.roles import ACCOUNT, COMPONENTS, KEY, MODEL, PROFILE, Gap, Roles, enforced_roles, gaps
from tests.support.simulator import Simulator
from tests.support.stack import REGION
from tests.support.witness import Witness, operation_of

#: Terraform, and real processes on all paths: minutes, where the processors are not its own.
pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

#: Those whose use is seen. For the others the emulator is asked what it would say.
SEEN = "dynamodb", "s3", "sqs"
CALLING = "InvokeModel", "InvokeModelWithResponseStream"
NAMED, NAMED_PROFILE = (arn.rpartition("/")[2] for arn in (MODEL, PROFILE))
OTHER = "amazon.nova-pro-v1:0"
OTHER_MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/{OTHER}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:quarry/key-AbCdEf"
KEYS_PARTITION = "#keys#0123456789abcdef"


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    """The roles, applied."""
    with enforced_roles(tmp_path_factory.mktemp("roles")) as made:
        yield made


@pytest.fixture(scope="module")
def witnesses(roles: Roles, running_simulator: Simulator) -> dict[str, Witness]:
    """What each component asked of AWS on all paths."""
    running_simulator.reset()
    return walked(roles, running_simulator)


@pytest.mark.parametrize("component", COMPONENTS)
def test_nothing_that_is_done_is_refused(witnesses: dict[str, Witness], component: str) -> None:
    """By the emulator, which enforces the policy."""
    assert [(each.operation, each.path, each.answer) for each in witnesses[component].refusals] == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_is_used_is_what_is_granted(roles: Roles, witnesses: dict[str, Witness], component: str) -> None:
    """Each action on each resource, with the conditions that the emulator does not see."""
    granted = [grant for grant in grants(roles.policy(component)) if grant.service in SEEN]
    calls = witnesses[component].calls()
    beyond = [call for call in calls if not any(grant.allows(call) for grant in granted)]
    assert beyond == []
    unused = [str(grant) for grant in granted if not any(grant.allows(call) for call in calls)]
    assert unused == []


#: What the walk does not ask of the emulator: models, and keys of other providers.
ELSEWHERE = {
    "apply_guardrail",
    "converse",
    "converse_stream",
    "invoke_model",
    "invoke_endpoint",
    "get_secret_value",
    "get_caller_identity",
}
#: They make things, for tests and on one machine, and refuse a real account.
LOCAL = "quarry/provision.py", "quarry/local", "quarry/simulator", "quarry/testing"


def test_every_call_in_the_source_is_walked(witnesses: dict[str, Witness]) -> None:
    """A new call of AWS needs a path, or its permission would be shown by nothing."""
    asked = {operation_of(each) for witness in witnesses.values() for each in witness.asked if each.service != "sts"}
    assert _called() - asked - ELSEWHERE == set()
    assert asked - _called() == set()


def _called() -> set[str]:
    """The operations of AWS that the source names: as methods of clients, or as text."""
    services = ("dynamodb", "sqs", "s3", "bedrock-runtime", "sagemaker-runtime", "secretsmanager", "sts")
    loader = get_session().get_component("data_loader")
    known = {xform_name(each) for service in services for each in loader.load_service_model(service, "service-2")["operations"]}
    found = set()
    for folder in ("quarry", "producer", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            if str(path.relative_to(ROOT)).startswith(LOCAL):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                # A method that is called, or handed on; or the first argument of a call.
                if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] in CLIENTS:
                    found.add(node.attr)
                elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    found.add(str(node.args[0].value))
    return found & known


#: What clients are called in the source.
CLIENTS = {"_client", "client", "sqs", "dynamodb", "s3", "sts"}


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


#: What must be refused: (component, service, operation, parameters, action, resource). NAME is the stack's.
JOB = {"pk": {"S": "default#0"}, "sk": {"S": "job"}}
QUEUE, DEAD = (f"http://sqs/{ACCOUNT}/NAME{suffix}" for suffix in ("", "-dlq"))
LANE, DLQ = (f"arn:aws:sqs:{REGION}:{ACCOUNT}:NAME{suffix}" for suffix in ("", "-dlq"))
PAYLOAD, RESULT = "default/0/payload-0.json", "default/0/result-0.json"
FORBIDDEN: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    ("worker", "dynamodb", "get_item", {"TableName": "other", "Key": JOB}, "dynamodb:GetItem", _table("other")),
    ("worker", "dynamodb", "scan", {"TableName": "NAME"}, "dynamodb:Scan", _table("NAME")),
    ("worker", "dynamodb", "delete_table", {"TableName": "NAME-unknown"}, "dynamodb:DeleteTable", _table("NAME-unknown")),
    ("worker", "sqs", "purge_queue", {"QueueUrl": QUEUE}, "sqs:PurgeQueue", LANE),
    ("worker", "sqs", "delete_queue", {"QueueUrl": QUEUE + "-unknown"}, "sqs:DeleteQueue", LANE + "-unknown"),
    ("worker", "sqs", "receive_message", {"QueueUrl": DEAD}, "sqs:ReceiveMessage", DLQ),
    ("worker", "s3", "put_object", {"Bucket": "NAME", "Key": PAYLOAD}, "s3:PutObject", f"arn:aws:s3:::NAME/{PAYLOAD}"),
    ("worker", "s3", "delete_object", {"Bucket": "NAME", "Key": RESULT}, "s3:DeleteObject", f"arn:aws:s3:::NAME/{RESULT}"),
    ("worker", "bedrock-runtime", "invoke_model", {"modelId": OTHER, "body": "{}"}, "bedrock:InvokeModel", OTHER_MODEL),
    ("producer", "bedrock-runtime", "invoke_model", {"modelId": NAMED, "body": "{}"}, "bedrock:InvokeModel", MODEL),
    ("producer", "sqs", "receive_message", {"QueueUrl": QUEUE}, "sqs:ReceiveMessage", LANE),
    ("producer", "sqs", "delete_message", {"QueueUrl": QUEUE, "ReceiptHandle": "none"}, "sqs:DeleteMessage", LANE),
    ("producer", "sqs", "send_message", {"QueueUrl": DEAD, "MessageBody": "{}"}, "sqs:SendMessage", DLQ),
    ("producer", "dynamodb", "delete_table", {"TableName": "NAME-unknown"}, "dynamodb:DeleteTable", _table("NAME-unknown")),
    ("producer", "s3", "delete_object", {"Bucket": "NAME", "Key": RESULT}, "s3:DeleteObject", f"arn:aws:s3:::NAME/{RESULT}"),
    ("producer", "dynamodb", "scan", {"TableName": "NAME"}, "dynamodb:Scan", _table("NAME")),
    ("producer", "s3", "get_object", {"Bucket": "NAME", "Key": PAYLOAD}, "s3:GetObject", f"arn:aws:s3:::NAME/{PAYLOAD}"),
    ("producer", "s3", "put_object", {"Bucket": "NAME", "Key": RESULT}, "s3:PutObject", f"arn:aws:s3:::NAME/{RESULT}"),
    ("operator", "sqs", "purge_queue", {"QueueUrl": QUEUE}, "sqs:PurgeQueue", LANE),
    ("operator", "dynamodb", "scan", {"TableName": "NAME"}, "dynamodb:Scan", _table("NAME")),
]  # fmt: skip


@pytest.mark.parametrize("case", FORBIDDEN, ids=lambda case: f"{case[0]}-{case[4]}")
def test_what_a_component_must_not_do_is_refused(roles: Roles, case: tuple[str, str, str, dict[str, Any], str, str]) -> None:
    """By its policy, and by nothing else: with a wider one it goes through, or fails for another reason."""
    component, service, operation, parameters, action, resource = case
    given = {key: value.replace("NAME", roles.stack.name) if isinstance(value, str) else value for key, value in parameters.items()}
    wider = {"Sid": "Wider", "Effect": "Allow", "Action": [action], "Resource": [resource.replace("NAME", roles.stack.name)]}
    policy = roles.policy(component)
    assert _refusal(roles, policy, service, operation, given) == action
    assert _refusal(roles, also(policy, [wider]), service, operation, given) is None


def _refusal(roles: Roles, document: str, service: str, operation: str, parameters: dict[str, Any]) -> str | None:
    """The action for which a call is refused; None where it is not refused for want of a permission."""
    try:
        with closing(roles.client(service, roles.assumed(document))) as client:
            answer = getattr(client, operation)(**parameters)
            if "stream" in answer:
                answer["stream"].close()
    except ClientError as error:
        said = re.search(r"is not authorized to perform: (\S+)", str(error))
        return said[1] if said else None
    return None


#: (role, action, resource) → what SimulatePrincipalPolicy says. Whatever is not named here is decided by the same lists.
SIMULATED = [
    *(("worker", f"bedrock:{action}", arn, "allowed") for action in CALLING for arn in (MODEL, PROFILE)),
    *(("worker", f"bedrock:{action}", OTHER_MODEL, "implicitDeny") for action in CALLING),
    ("worker", "bedrock:InvokeModel", MODEL.replace(REGION, "eu-west-1"), "implicitDeny"),
    ("worker", "bedrock:InvokeModelWithResponseStream", MODEL.replace(REGION, "eu-west-1"), "implicitDeny"),
    ("worker", "bedrock:InvokeModel", PROFILE.replace(ACCOUNT, "999999999999"), "implicitDeny"),
    ("worker", "bedrock:CountTokens", MODEL, "implicitDeny"),
    ("worker", "bedrock:CreateModelInvocationJob", MODEL, "implicitDeny"),
    ("worker", "bedrock:ApplyGuardrail", f"arn:aws:bedrock:{REGION}:{ACCOUNT}:guardrail/any", "implicitDeny"),
    ("worker", "ecs:UpdateTaskProtection", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/quarry/0123456789abcdef0", "allowed"),
    ("worker", "ecs:UpdateTaskProtection", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/other/0123456789abcdef0", "implicitDeny"),
    ("worker", "ecs:StopTask", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/quarry/0123456789abcdef0", "implicitDeny"),
    ("worker", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/any", "implicitDeny"),
    *(("producer", f"bedrock:{action}", arn, "implicitDeny") for action in CALLING for arn in (MODEL, PROFILE)),
    ("execution", "bedrock:InvokeModel", MODEL, "implicitDeny"),
    ("execution", "ecr:GetAuthorizationToken", "*", "allowed"),
    ("execution", "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/quarry-worker", "allowed"),
    ("execution", "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/other", "implicitDeny"),
    ("execution", "logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/quarry/worker:log-stream:1", "allowed"),
    ("execution", "logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/other:log-stream:1", "implicitDeny"),
    ("execution", "secretsmanager:GetSecretValue", SECRET, "allowed"),
    ("execution", "secretsmanager:GetSecretValue", SECRET + "2", "implicitDeny"),
    # Directly, and not through a service.
    *((role, f"kms:{action}", KEY, "implicitDeny") for role in ("worker", "producer") for action in ("Decrypt", "GenerateDataKey")),
]  # fmt: skip


@pytest.mark.parametrize(("role", "action", "resource", "decision"), SIMULATED)
def test_what_a_role_may_do_with_models_secrets_images_and_keys(
    roles: Roles, role: str, action: str, resource: str, decision: str
) -> None:
    """As SimulatePrincipalPolicy decides of the role that Terraform made."""
    assert roles.simulated(role, action, resource) == decision


@pytest.mark.parametrize("role", ["worker", "producer"])
@pytest.mark.parametrize(
    ("action", "key", "service", "allowed"),
    [
        *(("Decrypt", KEY, service, True) for service in ("sqs", "s3", "dynamodb")),
        *(("GenerateDataKey", KEY, service, service != "dynamodb") for service in ("sqs", "s3", "dynamodb")),
        ("Decrypt", KEY, "secretsmanager", False),
        ("Decrypt", KEY.replace("key/1", "key/2"), "sqs", False),
        ("Encrypt", KEY, "sqs", False),
    ],
)
def test_a_key_is_used_through_services_only(roles: Roles, role: str, action: str, key: str, service: str, allowed: bool) -> None:
    """Through those that keep jobs, for what these need; no service of another region, no other key."""
    for region, holds in ((REGION, allowed), ("eu-west-1", False)):
        call = Call(f"kms:{action}", key, {"kms:ViaService": [f"{service}.{region}.amazonaws.com"]})
        assert any(grant.allows(call) for grant in grants(roles.policy(role))) is holds, region


#: Calls that the emulator judges otherwise than AWS does, by the action that it looks for, or by the name of a gap.
MESSAGE = [{"Id": "0", "MessageBody": "{}"}]
RECEIPT = [{"Id": "0", "ReceiptHandle": "none"}]
TALK: dict[str, Any] = {"modelId": NAMED, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
INSERT = "INSERT INTO \"NAME\" VALUE {'pk': '0', 'sk': '0'}"
JUDGED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "SendBatch": ("sqs", "send_message_batch", {"Entries": MESSAGE}),
    "DeleteBatch": ("sqs", "delete_message_batch", {"Entries": RECEIPT}),
    "ChangeVisibilityBatch": ("sqs", "change_message_visibility_batch", {"Entries": [RECEIPT[0] | {"VisibilityTimeout": 1}]}),
    "PartiQL": ("dynamodb", "batch_execute_statement", {"Statements": [{"Statement": INSERT}]}),
    "Converse": ("bedrock-runtime", "converse", TALK),
    "ConverseStream": ("bedrock-runtime", "converse_stream", TALK),
    "DeleteVersions": ("s3", "delete_objects", {"Delete": {"Objects": [{"Key": PAYLOAD, "VersionId": "null"}]}}),
    "InferenceProfile": ("bedrock-runtime", "invoke_model", {"modelId": NAMED_PROFILE, "body": "{}"}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("gap", "component"), [pytest.param(gap, each, id=f"{gap.name}-{each}") for gap in gaps() for each in gap.components]
)
def test_a_gap_that_is_closed_is_needed(roles: Roles, gap: Gap, component: str) -> None:
    """Without its row the emulator refuses what AWS allows; with it, not."""
    assert gap.kind == "closed"
    service, operation, parameters = JUDGED[gap.name]
    given: dict[str, Any] = dict(parameters)
    if service == "sqs":
        suffix = "-dlq" if component == "operator" and gap.name != "SendBatch" else ""
        given["QueueUrl"] = f"{roles.stack.aws_url}/{ACCOUNT}/{roles.stack.name}{suffix}"
    elif service == "dynamodb":
        given = {"Statements": [{"Statement": each["Statement"].replace("NAME", roles.stack.name)} for each in given["Statements"]]}
    elif service == "s3":
        given["Bucket"] = roles.stack.name
    own = roles.policy(component)
    assert _refusal(roles, own, service, operation, given) == gap.emulator_action
    assert _refusal(roles, also(own, [gap.statement(own)]), service, operation, given) is None


@pytest.mark.parametrize(
    ("component", "action", "partition", "operation", "member"),
    [
        ("worker", "dynamodb:GetItem", KEYS_PARTITION, "get_item", "Key"),
        ("worker", "dynamodb:PutItem", KEYS_PARTITION, "put_item", "Item"),
        ("worker", "dynamodb:DeleteItem", KEYS_PARTITION, "delete_item", "Key"),
        ("producer", "dynamodb:PutItem", KEYS_PARTITION, "put_item", "Item"),
        ("producer", "dynamodb:GetItem", "#workers", "get_item", "Key"),
    ],
)
def test_rows_are_told_apart(roles: Roles, component: str, action: str, partition: str, operation: str, member: str) -> None:
    """The policy refuses the row; the gap LeadingKeys is that the emulator does not, and would not be needed where it did."""
    call = Call(action, _table(roles.stack.name), {"dynamodb:LeadingKeys": [partition]})
    assert not any(grant.allows(call) for grant in grants(roles.policy(component)))
    key = {"TableName": roles.stack.name, member: {"pk": {"S": partition}, "sk": {"S": "none"}}}
    assert _refusal(roles, roles.policy(component), "dynamodb", operation, key) is None


def test_the_simulation_is_blind_to_services(roles: Roles) -> None:
    """The gap ViaService: AWS would say `allowed` here."""
    assert roles.simulated("worker", "kms:Decrypt", KEY, **{"kms:ViaService": f"sqs.{REGION}.amazonaws.com"}) == "implicitDeny"


def test_every_gap_is_shown_to_be_needed() -> None:
    """None is listed for nothing, and none without a reason."""
    found = gaps()
    assert {gap.name for gap in found if gap.kind == "closed"} == set(JUDGED)
    assert [gap.name for gap in found if gap.kind != "closed"] == ["LeadingKeys", "ViaService"]
    assert all(gap.reason for gap in found)


def test_a_wildcard_among_the_actions_is_not_taken_for_a_grant() -> None:
    """The comparison above would miss what it grants."""
    wide = '{"Statement": [{"Sid": "All", "Effect": "Allow", "Action": ["sqs:*"], "Resource": ["*"]}]}'
    with pytest.raises(AssertionError):
        list(grants(wide))
    assert Grant("One", "sqs:SendMessage", "arn:*").allows(Call("sqs:SendMessage", "arn:x"))
