"""A tenant sees and touches nothing of another's: whatever it calls with the other's ids, keys and cursors is answered as if there
were no such thing, byte by byte and (as far as can be measured) in time, and nothing of the other's changes.

Tenant `other` has every permission, and tries each operation of the API on the things of tenant `victim`.
"""

import math
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from producer.auth.rules import RULES, Operation, Public, operations
from producer.lookup import to_cursor
from tests.architecture.test_routes import an_app
from tests.support.processes import ROOT, eventually, quarry
from tests.support.simulator import Simulator
from tests.support.stack import Stack

NONE = "0" * 32
ORDER = {"prompt": "quick", "custom_id": "order"}


@dataclass
class Scene:
    """Two tenants' clients, and the ids of the victim's jobs by what they are."""

    stack: Stack
    victim: httpx.Client
    other: httpx.Client
    jobs: dict[str, str]
    own: str
    #: The victim's idempotency keys, and what they stand for.
    keyed: dict[str, dict[str, Any]]

    def left_behind(self) -> dict[str, Any]:
        """Everything that is not the other tenant's: records, keys, notices, objects."""
        table, bucket = self.stack.client("dynamodb"), self.stack.client("s3")
        pages = table.get_paginator("scan").paginate(TableName=self.stack.name, ConsistentRead=True)
        items = {(item["pk"]["S"], item["sk"]["S"]): item for page in pages for item in page["Items"]}
        # The keys of the API note when they were last used; of a worker that is dead, heartbeat and role expire after a minute.
        kept = {str(at): item for at, item in items.items() if not at[0].startswith(("other#", "#keys", "#workers", "#roles"))}
        objects = bucket.list_objects_v2(Bucket=self.stack.name).get("Contents", [])
        kept |= {each["Key"]: (each["ETag"], each["LastModified"]) for each in objects if not each["Key"].startswith("other/")}
        return kept

    def message_count(self) -> int:
        """Messages of the lane, in flight or not."""
        return sum(self.stack.queue_counts())


def created_key(stack: Stack, tenant: str) -> str:
    command = quarry("keys", "create", "--tenant", tenant)
    return subprocess.run(command, env=stack.environ(), check=True, capture_output=True, cwd=ROOT, text=True).stdout.strip()


@pytest.fixture(scope="module")
def scene(shared_stack: Stack, running_simulator: Simulator) -> Iterator[Scene]:
    """One job of the victim in each state, then its worker is killed: from here on nothing moves by itself."""
    stack, simulator = shared_stack, running_simulator
    simulator.reset()
    stack.use(simulator)
    simulator.rule({"text": "0123456789" * 100_000}, match={"text_contains": "large answer"})
    simulator.rule({"delay_seconds": 300}, match={"text_contains": "slow"})
    quiet = {"QUARRY_WORKER__SLOTS": "1", "QUARRY_WORKER__LEASE_SECONDS": "600", "QUARRY_WORKER__SWEEP_SECONDS": "3600"}
    keys = [created_key(stack, tenant) for tenant in ("victim", "other")]
    with (
        stack.running_api(QUARRY_ENVIRONMENT="production", QUARRY_API__AUTH="api_key") as api,
        stack.running_worker(**quiet) as worker,
        httpx.Client(base_url=api.base_url, timeout=40, headers={"Authorization": f"Bearer {keys[0]}"}) as victim,
        httpx.Client(base_url=api.base_url, timeout=40, headers={"Authorization": f"Bearer {keys[1]}"}) as other,
    ):

        def submit(client: httpx.Client, key: str | None = None, **body: Any) -> str:
            answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": key} if key else {})
            assert answer.status_code == 202, answer.text
            request_id: str = answer.json()["request_id"]
            return request_id

        def status(request_id: str) -> str:
            found: str = victim.get(f"/v1/jobs/{request_id}").json()["status"]
            return found

        keyed = {"order-1": ORDER, "order-2": {"prompt": "waits, and is cancelled"}}
        jobs = {"completed": submit(victim, "order-1", **keyed["order-1"]), "large result": submit(victim, prompt="large answer")}
        own = submit(other, prompt="quick")
        eventually(lambda: {status(each) for each in jobs.values()} == {"completed"})
        eventually(lambda: other.get(f"/v1/jobs/{own}").json()["status"] == "completed")
        jobs["processing"] = submit(victim, prompt="slow")
        eventually(lambda: status(jobs["processing"]) == "processing")
        jobs["queued"] = submit(victim, prompt="waits")
        jobs["large payload"] = submit(victim, prompt="waits " * 5000)
        jobs["cancelled"] = submit(victim, "order-2", **keyed["order-2"])
        assert victim.post(f"/v1/jobs/{jobs['cancelled']}/cancel").json()["status"] == "cancelled"
        worker.popen.kill()
        assert {name: status(jobs[name]) for name in ("queued", "processing")} == {"queued": "queued", "processing": "processing"}
        eventually(lambda: len(victim.get("/v1/jobs").json()["jobs"]) >= len(jobs))
        yield Scene(stack, victim, other, jobs, own, keyed)
    simulator.reset()


