"""Bulk: each job is judged by itself, and answers come in order."""

import uuid
from typing import Any

import httpx
import pytest

from tests.support.proxy import FaultProxy, leading_to
from tests.support.stack import Stack

EVERY_API = True


@pytest.fixture(scope="module", autouse=True)
def _small_payloads(shared_stack: Stack) -> None:
    """So that one payload of a bulk can be too large."""
    shared_stack.env["QUARRY_JOB__PAYLOAD_MAX_BYTES"] = "131072"


def bulk(api: httpx.Client, *jobs: Any) -> list[dict[str, Any]]:
    answer = api.post("/v1/jobs/bulk", json={"jobs": jobs})
    assert answer.status_code == 202, answer.text
    rows: list[dict[str, Any]] = answer.json()["jobs"]
    return rows


def test_bad_items_do_not_refuse_the_others(shared_stack: Stack, api: httpx.Client) -> None:
    """The good ones run; each bad one says what is wrong with it; all stand where they stood in the request.

    Red when: `producer/submit.py`: `return_exceptions=True` -> `return_exceptions=False`
    """
    rows = bulk(
        api,
        {"prompt": "One", "custom_id": "1"},
        {"custom_id": "2"},
        {"prompt": "Three", "custom_id": "3", "model": "gpt-99"},
        "four",
        {"prompt": "x" * 200_000, "custom_id": "5"},
        {"prompt": "Six", "custom_id": 6, "max_tokens": 0},
        {"prompt": "Seven"},
    )
    assert [row.get("error", {}).get("code") for row in rows] == [
        None, "invalid_request", "model_not_allowed", "invalid_request", "payload_too_large", "invalid_request", None,
    ]  # fmt: skip
    assert [row["custom_id"] for row in rows] == ["1", "2", "3", None, "5", None, None]
    assert [fault["path"] for fault in rows[5]["error"]["errors"]] == ["max_tokens", "custom_id"]
    assert set(rows[0]) == {"request_id", "status", "custom_id"}
    assert set(rows[1]) == {"error", "custom_id"}
    with shared_stack.running_worker():
        assert [shared_stack.finished(rows[i]["request_id"])["result"]["text"] for i in (0, 6)] == ["One", "Seven"]


def test_five_hundred_at_once(stack: Stack) -> None:
    """All accepted, in order, each with an id of its own, in a handful of requests to AWS: not two for each.

    Red when: `producer/submit.py`: `tasks.append(asyncio.create_task(self.submit(tenant, body, large=large)))` ->
    `tasks.append(asyncio.create_task(self.submit(tenant, body, large=large))); await asyncio.wait(tasks)`: one after the other.
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    with (
        FaultProxy("dynamodb", stack.aws_url) as dynamodb,
        FaultProxy("sqs", stack.aws_url) as sqs,
        stack.running_api(**leading_to(dynamodb, sqs)) as api,
    ):
        before = dynamodb.passed + sqs.passed
        rows = bulk(api, *({"prompt": f"Job {i}", "custom_id": str(i)} for i in range(500)))
        requests = dynamodb.passed + sqs.passed - before
    assert [row["custom_id"] for row in rows] == [str(i) for i in range(500)]
    assert len({row["request_id"] for row in rows}) == 500
    assert {row["status"] for row in rows} == {"queued"}
    # Full batches are 20 to the table and 50 to the queue.
    assert requests < 200


def test_keys_hold_inside_one_bulk(api: httpx.Client) -> None:
    """Two equal items with one key are one job; another body with it is a conflict of that item alone.

    Red when: `producer/submit.py`: `if holder.fingerprint != key.fingerprint:` -> `if False:`
    """
    key = str(uuid.uuid4())
    same = {"prompt": "Hi", "idempotency_key": key}
    rows = bulk(api, same, same, {"prompt": "Ho"}) + bulk(api, same | {"prompt": "Ho"})
    assert rows[0]["request_id"] == rows[1]["request_id"] != rows[2]["request_id"]
    assert rows[3].get("error", {}).get("code") == "idempotency_conflict"


def test_lookup_answers_in_order(api: httpx.Client) -> None:
    """Up to 100 ids, repeated ones too; unknown and malformed ones get an error in their place.

    Red when: `producer/lookup.py`: `for request_id in request_ids:` -> `for request_id in sorted(request_ids):`
    """
    rows = bulk(api, *({"prompt": f"Job {i}", "custom_id": str(i)} for i in range(98)))
    ids = [row["request_id"] for row in reversed(rows)]
    answer = api.post("/v1/jobs/lookup", json={"request_ids": [*ids, "nonsense", "019aa5b1c0de7abc8def0123456789ab"]})
    found = answer.json()["jobs"]
    assert [job["request_id"] for job in found[:98]] == ids
    assert {job["status"] for job in found[:98]} == {"queued"}
    assert [(job["request_id"], job["error"]["code"]) for job in found[98:]] == [
        ("nonsense", "job_not_found"), ("019aa5b1c0de7abc8def0123456789ab", "job_not_found"),
    ]  # fmt: skip
    assert "status" not in found[99]
    twice = api.post("/v1/jobs/lookup", json={"request_ids": [ids[0], ids[0]]}).json()["jobs"]
    assert [job["request_id"] for job in twice] == [ids[0]] * 2
    assert api.post("/v1/jobs/lookup", json={"request_ids": []}).json() == {"jobs": []}
