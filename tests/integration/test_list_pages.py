"""The list shows every job once, newest first, whatever the page size."""

from typing import Any

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def ids(shared_stack: Stack, api: httpx.Client) -> list[str]:
    """Thirty jobs, newest first."""
    made = [shared_stack.submit(prompt="secret words", custom_id=str(i), metadata={"i": str(i)}) for i in range(30)]
    eventually(lambda: len(api.get("/v1/jobs").json()["jobs"]) == 30)
    return made[::-1]


def pages(api: httpx.Client, **query: Any) -> list[list[dict[str, Any]]]:
    found = []
    while True:
        answer = api.get("/v1/jobs", params=query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["jobs"])
        if answer.json()["next_cursor"] is None:
            return found
        assert answer.json()["next_cursor"] != query.get("cursor")
        query["cursor"] = answer.json()["next_cursor"]


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
def test_every_job_is_on_one_page(api: httpx.Client, ids: list[str], limit: int) -> None:
    """No gap and no repeat at the seams, no page above its limit, newest first.

    Red when: `quarry/store/dynamodb.py`:
    `for each in jobs_in(answer["Items"]) if each.request_id != highest]` ->
    `for each in jobs_in(answer["Items"])]`: a page begins at its cursor instead of after it.
    """
    found = pages(api, limit=limit)
    assert [job["request_id"] for page in found for job in page] == ids
    assert max(len(page) for page in found) == min(limit, 30)


def test_the_list_has_no_content(api: httpx.Client, ids: list[str]) -> None:
    """What a job is called and how it stands, and neither its payload nor its answer.

    Red when: `producer/lookup.py`: `[summary_out(job, now) for job` -> `[job_out(job, now) for job`
    """
    answer = api.get("/v1/jobs", params={"limit": 1})
    [job] = answer.json()["jobs"]
    assert set(job) == {
        "request_id", "custom_id", "status", "status_reason", "model", "priority", "metadata", "created_at", "available_at",
        "started_at", "finished_at", "deadline_at", "cancel_requested", "attempts",
    }  # fmt: skip
    assert (job["custom_id"], job["metadata"]) == ("29", {"i": "29"})
    assert "secret words" not in answer.text


def test_jobs_after_an_instant(api: httpx.Client, ids: list[str]) -> None:
    """`created_after` excludes the job that was made at that very instant; an offset is understood.

    Red when: `quarry/ids.py`: `+ "7" + "f" * 3 + "b" + "f" * 15` -> `+ "0" * 20`
    """
    [tenth] = [job for page in pages(api) for job in page if job["request_id"] == ids[10]]
    instant = tenth["created_at"]
    same = instant.replace("Z", "+00:00")
    for text in (instant, same):
        found = [job for page in pages(api, created_after=text, limit=4) for job in page]
        assert [job["request_id"] for job in found] == [each for each in ids if each[:12] > ids[10][:12]]


def test_jobs_that_stand_so(shared_stack: Stack, api: httpx.Client, ids: list[str]) -> None:
    """`status` filters, and a filtered list still reaches its end.

    Red when: `producer/lookup.py`: `status=query.status` -> `status=None`
    """
    request_id = ids[20]
    api.post(f"/v1/jobs/{request_id}/cancel")

    def cancelled() -> list[str]:
        return [job["request_id"] for page in pages(api, status="cancelled", limit=5) for job in page]

    eventually(lambda: cancelled() == [request_id])
    assert len([job for page in pages(api, status="queued", limit=5) for job in page]) == 29
    assert pages(api, status="failed") == [[]]