#: How each operation is tried with a job's id: requests whose answers must not depend on whose that id is.
ByIds = Callable[[Scene, str], list[Mapping[str, Any]]]
ATTACKS: Mapping[Operation, ByIds] = {
    ("GET", "/v1/jobs/{request_id}"): lambda _, it: [
        {"url": f"/v1/jobs/{it}"},
        {"url": f"/v1/jobs/{it}", "params": {"wait_seconds": 1}},
        {"url": f"/v1/jobs/{it}", "params": {"nonsense": 1}},
    ],
    ("GET", "/v1/jobs/{request_id}/explanation"): lambda _, it: [
        {"url": f"/v1/jobs/{it}/explanation"},
        {"url": f"/v1/jobs/{it}/explanation", "params": {"nonsense": 1}},
    ],
    ("GET", "/v1/jobs/{request_id}/events"): lambda _, it: [
        {"url": f"/v1/jobs/{it}/events"},
        {"url": f"/v1/jobs/{it}/events", "headers": {"Last-Event-ID": "1.1.1.1"}},
    ],
    ("POST", "/v1/jobs/{request_id}/cancel"): lambda _, it: [{"url": f"/v1/jobs/{it}/cancel"}],
    ("DELETE", "/v1/jobs/{request_id}"): lambda _, it: [{"url": f"/v1/jobs/{it}"}],
    ("POST", "/v1/jobs/lookup"): lambda scene, it: [
        {"url": "/v1/jobs/lookup", "json": {"request_ids": ids}} for ids in ([it], [scene.own, it, NONE], [it, it, scene.own])
    ],
    ("GET", "/v1/jobs"): lambda _, it: [
        {"url": "/v1/jobs", "params": {"cursor": to_cursor(it)}},
        {"url": "/v1/jobs", "params": {"cursor": to_cursor(it), "status": "completed", "limit": 1}},
    ],
    # What a submission says of ids, it says of its own job: there is no field for another one's, nor for its objects.
    ("POST", "/v1/jobs"): lambda _, it: [
        {"url": "/v1/jobs", "json": {"prompt": "Hi", name: it}} for name in ("request_id", "tenant", "payload", "result_object")
    ],
    ("POST", "/v1/jobs/bulk"): lambda _, it: [{"url": "/v1/jobs/bulk", "json": {"jobs": [{"prompt": "Hi", "request_id": it}]}}],
}


def unmade(request_id: str) -> str:
    """An id that no job has, of the same millisecond."""
    return request_id[:-8] + f"{int(request_id[-8:], 16) ^ 0x5A5A5A58:08x}"


def seen(scene: Scene, operation: Operation, request_id: str) -> list[tuple[int, dict[str, str], bytes]]:
    """What the other tenant is answered: everything of it but the time of day, and the id itself."""
    answers = [scene.other.request(operation[0], **each) for each in ATTACKS[operation](scene, request_id)]
    return [
        (
            answer.status_code,
            {name: value for name, value in answer.headers.items() if name != "date"},
            answer.content.replace(request_id.encode(), b"ID"),
        )
        for answer in answers
    ]


