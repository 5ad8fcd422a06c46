"""Every way in which Quarry calls AWS, walked once by its real processes: what each of them asked for, by component.

Whoever adds a call to AWS adds its path here, its action to `terraform/modules/roles`, and a line to `docs/howto/permissions.md`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import environ
from typing import Any, Final
from unittest.mock import patch

import httpx

from quarry.job import Priority
from quarry.provision import provision
from quarry.settings import QueueSettings, load_settings
from tests.support.keys import ASKING, with_key
from tests.support.processes import ROOT, eventually, quarry
from tests.support.roles import COMPONENTS, Roles
from tests.support.simulator import Simulator
from tests.support.sse import following
from tests.support.stack import Stack
from tests.support.witness import Witness

LARGE: Final = "A large prompt. " * 2_000
STORY: Final = "Once upon a time there was a text of more than one piece. " * 20


@dataclass
class Walk:
    """A stack whose processes have their own roles, and are seen."""

    stack: Stack
    simulator: Simulator
    witnesses: dict[str, Witness]
    environments: dict[str, dict[str, str]]

    @contextmanager
    def api(self, **env: str) -> Iterator[httpx.Client]:
        """A client of a producer."""
        with self.stack.running_api(**self.environments["producer"], **env) as client:
            yield client

    @contextmanager
    def worker(self, name: str = "worker", **env: str) -> Iterator[None]:
        """A worker."""
        with self.stack.running_worker(name, **self.environments["worker"], **env):
            yield

    def operator(self, *arguments: str, code: int = 0) -> str:
        """A command of an operator; what it printed."""
        env = self.stack.environ(**self.environments["operator"])
        done = subprocess.run(quarry(*arguments), env=env, check=False, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def on_each_lane(self, prompt: str, **body: object) -> list[str]:
        """A job of every priority."""
        return [self.stack.submit(prompt=f"{prompt} {lane}", priority=lane, **body) for lane in Priority]

    def url(self, lane: Priority) -> str:
        """A lane's URL, as the emulator has it."""
        name = QueueSettings(name=self.stack.name).name_of(lane)
        url: str = self.stack.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return url


def walked(roles: Roles, simulator: Simulator) -> dict[str, Witness]:
    """Walk all paths; each component's witness."""
    stack = roles.stack
    stack.use(simulator)
    with ExitStack() as running:
        witnesses = {each: running.enter_context(Witness(stack.aws_url)) for each in COMPONENTS}
        environments = {each: roles.enforced(each) | {"AWS_ENDPOINT_URL": witnesses[each].url} for each in COMPONENTS}
        walk = Walk(stack, simulator, witnesses, environments)
        _submitting(walk)
        _erasing(walk)
        _callers(walk)
        _dead_letters(walk)
    return witnesses


