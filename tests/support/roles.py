"""Quarry's roles, made by Terraform on an emulated AWS that enforces them, and credentials of each."""

import json
import os
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import boto3

from tests.support.emulator import emulated_aws
from tests.support.policies import also, grants, without
from tests.support.processes import ROOT, clean_environ
from tests.support.stack import REGION, Stack, provisioned

MODULE: Final = ROOT / "terraform" / "modules" / "roles"
GAPS_FILE: Final = ROOT / "tests" / "e2e" / "terraform" / "iam_gaps.toml"
ACCOUNT: Final = "000000000000"
COMPONENTS: Final = "worker", "producer", "operator"

MODEL: Final = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-lite-v1:0"
PROFILE: Final = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/us.amazon.nova-lite-v1:0"
KEY: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

_CREDENTIALS: Final = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_ROOT_MODULE: Final = """
variable "inputs" { type = any }

provider "aws" {
  region                      = "%(region)s"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  max_retries                 = 2
}

module "roles" {
  source = "%(module)s"

  name                   = var.inputs.name
  job_table_arn          = var.inputs.job_table_arn
  queue_arns             = var.inputs.queue_arns
  dead_letter_queue_arns = var.inputs.dead_letter_queue_arns
  payload_bucket_arn     = var.inputs.payload_bucket_arn
  cluster_name           = var.inputs.cluster_name
  model_arns             = var.inputs.model_arns
  kms_key_arns           = var.inputs.kms_key_arns
  repository_arns        = var.inputs.repository_arns
  log_group_arns         = var.inputs.log_group_arns
  secret_arns            = var.inputs.secret_arns
}

output "roles" { value = module.roles }
"""


@dataclass(frozen=True)
class Gap:
    """Where the emulator and AWS differ; `iam_gaps.toml` says what the members mean."""

    name: str
    kind: str
    reason: str
    components: Sequence[str] = ()
    emulator_action: str = ""
    aws_action: str = ""
    everywhere: bool = False
    instead: str = ""

    def statement(self, document: str) -> dict[str, Any]:
        """What a role gets beside its policy, so that the emulator allows what AWS does."""
        granted = {grant.resource for grant in grants(document) if grant.action == self.aws_action}
        assert granted, f"{self.name}: {self.aws_action} is not granted"
        resources = ["*"] if self.everywhere else [self.instead] if self.instead else sorted(granted)
        return {"Sid": self.name, "Effect": "Allow", "Action": [self.emulator_action], "Resource": resources}


def gaps() -> list[Gap]:
    """The checked-in list."""
    return [Gap(**row) for row in tomllib.loads(GAPS_FILE.read_text())["gap"]]


@dataclass
class Roles:
    """What Terraform made for one stack, and sessions on the emulated AWS."""

    stack: Stack
    outputs: Mapping[str, str]
    _numbers: Iterator[int] = field(default_factory=count)

    def policy(self, component: str) -> str:
        """A component's policy, as Terraform wrote it."""
        return self.outputs[f"{component}_policy_json"]

    def assumed(self, document: str) -> dict[str, str]:
        """The environment of a process that has a role with this policy.

        The roles trust ECS, which root is not: a role that trusts the account has the same policy.
        """
        iam, name = self.stack.client("iam"), f"{self.stack.name}-probe-{next(self._numbers)}"
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        iam.put_role_policy(RoleName=name, PolicyName="probe", PolicyDocument=document)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        given = self.stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="probe")["Credentials"]
        return dict(zip(_CREDENTIALS, (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]), strict=True))

    def client(self, service: str, environment: Mapping[str, str]) -> Any:
        """A boto3 client that has a role, by the environment of a process that has it."""
        given: dict[str, Any] = {name.lower(): environment[name] for name in _CREDENTIALS}
        return boto3.client(service, endpoint_url=self.stack.aws_url, region_name=REGION, **given)  # type: ignore[call-overload]

    def simulated(self, component: str, action: str, resource: str, **context: str) -> str:
        """What SimulatePrincipalPolicy decides of the role itself: `allowed`, `implicitDeny`, `explicitDeny`."""
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"} for key, value in context.items()
        ]
        answer = self.stack.client("iam").simulate_principal_policy(
            PolicySourceArn=self.outputs[f"{component}_role_arn"],
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=entries,
        )
        [result] = answer["EvaluationResults"]
        decision: str = result["EvalDecision"]
        return decision

    def enforced(self, component: str, *, but: str = "", where: str = "") -> dict[str, str]:
        """The environment of a component under its own policy, and what the emulator asks beside it; `but` one action, where a
        resource ends with `where`. The roles are those of a service without webhooks.
        """
        own = self.policy(component)
        wanted = [gap for gap in gaps() if component in gap.components and (gap.aws_action != but or where)]
        assumed = self.assumed(also(without(own, but, where), [gap.statement(own) for gap in wanted]))
        return assumed | {"QUARRY_WEBHOOKS__ENABLED": "false"}


@contextmanager
def enforced_roles(directory: Path) -> Iterator[Roles]:
    """The roles of a provisioned stack, on an emulated AWS of their own that enforces them."""
    with emulated_aws(directory, AUTH="true") as url:
        yield roles_of(provisioned(url, directory), directory)


def roles_of(stack: Stack, directory: Path) -> Roles:
    """The roles of a stack, applied by Terraform. They are gone when the emulator is."""
    (directory / "main.tf").write_text(_ROOT_MODULE % {"module": MODULE, "region": REGION})
    (directory / "terraform.tfvars.json").write_text(json.dumps({"inputs": _inputs(stack.name)}))
    env = clean_environ(AWS_ENDPOINT_URL=stack.aws_url, CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1")
    env.pop("TF_CLI_CONFIG_FILE", None)
    terraform(directory, env, "init", "-input=false", *_plugins())
    terraform(directory, env, "apply", "-input=false", "-auto-approve")
    return Roles(stack, json.loads(terraform(directory, env, "output", "-json", "roles")))


def terraform(directory: Path, env: Mapping[str, str], *arguments: str) -> str:
    """Run Terraform; what it printed."""
    command = ["terraform", arguments[0], "-no-color", *arguments[1:]]
    done = subprocess.run(command, cwd=directory, env=dict(env), check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _plugins() -> list[str]:
    """Where the provider is on this machine, if somebody has put it there; else Terraform fetches it."""
    tool = Path(os.environ.get("QUARRY_CI_TOOLS", ROOT.parent / "shared" / "tools")) / "terraform-providers.sh"
    found = subprocess.run(["bash", str(tool)], check=False, capture_output=True, text=True).stdout.strip() if tool.exists() else ""
    return [f"-plugin-dir={found}"] if found else []


def _inputs(name: str) -> dict[str, Any]:
    def arn(service: str, rest: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"

    return {
        "name": name,
        "job_table_arn": arn("dynamodb", f"table/{name}"),
        "cluster_name": "quarry",
        "queue_arns": {"high": arn("sqs", f"{name}-high"), "normal": arn("sqs", name), "low": arn("sqs", f"{name}-low")},
        "dead_letter_queue_arns": [arn("sqs", f"{name}-dlq")],
        "payload_bucket_arn": f"arn:aws:s3:::{name}",
        "model_arns": [MODEL, PROFILE],
        "kms_key_arns": [KEY],
        "repository_arns": [arn("ecr", "repository/quarry-worker")],
        "log_group_arns": [arn("logs", "log-group:/quarry/worker")],
        "secret_arns": [arn("secretsmanager", "secret:quarry/key-AbCdEf")],
    }
