"""What was erased is nowhere: not in the table, the bucket, the queues, or a log."""

import json
from typing import Any

import httpx

from tests.support.canary import found
from tests.support.processes import eventually, fetched
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: No model's words, and of each kind of character that is written in several ways.
CANARY = 'Zaunk\u00f6nig "7319" \\ eats'
LARGE = f"{CANARY} " * 2_000
DEBUG = {"QUARRY_LOG_LEVEL": "debug"}


def jobs_of_every_kind(stack: Stack, simulator: Simulator, api: httpx.Client) -> list[str]:
    """Small, large, streamed, failed for good, and with an idempotency key; all of them over."""
    simulator.rule({"error": "ModelErrorException", "message": CANARY}, match={"text_contains": "fails"})
    # Of a text that comes at once, no more is written beside the job than its first words.
    simulator.rule({"text": f"{CANARY} " * 60, "tokens_per_second": 200}, match={"text_contains": "Slowly"})
    asked: list[dict[str, Any]] = [
        {"prompt": CANARY, "system": CANARY, "metadata": {"subject": CANARY}, "custom_id": CANARY},
        {"prompt": LARGE},
        {"prompt": f"Slowly: {CANARY}", "stream": True, "max_tokens": 4_000},
        {"prompt": f"This fails: {CANARY}", "max_attempts": 1},
        {"prompt": CANARY, "idempotency_key": "once"},
    ]
    ids = [stack.submit(**body) for body in asked]
    assert [stack.finished(each)["status"] for each in ids] == ["completed"] * 3 + ["failed", "completed"]
    eventually(stack.dead_letters)
    return ids


def versioned(stack: Stack) -> None:
    """Deletions only mark, from now on: as Terraform makes the bucket."""
    stack.client("s3").put_bucket_versioning(Bucket=stack.name, VersioningConfiguration={"Status": "Enabled"})


def test_an_erased_job_is_nowhere(stack: Stack, simulator: Simulator) -> None:
    """Of every kind, in a bucket that keeps old versions, with the whole stack at its most talkative: the canary is everywhere
    before, and nowhere after. Its URL opens nothing, its key is free, and nobody can tell it from a job that never was.

    Red when: `quarry/erasure/eraser.py`: `objects = await self.payloads.erase(tombstone.tenant, tombstone.request_id)` ->
    `objects = 0`
    Red when: `quarry/store/payloads.py`: `found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]` -> `found = []`
    Red when: `quarry/erasure/dynamodb.py`: `rows = await self._pages(` -> `rows = [] and await self._pages(`
    Red when: `quarry/erasure/eraser.py`: `await self.erasures.remove(job, self.clock.now())` -> `pass`
    """
    stack.use(simulator)
    versioned(stack)
    simulator.rule({"text": f"{CANARY} 0123456789" * 20_000}, match={"text_contains": "huge"})
    with stack.running_api(**DEBUG) as api, stack.running_worker(**DEBUG):
        ids = [*jobs_of_every_kind(stack, simulator, api), stack.submit(prompt=f"A huge answer: {CANARY}", max_tokens=60_000)]
        link = stack.finished(ids[-1])["result"]["url"]
        assert fetched(link).status_code == 200
        where = found(stack, CANARY)
        assert {each.split(":")[0] for each in where} == {"table", "bucket"}, where
        assert "#text#" in str(where)
        for request_id in ids:
            answer = api.delete(f"/v1/jobs/{request_id}")
            assert (answer.status_code, answer.content) == (204, b""), answer.text
        assert found(stack, CANARY) == []
        assert [api.delete(f"/v1/jobs/{each}").status_code for each in ids] == [204] * len(ids)
        unknown, gone = (api.get(f"/v1/jobs/{each}") for each in ("0" * 32, ids[0]))
        assert (gone.status_code, gone.json()) == (404, unknown.json())
        assert api.delete(f"/v1/jobs/{'0' * 32}").status_code == 404
        assert api.get("/v1/jobs").json()["jobs"] == []
        assert fetched(link).status_code == 404
        again = api.post("/v1/jobs", json={"prompt": "Another one", "idempotency_key": "once"})
        assert (again.status_code, "Idempotent-Replayed" in again.headers) == (202, False)
    [letter] = stack.dead_letters()
    assert json.loads(letter["Body"])["request_id"] == ids[3]


