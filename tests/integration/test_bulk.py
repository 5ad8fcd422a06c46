"""Bulk: each job is judged by itself, and answers come in order."""

import time
import uuid
from typing import Any

import httpx

from tests.support.stack import Stack


def bulk(api: httpx.Client, *jobs: Any) -> list[dict[str, Any]]:
    answer = api.post("/v1/jobs/bulk", json={"jobs": jobs})
    assert answer.status_code == 202, answer.text
    rows: list[dict[str, Any]] = answer.json()["jobs"]
    return rows


def test_bad_items_do_not_refuse_the_others(shared_stack: Stack, api: httpx.Client) -> None:
    """The good ones run; each bad one says what is wrong with it; all stand where they stood in the request.

    Mutation: in `producer/submit.py`, let the gather of a bulk raise.
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


def test_five_hundred_at_once(shared_stack: Stack, api: httpx.Client) -> None:
    """All accepted, in order, each with an id of its own, in a handful of batches: well under a request each.

    Mutation: in `producer/submit.py`, submit one after the other.
    """
    began = time.monotonic()
    rows = bulk(api, *({"prompt": f"Job {i}", "custom_id": str(i)} for i in range(500)))
    seconds = time.monotonic() - began
    assert [row["custom_id"] for row in rows] == [str(i) for i in range(500)]
    assert len({row["request_id"] for row in rows}) == 500
    assert {row["status"] for row in rows} == {"queued"}
    assert seconds < 5, f"took {seconds} s"


def test_keys_hold_inside_one_bulk(api: httpx.Client) -> None:
    """Two equal items with one key are one job; another body with it is a conflict of that item alone."""
    key = str(uuid.uuid4())
    same = {"prompt": "Hi", "idempotency_key": key}
    rows = bulk(api, same, same, {"prompt": "Ho"}) + bulk(api, same | {"prompt": "Ho"})
    assert rows[0]["request_id"] == rows[1]["request_id"] != rows[2]["request_id"]
    assert rows[3]["error"]["code"] == "idempotency_conflict"


def test_lookup_answers_in_order(api: httpx.Client) -> None:
    """Up to 100 ids, repeated ones too; unknown and malformed ones get an error in their place.

    Mutation: in `producer/lookup.py`, answer in the order in which the store found them.
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