def test_every_operation_is_tried() -> None:
    """One that is added to the app makes this fail, until it is tried below.

    Red when: `producer/routes/jobs.py`: `"/{request_id}/cancel",` -> `"/{request_id}/stop",`
    """
    asked = {each for each, _ in operations(an_app().routes) if not isinstance(RULES.get(each), Public)}
    assert asked == set(ATTACKS)


@pytest.mark.parametrize("operation", ATTACKS, ids=" ".join)
@pytest.mark.parametrize("state", ["completed", "large result", "processing", "queued", "large payload", "cancelled"])
def test_anothers_job_is_as_if_there_were_none(scene: Scene, operation: Operation, state: str) -> None:
    """Status, headers and body are those for an id that no job ever had; records, notices, objects and messages stay as they were.

    Red when: `quarry/store/item.py`:
    `return {"pk": {"S": f"{tenant}#{request_id}"}, "sk": {"S": JOB_SORT_KEY}}` ->
    `return {"pk": {"S": request_id}, "sk": {"S": JOB_SORT_KEY}}`
    """
    request_id = scene.jobs[state]
    before, messages = scene.left_behind(), scene.message_count()
    answers = seen(scene, operation, request_id)
    assert answers == seen(scene, operation, unmade(request_id))
    # A field of every job has a name that is one of the victim's prompts.
    contents = [content.replace(b'"waits":', b"") for _, _, content in answers]
    assert not any(word in content for content in contents for word in (b"victim", b"slow", b"waits", b"url_expires_at"))
    assert scene.left_behind() == before
    assert scene.message_count() == messages


def test_anothers_job_is_not_found(scene: Scene) -> None:
    """A 404 by itself, as for what is no id at all; a row with an error in a lookup, where one's own jobs are told as ever.

    Red when: `quarry/store/item.py`:
    `return {"pk": {"S": f"{tenant}#{request_id}"}, "sk": {"S": JOB_SORT_KEY}}` ->
    `return {"pk": {"S": request_id}, "sk": {"S": JOB_SORT_KEY}}`
    """
    for operation in (("GET", "/v1/jobs/{request_id}"), ("POST", "/v1/jobs/{request_id}/cancel")):
        malformed = seen(scene, operation, "not-an-id")
        for request_id in scene.jobs.values():
            assert seen(scene, operation, request_id) == malformed
            assert malformed[0][0] == 404
    rows = scene.other.post("/v1/jobs/lookup", json={"request_ids": [*scene.jobs.values(), scene.own]}).json()["jobs"]
    assert [row.get("error", {}).get("code") for row in rows[:-1]] == ["job_not_found"] * len(scene.jobs)
    assert (rows[-1]["status"], {"request_id", "error"}) == ("completed", set(rows[0]))
    theirs = scene.victim.get(f"/v1/jobs/{scene.jobs['large result']}").json()["result"]
    assert httpx.get(theirs["url"]).status_code == 200


def test_a_list_has_ones_own_jobs_only(scene: Scene) -> None:
    """On every page, whoever's cursor it begins at.

    Red when: `quarry/store/item.py`: `return f"{tenant}#{shard}"` -> `return f"#{shard}"`
    """
    assert {job["request_id"] for job in scene.victim.get("/v1/jobs").json()["jobs"]} == set(scene.jobs.values())
    page = scene.victim.get("/v1/jobs", params={"limit": 1}).json()["next_cursor"]
    for cursor in (None, page, *map(to_cursor, scene.jobs.values())):
        listed = scene.other.get("/v1/jobs", params={"cursor": cursor} if cursor else {}).json()["jobs"]
        assert not {job["request_id"] for job in listed} & set(scene.jobs.values())
    for status in ("queued", "processing", "cancelled"):
        assert scene.other.get("/v1/jobs", params={"status": status}).json() == {"jobs": [], "next_cursor": None}