def _submitting(walk: Walk) -> None:
    """Everything that can happen to a job between its submission and its end."""
    stack, simulator = walk.stack, walk.simulator
    simulator.rule({"error": "ModelErrorException"}, match={"text_contains": "fails once"}, times=3)
    simulator.rule({"error": "ModelErrorException"}, match={"text_contains": "fails for good"}, times=4)
    simulator.rule({"delay_seconds": 20}, match={"text_contains": "slow"})
    simulator.rule({"delay_seconds": 6}, match={"text_contains": "takes its time"})
    simulator.rule({"text": "0123456789" * 10_000}, match={"text_contains": "large answer"})
    simulator.rule({"text": "0123456789" * 30_000}, match={"text_contains": "huge answer"})
    simulator.rule({"text": STORY, "tokens_per_second": 60}, match={"text_contains": "story"})
    with walk.api() as api:
        _withdrawn(walk, api)
        lost = walk.on_each_lane("Its message is lost.")
        for lane in Priority:
            stack.client("sqs").purge_queue(QueueUrl=walk.url(lane))
        keyed = [api.post("/v1/jobs", json={"prompt": LARGE}, headers={"Idempotency-Key": "once"}) for _ in range(2)]
        assert [answer.status_code for answer in keyed] == [202, 202], keyed[1].text
        small = [api.post("/v1/jobs", json={"prompt": "Hi"}, headers={"Idempotency-Key": "again"}) for _ in range(2)]
        assert small[0].json()["request_id"] == small[1].json()["request_id"]
        waiting = stack.submit(prompt="It is cancelled before anybody takes it.")
        assert api.post(f"/v1/jobs/{waiting}/cancel").json()["status"] == "cancelled"
        retried = walk.on_each_lane("It fails once.")
        failing = [
            *walk.on_each_lane("It fails for good.", max_attempts=1),
            stack.submit(prompt=f"It fails for good. {LARGE}", max_attempts=1),
        ]
        # No failure here is the model's: its breaker stays closed.
        with walk.worker(QUARRY_WORKER__LEASE_SECONDS="10", QUARRY_WORKER__SWEEP_SECONDS="1", QUARRY_BREAKER__FAILURES="0"):
            for request_id in lost:
                _make_due(stack, request_id)
            _running(walk, api)
            ended = {request_id: stack.finished(request_id)["status"] for request_id in (*lost, *retried, *failing)}
        assert set(ended.values()) == {"completed", "failed"}, ended
        eventually(lambda: len(stack.dead_letters()) == len(failing))
    with walk.api(**_urls(walk)), walk.worker("by_url", **_urls(walk)):
        stack.finished(stack.submit(prompt="The queues are found by their URLs."))


def _withdrawn(walk: Walk, api: httpx.Client) -> None:
    """A job whose message is refused is taken back, and its idempotency key with it."""
    stack = walk.stack
    stack.client("sqs").delete_queue(QueueUrl=walk.url(Priority.LOW))
    refused = api.post("/v1/jobs", json={"prompt": "Hi", "priority": "low"}, headers={"Idempotency-Key": "refused"})
    assert refused.status_code == 503, refused.text
    with patch.dict(environ, stack.environ(), clear=True):
        provision(load_settings())
    eventually(lambda: api.get("/readyz").status_code == 200)


def _running(walk: Walk, api: httpx.Client) -> None:
    """What takes a worker: streams, large answers, long calls, cancels of what runs."""
    stack = walk.stack
    with following(api, told := stack.submit(prompt="A story, please.", stream=True)) as follower:
        assert stack.finished(told)["status"] == "completed"
        follower.until("done")
    slow = stack.submit(prompt="slow")
    eventually(lambda: stack.job(slow)["status"] == "processing")
    assert api.post(f"/v1/jobs/{slow}/cancel").status_code == 202
    assert stack.finished(slow)["status"] == "cancelled"
    large, huge = (stack.submit(prompt=f"A {size} answer.", max_tokens=10) for size in ("large", "huge"))
    assert stack.finished(large)["result"]["text"].startswith("0123")
    link = stack.finished(huge)["result"]["url"]
    assert httpx.get(link).status_code == 200
    patient = stack.submit(prompt="It takes its time.")
    assert api.get(f"/v1/jobs/{patient}", params={"wait_seconds": 30}).json()["status"] == "completed"
    assert api.post("/v1/jobs/lookup", json={"request_ids": [large, huge, patient]}).status_code == 200
    assert api.get("/v1/jobs", params={"limit": 2}).status_code == 200
    many = stack.submit_many(30)
    assert {stack.finished(each)["status"] for each in many} == {"completed"}