def test_a_job_that_is_worked_is_stopped_and_erased(stack: Stack, simulator: Simulator) -> None:
    """The answer is a promise: from then on nobody sees it, who waits for it or follows it is let go, and the sweep clears up after
    the worker; also where the API that gave the promise is gone.

    Red when: `quarry/erasure/eraser.py`: `await self.erasures.hide(job)` -> `pass`
    Red when: `worker/sweep.py`: `promises = await self._eraser.erasures.due(now, ROUND_LIMIT)` -> `promises = []`
    """
    stack.use(simulator)
    simulator.rule({"text": f"{CANARY} " * 400, "tokens_per_second": 60}, match={"text_contains": "slowly"})
    with stack.running_worker(QUARRY_WORKER__SWEEP_SECONDS="1", **DEBUG):
        with stack.running_api(**DEBUG) as api:
            running = stack.submit(prompt=f"Say slowly: {CANARY}", stream=True, metadata={"subject": CANARY}, max_tokens=4_000)
            eventually(lambda: "#text#" in str(found(stack, CANARY)))
            answer = api.delete(f"/v1/jobs/{running}")
            assert (answer.status_code, answer.json()) == (202, {"request_id": running, "erased": False})
            assert api.get(f"/v1/jobs/{running}").status_code == 404
            assert api.get(f"/v1/jobs/{running}/events").status_code == 404
            assert (
                api.post("/v1/jobs/lookup", json={"request_ids": [running]}).json()["jobs"][0]["error"]["code"] == "job_not_found"
            )
        eventually(lambda: not found(stack, CANARY), seconds=30)
        eventually(stack.queue_is_empty)


def test_content_that_is_not_stored_never_enters_the_table(stack: Stack, simulator: Simulator) -> None:
    """Answered or rejected: it lies in the bucket alone, the prompt until the end, the answer until it was read; then all goes.

    Red when: `producer/submit.py`: `return job.store_content and len(content) <= INLINE_MAX_BYTES` ->
    `return len(content) <= INLINE_MAX_BYTES`
    Red when: `worker/payload.py`: `(not store_content or size_bytes(` -> `(size_bytes(`
    Red when: `worker/record.py`: `job = job if job.store_content else wordless(job)` -> `pass`
    Red when: `worker/record.py`, after `await self._store.record(job, held.token)`: `await self._forget(job)` -> `pass`
    Red when: `producer/lookup.py`: `await self.erasures.deliver(job, now, now + GRACE)` -> `pass`
    Red when: `worker/sweep.py`: `over = await self._eraser.erasures.over(now, limit)` -> `over = list[tuple[str, str]]()`
    """
    stack.use(simulator)
    versioned(stack)
    simulator.rule({"error": "ValidationException", "message": f"bad: {CANARY}"}, match={"text_contains": "reject"})
    with stack.running_api(**DEBUG) as api, stack.running_worker(QUARRY_WORKER__SWEEP_SECONDS="1", **DEBUG):
        ids = [stack.submit(prompt=f"{verb} {CANARY}", store_content=False) for verb in ("answer", "reject")]
        eventually(lambda: all(stack.item(each)["status"]["S"] in ("completed", "failed") for each in ids))
        [where] = eventually(lambda: places if len(places := found(stack, CANARY)) == 1 else None)
        assert where.startswith(f"bucket: default/{ids[0]}/result-")
        assert CANARY in stack.job(ids[0])["result"]["text"]
        assert stack.job(ids[1])["error"]["code"] == "invocation_rejected"
        assert api.get("/v1/jobs").json()["jobs"] == []
        for request_id in ids:
            let_pass(stack, request_id, minutes=5)
        assert [api.get(f"/v1/jobs/{each}").status_code for each in ids] == [404, 404]
        eventually(lambda: not found(stack, CANARY))
        eventually(lambda: [api.delete(f"/v1/jobs/{each}").status_code for each in ids] == [204, 204])


def let_pass(stack: Stack, request_id: str, minutes: int) -> None:
    """Let the time pass since an answer was read."""
    item = stack.item(request_id)
    earlier = {name: {"N": str(int(item[name]["N"]) - minutes * 60_000)} for name in ("delivered_at", "check_at")}
    stack.client("dynamodb").put_item(TableName=stack.name, Item=item | earlier)