@pytest.mark.parametrize(("key", "body"), [("order-1", ORDER), ("order-2", ORDER)], ids=["same body", "other body"])
def test_anothers_idempotency_key_is_free(scene: Scene, key: str, body: dict[str, Any]) -> None:
    """It makes a job of one's own, in bulk as well, neither a replay of theirs nor a conflict; theirs still stands for their job.

    Red when: `quarry/store/item.py`: `f"{tenant}#idempotency#{digest}"` -> `f"#idempotency#{digest}"`
    """
    before = scene.left_behind()
    single = scene.other.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
    assert (single.status_code, "Idempotent-Replayed" in single.headers) == (202, False), single.text
    [row] = scene.other.post("/v1/jobs/bulk", json={"jobs": [body | {"idempotency_key": key}]}).json()["jobs"]
    assert row == {"request_id": single.json()["request_id"], "status": "queued", "custom_id": "order"}
    assert row["request_id"] not in scene.jobs.values()
    assert scene.left_behind() == before
    replay = scene.victim.post("/v1/jobs", json=scene.keyed[key], headers={"Idempotency-Key": key})
    assert (replay.status_code, replay.headers.get("Idempotent-Replayed")) == (202, "true")
    assert replay.json()["request_id"] in scene.jobs.values()


def took(client: httpx.Client, method: str, path: str) -> float:
    began = time.perf_counter()
    assert client.request(method, path).status_code == 404
    return time.perf_counter() - began


def sigmas_apart(client: httpx.Client, operation: Operation, one: list[str], other: list[str]) -> float:
    """How far from chance it is that of two answers, asked for one after the other, that to `one` is the later: a sign test.

    Each pair is asked in an order drawn by lot, within milliseconds. If it does not matter which is which, each is the slower one
    in half of the pairs, whatever the distribution of times and however busy the machine: a slow moment hits either. So the count
    is binomial, with a standard deviation of half the root of the number of pairs, and no tolerance in milliseconds is needed.
    """
    slower = 0
    draw = random.Random(4711)  # noqa: S311 - an order, no secret
    method, template = operation
    for a, b in zip(one, other, strict=True):
        times = {each: took(client, method, template.replace("{request_id}", each)) for each in draw.sample([a, b], 2)}
        slower += times[a] > times[b]
    return (slower - len(one) / 2) / (math.sqrt(len(one)) / 2)


@pytest.mark.parametrize("operation", [("GET", "/v1/jobs/{request_id}"), ("POST", "/v1/jobs/{request_id}/cancel")], ids=" ".join)
def test_the_time_of_a_404_does_not_tell_whether_there_is_such_a_job(scene: Scene, operation: Operation) -> None:
    """300 pairs of another tenant's jobs, in all states, and ids that no job has: not further apart than five standard deviations,
    which chance exceeds once in two million runs. That the test can see a difference, it shows by one that is there, and tells
    nothing: an id that is malformed is refused without asking the table.

    What it cannot show: a difference that is small beside the noise (seen surely is one for which two of three pairs come out the
    same way), one that many more questions would bring out, one of the real DynamoDB, or one across a network. That there should
    be none follows from the code: either way, one `GetItem` asks for a key that begins with the caller's own tenant, and finds
    nothing.

    Red when: `producer/lookup.py`: `if is_request_id(request_id) else None` ->
    `or await self.store.get("victim", request_id) and await self.store.get(tenant, request_id)`
    """
    theirs = [*scene.jobs.values()] * 50
    nobodys = [unmade(each)[:-8] + f"{i:08x}" for i, each in enumerate(theirs)]
    sigmas_apart(scene.other, operation, theirs[:20], nobodys[:20])  # to be warm
    assert abs(sigmas_apart(scene.other, operation, theirs, nobodys)) < 5
    assert sigmas_apart(scene.other, operation, ["malformed"] * 100, nobodys[:100]) < -5