def _erasing(walk: Walk) -> None:
    """By a caller, by the worker that held the job when it was asked for, and by an operator."""
    stack = walk.stack
    with walk.api() as api, walk.worker("eraser", QUARRY_WORKER__SWEEP_SECONDS="1"):
        keyed = api.post("/v1/jobs", json={"prompt": LARGE}, headers={"Idempotency-Key": "erased"}).json()["request_id"]
        told, large = stack.submit(prompt="A story, please.", stream=True), stack.submit(prompt="A large answer.", max_tokens=10)
        more = api.post("/v1/jobs", json={"prompt": LARGE}, headers={"Idempotency-Key": "by an operator"}).json()["request_id"]
        others = [more, stack.submit(prompt="A story, please.", stream=True), stack.submit(prompt="A large answer.", max_tokens=10)]
        for request_id in others:
            assert stack.finished(request_id)["status"] == "completed"
        walk.operator("erase", "--tenant", "default", "--yes", *(part for each in others for part in ("--request-id", each)))
        for request_id in (keyed, told, large):
            assert stack.finished(request_id)["status"] == "completed"
            assert api.delete(f"/v1/jobs/{request_id}").status_code == 204
        running = stack.submit(prompt=f"A story, and it takes its time. {LARGE}", stream=True, idempotency_key="stopped")
        eventually(lambda: stack.job(running)["status"] == "processing")
        assert api.delete(f"/v1/jobs/{running}").status_code == 202
        record = {"pk": {"S": f"default#{running}"}, "sk": {"S": "job"}}
        table = stack.client("dynamodb")
        eventually(lambda: "Item" not in table.get_item(TableName=stack.name, Key=record), seconds=60)
        brief = stack.submit(prompt="A large answer.", max_tokens=10, store_content=False)
        assert stack.finished(brief)["status"] == "completed"
        record["pk"] = {"S": f"default#{brief}"}
        # It was read long ago.
        past: dict[str, Any] = {"ExpressionAttributeValues": {":past": {"N": "1"}}}
        table.update_item(TableName=stack.name, Key=record, UpdateExpression="SET delivered_at = :past, check_at = :past", **past)
        eventually(lambda: "Item" not in table.get_item(TableName=stack.name, Key=record), seconds=60)


def _callers(walk: Walk) -> None:
    """Keys are made, listed, replaced and ended by an operator; the producer knows callers by them."""
    key = walk.operator("keys", "create", "--tenant", "acme").strip()
    with walk.api(**ASKING) as api:
        assert api.post("/v1/jobs", json={"prompt": "Hi"}, headers=with_key(key)).status_code == 202
        assert api.get("/v1/jobs", headers=with_key(key)).status_code == 200
    # The producer writes down that it was used, at the latest when it stops.
    assert '"last_used_at": null' not in walk.operator("keys", "list", "--json")
    fresh = walk.operator("keys", "rotate", key.split("_")[1]).strip()
    walk.operator("keys", "revoke", fresh.split("_")[1])
    walk.operator("keys", "list", "--tenant", "acme")


def _dead_letters(walk: Walk) -> None:
    """Failed jobs are looked at, put back to work, discarded."""
    walk.operator("dlq", "list")
    failed = [job["request_id"] for job in _listed(walk) if job["status"] == "failed"]
    for request_id in failed:
        walk.operator("dlq", "show", request_id, "--content")
    walk.operator("dlq", "redrive", "--no-canary", "--yes", *failed)
    walk.operator("dlq", "discard", "--all", "--yes", code=0)
    walk.operator("doctor")


def _listed(walk: Walk) -> list[dict[str, str]]:
    with walk.api() as api:
        jobs: list[dict[str, str]] = api.get("/v1/jobs", params={"limit": 100, "status": "failed"}).json()["jobs"]
    return jobs


def _make_due(stack: Stack, request_id: str) -> None:
    """Let the time pass after which the sweep looks at a job."""
    stack.client("dynamodb").update_item(
        TableName=stack.name,
        Key={"pk": {"S": f"default#{request_id}"}, "sk": {"S": "job"}},
        UpdateExpression="SET check_at = :at",
        ExpressionAttributeValues={":at": {"N": "1"}},
    )


def _urls(walk: Walk) -> dict[str, str]:
    dead = walk.stack.client("sqs").get_queue_url(QueueName=f"{walk.stack.name}-dlq")["QueueUrl"]
    return {"QUARRY_QUEUE__URL": walk.url(Priority.NORMAL), "QUARRY_QUEUE__DLQ_URL": dead}
