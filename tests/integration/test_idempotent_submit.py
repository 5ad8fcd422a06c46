"""The same idempotency key and body lead to the same job, however often and however concurrently they come."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.stack import Stack

EVERY_API = True


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"key {uuid.uuid4()}"


def submit(api: httpx.Client, key: str | None, **body: object) -> httpx.Response:
    return api.post("/v1/jobs", json=body, headers={"Idempotency-Key": key} if key else {})


def test_a_repeat_gets_the_same_job(api: httpx.Client, key: str) -> None:
    """202, the same `request_id`, and `Idempotent-Replayed: true`; the order of the fields does not matter.

    Red when: `producer/idempotency.py`: `sort_keys=True` -> `sort_keys=False`
    """
    first = submit(api, key, prompt="Hi", custom_id="a")
    again = submit(api, key, custom_id="a", prompt="Hi")
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["request_id"] == first.json()["request_id"]


def test_header_and_field_are_the_same_key(api: httpx.Client, key: str) -> None:
    """Bulk has only the field; a caller may move from one to the other.

    Red when: `producer/idempotency.py`: `return field if header is None else header` -> `return header`
    """
    first = submit(api, key, prompt="Hi").json()
    rows = api.post("/v1/jobs/bulk", json={"jobs": [{"prompt": "Hi", "idempotency_key": key}]}).json()["jobs"]
    both = submit(api, key, prompt="Hi", idempotency_key=key)
    assert [rows[0]["request_id"], both.json()["request_id"]] == [first["request_id"]] * 2


def test_another_body_is_a_conflict(api: httpx.Client, key: str) -> None:
    """409 `idempotency_conflict`, and no second job; a default that is spelt out is another body.

    Red when: `producer/submit.py`: `if holder.fingerprint != key.fingerprint:` -> `if False:`
    """
    first = submit(api, key, prompt="Hi").json()
    for answer in (submit(api, key, prompt="Ho"), submit(api, key, prompt="Hi", max_tokens=500)):
        assert (answer.status_code, answer.json().get("code")) == (409, "idempotency_conflict")
    assert submit(api, key, prompt="Hi").json()["request_id"] == first["request_id"]


def test_concurrent_repeats_make_one_job(shared_stack: Stack, api: httpx.Client, key: str) -> None:
    """Many at once: every answer names the same job, and one of them made it.

    Red when: `quarry/store/expressions.py`:
    `attribute_not_exists(#pk) OR #expires_at <= :now` -> `attribute_not_exists(#pk) OR #expires_at > :now`
    """
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: submit(api, key, prompt="Hi"), range(32)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["request_id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1


def test_a_repeat_after_the_end_shows_the_end(shared_stack: Stack, api: httpx.Client, key: str) -> None:
    """A job that was worked is not worked again.

    Red when: `producer/idempotency.py`: `VALID_FOR: Final = timedelta(hours=24)` -> `VALID_FOR: Final = timedelta(0)`
    """
    request_id = submit(api, key, prompt="Hi").json()["request_id"]
    with shared_stack.running_worker():
        shared_stack.finished(request_id)
        again = submit(api, key, prompt="Hi").json()
        assert (again["request_id"], again["status"], again["attempts"]) == (request_id, "completed", 1)


def test_a_repeat_replaces_a_lost_message(shared_stack: Stack, api: httpx.Client, key: str) -> None:
    """A job that waits without a message runs once it is submitted again.

    Red when: `producer/submit.py`: `if job.status is JobStatus.QUEUED and job.started_at is None:` -> `if False:`
    """
    queue = shared_stack.client("sqs")
    url = queue.get_queue_url(QueueName=shared_stack.name)["QueueUrl"]
    request_id = submit(api, key, prompt="Hi").json()["request_id"]
    queue.purge_queue(QueueUrl=url)
    eventually(shared_stack.queue_is_empty)
    assert submit(api, key, prompt="Hi").json()["request_id"] == request_id
    with shared_stack.running_worker():
        assert shared_stack.finished(request_id)["status"] == "completed"
