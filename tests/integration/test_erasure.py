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
    asked: list[dict[str, Any]] = [
        {"prompt": CANARY, "system": CANARY, "metadata": {"subject": CANARY}, "custom_id": CANARY},
        {"prompt": LARGE},
        {"prompt": CANARY, "stream": True},
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
    Red when: `quarry/erasure/dynamodb.py`: `rows = await self._texts(tombstone)` -> `rows = list[Item]()`
    Red when: `quarry/erasure/eraser.py`: `await self.erasures.remove(job, self.clock.now())` -> `pass`
    """
    stack.use(simulator)
    versioned(stack)
    simulator.rule({"text": f"{CANARY} 0123456789" * 20_000}, match={"text_contains": "huge"})
    with stack.running_api(**DEBUG) as api, stack.running_worker(**DEBUG):
        ids = [*jobs_of_every_kind(stack, simulator, api), stack.submit(prompt=f"A huge answer: {CANARY}", max_tokens=60_000)]
        link = stack.finished(ids[-1])["result"]["url"]
        assert fetched(link).status_code == 200
        where = {each.split(":")[0] for each in found(stack, CANARY)}
        assert where == {"table", "bucket"}, where
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
        eventually(lambda: not found(stack, CANARY), seconds=15)
        eventually(stack.queue_is_empty)
