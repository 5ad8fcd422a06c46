"""A payload that is too large for the table goes through S3, and reaches the model whole."""

import hashlib
import json
from typing import Any

import httpx

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack

FIFTEEN_MB = 15_000_000


def objects(stack: Stack) -> dict[str, dict[str, Any]]:
    """What lies in the stack's bucket, by key."""
    s3 = stack.client("s3")
    found = s3.list_objects_v2(Bucket=stack.name).get("Contents", [])
    return {each["Key"]: s3.head_object(Bucket=stack.name, Key=each["Key"]) for each in found}


def test_fifteen_megabytes_reach_the_model_whole(stack: Stack, simulator: Simulator) -> None:
    """Submitted over REST, put into S3 under the tenant's prefix and the hash of its content, encrypted, and sent to the model.

    The record stays small.

    Red when: `worker/payload.py`: `if job.payload else job.invocation` -> `if False else job.invocation`: an empty one is sent.
    Red when: `quarry/store/payloads.py`: `f"{tenant}/{request_id}/{kind}-{digest.hex()}.json"` -> `f"{request_id}/{kind}.json"`
    """
    stack.use(simulator)
    prompt = "0123456789abcde" * (FIFTEEN_MB // 15)
    with stack.running_api(), stack.running_worker():
        request_id = stack.submit(prompt=prompt, max_tokens=10)
        job = stack.finished(request_id, seconds=60)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert job["result"]["text"] == prompt[:40]
    # The simulator counts a token for every four characters that it was sent.
    assert job["usage"]["input_tokens"] == FIFTEEN_MB / 4
    [(key, head)] = objects(stack).items()
    content = stack.client("s3").get_object(Bucket=stack.name, Key=key)["Body"].read()
    assert key == f"default/{request_id}/payload-{hashlib.sha256(content).hexdigest()}.json"
    assert head["ServerSideEncryption"] == "AES256"
    item = stack.item(request_id)
    assert "invocation" not in item
    assert len(json.dumps(item)) < 4096


def test_a_keyed_replay_needs_no_second_object(stack: Stack) -> None:
    """Even while S3 is away: the job is there already.

    Red when: `producer/submit.py`: `(not _stays(job, content) or self._replays.is_recent(key))` -> `False`
    """
    body, headers = {"prompt": "x" * 100_000}, {"Idempotency-Key": "once"}
    with stack.running_api() as api:
        first = api.post("/v1/jobs", json=body, headers=headers)
    with stack.running_api(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1") as api:
        again = api.post("/v1/jobs", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["request_id"] == first.json()["request_id"]
    assert len(objects(stack)) == 1


def test_while_s3_is_away_a_large_submission_is_refused_and_a_small_one_taken(stack: Stack) -> None:
    """503 with `Retry-After`, and nothing of it is stored or queued.

    Red when: `producer/submit.py`, after `return await self._submit_keyed(job, content, key, known)`:
    `job = await self._set_apart(job, content)` -> `await self._store.create(job); job = await self._set_apart(job, content)`
    """
    with stack.running_api(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1") as api:
        refused = api.post("/v1/jobs", json={"prompt": "x" * 100_000})
        assert stack.queue_is_empty()
        assert stack.client("dynamodb").scan(TableName=stack.name, Select="COUNT")["Count"] == 0
        taken = api.post("/v1/jobs", json={"prompt": "x"})
    assert (refused.status_code, refused.json()["code"]) == (503, "payloads_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert taken.status_code == 202


def test_a_job_whose_payload_cannot_be_loaded_waits_and_costs_no_attempt(stack: Stack, simulator: Simulator) -> None:
    """S3 away from the worker: no call, no attempt spent; when S3 is back, the job runs.

    Red when: `quarry/job/transitions.py`: `given_back = job.given_back()` -> `given_back = job`
    """
    stack.use(simulator)
    with stack.running_api() as api:
        request_id = stack.submit(prompt="x" * 100_000, max_attempts=1)
        with stack.running_worker(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1"):
            waiting = eventually(lambda: waits(api, request_id), what="the job to wait for its payload")
        assert (waiting["attempts"], simulator.calls()["calls"]) == (0, 0)
        with stack.running_worker("another"):
            job = stack.finished(request_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)


def test_a_job_whose_payload_is_gone_fails_and_is_buried(stack: Stack, simulator: Simulator) -> None:
    """With a stable code, and without a call.

    Red when: `quarry/store/payloads.py`: `return PayloadLost("the object is gone")` -> `pass`: the job waits for ever.
    """
    stack.use(simulator)
    with stack.running_api():
        request_id = stack.submit(prompt="x" * 100_000)
        [key] = objects(stack)
        stack.client("s3").delete_object(Bucket=stack.name, Key=key)
        with stack.running_worker():
            job = stack.finished(request_id)
            eventually(stack.dead_letters, what="the dead letter")
    assert (job["status"], job["status_reason"], job["error"]["code"]) == ("failed", "payload_lost", "payload_lost")
    assert simulator.calls()["calls"] == 0


def waits(api: httpx.Client, request_id: str) -> dict[str, Any] | None:
    """The job, where it waits for its payload."""
    job: dict[str, Any] = api.get(f"/v1/jobs/{request_id}").json()
    return job if job["status_reason"] == "waiting_for_payload" else None
