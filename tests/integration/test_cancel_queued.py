"""A job that waits is cancelled at once, and never worked; what is over stays as it is."""

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.stack import Stack


def cancel(api: httpx.Client, request_id: str) -> httpx.Response:
    return api.post(f"/v1/jobs/{request_id}/cancel")


def test_a_queued_job_is_cancelled_at_once(shared_stack: Stack, api: httpx.Client) -> None:
    """202 and `cancelled`; the worker that gets its message makes no call.

    Red when: `producer/cancel.py`: `await self.store.replace(cancelled, job, now)` -> `pass`
    """
    request_id = shared_stack.submit(prompt="Hi")
    answer = cancel(api, request_id)
    job = answer.json()
    assert (answer.status_code, job["status"], job["cancel_requested"]) == (202, "cancelled", True)
    assert job["finished_at"] is not None
    assert shared_stack.job(request_id) == job
    with shared_stack.running_worker():
        eventually(shared_stack.queue_is_empty)
    assert shared_stack.job(request_id) == job
    assert "check_at" not in shared_stack.item(request_id)


def test_cancelling_again_is_a_200(shared_stack: Stack, api: httpx.Client) -> None:
    """Idempotent.

    Red when: `producer/cancel.py`: `return job, True` -> `return job, False`
    """
    request_id = shared_stack.submit(prompt="Hi")
    first = cancel(api, request_id).json()
    again = cancel(api, request_id)
    assert (again.status_code, again.json()) == (200, first)


def test_what_is_over_cannot_be_cancelled(shared_stack: Stack, api: httpx.Client) -> None:
    """409 `not_cancellable`, for a completed job as for one whose deadline passed, and nothing changes.

    Red when: `producer/cancel.py`: `raise NotCancellable(f"the job is {status.value}")` -> `return job, True`
    """
    late = shared_stack.submit(prompt="Hi", deadline_seconds=1)
    with shared_stack.running_worker():
        done = shared_stack.submit(prompt="Hi")
        shared_stack.finished(done)
    eventually(lambda: shared_stack.job(late)["status"] in {"expired", "completed"})
    for request_id in (done, late):
        before = shared_stack.job(request_id)
        answer = cancel(api, request_id)
        assert (answer.status_code, answer.json().get("code")) == (409, "not_cancellable")
        assert before["status"] in answer.json()["detail"]
        assert shared_stack.job(request_id) == before


def test_a_deadline_that_passed_in_the_queue_is_over(shared_stack: Stack, api: httpx.Client) -> None:
    """A reader sees `expired` before any worker wrote so, with the reason, and cancelling is refused.

    Red when: `producer/cancel.py`: `status = effective_status(job, now)` -> `status = job.status`
    Red when: `producer/answers.py`: `"status": effective_status(job, now).value,` -> `"status": job.status.value,`
    """
    request_id = shared_stack.submit(prompt="Hi", deadline_seconds=1)
    eventually(lambda: shared_stack.job(request_id)["status"] == "expired")
    assert shared_stack.job(request_id)["error"]["code"] == "deadline_passed"
    answer = cancel(api, request_id)
    assert (answer.status_code, answer.json().get("code")) == (409, "not_cancellable")


@pytest.mark.parametrize("held", [True, False], ids=["held", "abandoned"])
def test_a_job_in_processing(shared_stack: Stack, api: httpx.Client, held: bool) -> None:
    """Under a live lease word is left for its holder; after it, nobody will answer, and it is cancelled at once.

    Red when: `producer/cancel.py`: `if job.is_held(now):` -> `if job.lease:`
    """
    request_id = shared_stack.submit(prompt="Hi")
    claim(shared_stack, request_id, expires_at_ms=4_102_444_800_000 if held else 1_000)
    for _ in range(2 if held else 1):
        answer = cancel(api, request_id)
        job = answer.json()
        assert (answer.status_code, job["cancel_requested"]) == (202, True)
        assert job["status"] == ("processing" if held else "cancelled")
    outcomes = [attempt["outcome"] for attempt in shared_stack.job(request_id)["attempt_history"]]
    assert outcomes == ["running" if held else "outcome_unknown"]


def claim(stack: Stack, request_id: str, *, expires_at_ms: int) -> None:
    """What a worker's claim leaves in the table."""
    stack.client("dynamodb").update_item(
        TableName=stack.name,
        Key={"pk": {"S": f"default#{request_id}"}, "sk": {"S": "job"}},
        UpdateExpression="SET #s = :s, attempts = :one, revision = revision + :one, lease_token = :t, lease_owner = :t, "
        "lease_expires_at = :until, open_attempts = :open",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={
            ":s": {"S": "processing"}, ":one": {"N": "1"}, ":t": {"S": "t"},
            ":until": {"N": str(expires_at_ms)}, ":open": {"L": [{"N": "1000"}]},
        },
    )  # fmt: skip
