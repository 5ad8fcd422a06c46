"""What an operator sees where a role lacks one permission: a sentence that names the action; and no job is lost meanwhile."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.processes import START_SECONDS, Process, eventually, free_port, running
from tests.support.processes import quarry as command
from tests.support.roles import Roles, enforced_roles
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: Terraform, and real processes on all paths: minutes, where the processors are not its own.
pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

LARGE = "A large prompt. " * 2_000
#: So that what a broken worker held is soon taken over, and that it ends soon.
SHORT = {"QUARRY_WORKER__LEASE_SECONDS": "10", "QUARRY_WORKER__SWEEP_SECONDS": "1", "QUARRY_WORKER__DRAIN_SECONDS": "2"}


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    """The roles, applied."""
    with enforced_roles(tmp_path_factory.mktemp("roles")) as made:
        yield made


@pytest.fixture(scope="module")
def api(roles: Roles, running_simulator: Simulator) -> Iterator[None]:
    """A producer that lacks nothing."""
    roles.stack.use(running_simulator)
    with roles.stack.running_api(**roles.enforced("producer")):
        yield


@pytest.fixture
def stack(roles: Roles, simulator: Simulator) -> Stack:
    """Their stack; its logs begin anew."""
    roles.stack.use(simulator)
    for log in roles.stack.directory.glob("*.log"):
        if log.name != "ministack.log":
            log.unlink()
    return roles.stack


@pytest.mark.parametrize("component", ["api", "worker"])
@pytest.mark.parametrize("action", ["dynamodb:DescribeTable", "s3:ListBucket", "sqs:GetQueueUrl"])
def test_a_process_that_cannot_find_its_own_does_not_start(roles: Roles, stack: Stack, component: str, action: str) -> None:
    """It ends with one sentence: the setting, the thing, the action."""
    env = stack.environ(**roles.enforced("producer" if component == "api" else "worker", but=action))
    # Others' tests may have the usual one.
    port = ["--port", str(free_port())] if component == "api" else []
    with running(command(component, *port), env, stack.directory / f"{component}.log") as process:
        assert process.popen.wait(START_SECONDS) == 78
    assert len(process.output.splitlines()) == 1
    assert action in process.output
    assert stack.name in process.output


@pytest.mark.parametrize(
    ("action", "code", "body"),
    [
        ("sqs:SendMessage", "queue_unavailable", {"prompt": "Hi"}),
        ("dynamodb:PartiQLInsert", "store_unavailable", {"prompt": "Hi"}),
        ("dynamodb:PutItem", "store_unavailable", {"prompt": "Hi", "idempotency_key": "once"}),
        ("s3:PutObject", "payloads_unavailable", {"prompt": LARGE}),
    ],
)
def test_a_producer_takes_nothing_that_it_cannot_keep(
    roles: Roles, stack: Stack, action: str, code: str, body: dict[str, Any]
) -> None:
    """The caller is told to try again, and no more; the log names the action. What was refused leaves nothing behind."""
    before = _rows(stack)
    with stack.running_api(**roles.enforced("producer", but=action)) as api:
        answer = api.post("/v1/jobs", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert "authorized" not in answer.text
    # Of PartiQL the emulator names the operation; AWS, the action.
    _named((stack.directory / "api.log").read_text(), action.replace("PartiQLInsert", "BatchExecuteStatement"))
    assert _rows(stack) == before


@pytest.mark.parametrize(
    ("action", "event", "prompt"),
    [
        ("sqs:ReceiveMessage", "receive.failed", "Hi"),
        ("sqs:DeleteMessage", "settlement.failed", "Hi"),
        ("dynamodb:UpdateItem", "claim.failed", "Hi"),
        ("s3:GetObject", "attempt.finished", LARGE),
        ("s3:PutObject", "record.failed", "A large answer, please."),
    ],
)
def test_a_job_outlasts_a_worker_that_lacks_a_permission(
    roles: Roles, stack: Stack, api: None, simulator: Simulator, action: str, event: str, prompt: str
) -> None:
    """Its log names the action; a worker that has it answers the job."""
    simulator.rule({"text": "0123456789" * 10_000}, match={"text_contains": "large answer"})
    with stack.running_worker(**roles.enforced("worker", but=action), **SHORT) as worker:
        request_id = stack.submit(prompt=prompt, max_tokens=10)
        eventually(lambda: _lines(worker, event, action), seconds=60, what=lambda: f"{event} with {action}: {worker.output}")
    _named(worker.output, action)
    with stack.running_worker("good", **roles.enforced("worker"), **SHORT):
        assert stack.finished(request_id, seconds=90)["status"] == "completed"
    assert stack.dead_letters() == []


def test_a_job_that_cannot_be_buried_waits_for_it(roles: Roles, stack: Stack, api: None, simulator: Simulator) -> None:
    """It failed; its dead letter is sent by a worker that may."""
    simulator.rule({"error": "ModelErrorException"}, times=1)
    with stack.running_worker(**roles.enforced("worker", but="sqs:SendMessage", where="-dlq"), **SHORT) as worker:
        request_id = stack.submit(prompt="Hi", max_attempts=1)
        eventually(lambda: _lines(worker, "settlement.failed", "sqs:SendMessage"), what=lambda: worker.output)
        assert stack.finished(request_id)["status"] == "failed"
    _named(worker.output, "sqs:SendMessage")
    with stack.running_worker("good", **roles.enforced("worker"), **SHORT):
        [dead] = eventually(stack.dead_letters, seconds=90)
    assert dead["MessageAttributes"]["request_id"]["StringValue"] == request_id


def test_a_job_waits_for_a_model_that_the_role_does_not_list(roles: Roles, stack: Stack, api: None) -> None:
    """At no cost: it is `blocked`, the worker is not ready, its log names the action. A listed model answers, plain and streamed.

    The emulator's own Bedrock is called here: it looks at roles, which our simulator does not.
    """
    stack.env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = stack.aws_url
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes(provider="bedrock", model="amazon.nova-pro-v1:0")
    ids = [stack.submit(prompt="Hi", stream=stream) for stream in (False, True)]
    with stack.running_worker(**roles.enforced("worker"), **SHORT) as worker:
        eventually(lambda: all(stack.job(each)["status_reason"] == "blocked" for each in ids), seconds=60)
        assert stack.readiness(worker)[0] == 503
    _named(worker.output, "bedrock:")
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes(provider="bedrock", model="amazon.nova-lite-v1:0")
    with stack.running_worker("good", **roles.enforced("worker"), **SHORT):
        jobs = [stack.finished(each, seconds=60) for each in ids]
    assert [(job["status"], job["attempts"]) for job in jobs] == [("completed", 1), ("completed", 1)]


def test_doctor_names_the_action(roles: Roles, stack: Stack) -> None:
    """And looks at the rest all the same."""
    env = stack.environ(**roles.enforced("operator", but="sqs:GetQueueAttributes"))
    with running(command("doctor"), env, stack.directory / "doctor.log") as process:
        assert process.popen.wait(60) == 1
    [failed] = [line for line in process.output.splitlines() if line.startswith("FAIL")]
    assert "sqs:GetQueueAttributes" in failed
    assert any(line.startswith("ok    table") for line in process.output.splitlines()), process.output


def _lines(worker: Process, event: str, action: str) -> list[str]:
    return [line for line in worker.output.splitlines() if f'"{event}"' in line and action in line]


def _named(log: str, action: str) -> None:
    assert f"is not authorized to perform: {action}" in log, log
    assert "Traceback" not in log


def _rows(stack: Stack) -> int:
    with closing(stack.client("dynamodb")) as table:
        rows: int = table.scan(TableName=stack.name, Select="COUNT")["Count"]
    return rows
