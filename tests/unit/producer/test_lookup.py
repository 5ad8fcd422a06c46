"""Reading jobs."""

import pytest
from structlog.testing import capture_logs

from producer.lookup import LOOKUP_RESULTS_MAX_BYTES, from_cursor, to_cursor
from producer.requests import ListQuery
from quarry.errors import InvalidSubmission, JobNotFound
from quarry.ids import new_request_id
from quarry.job import Succeeded, advance
from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_job
from tests.unit.producer.conftest import Producer


async def test_another_tenants_job_is_not_found(producer: Producer) -> None:
    """As if there were none."""
    job = producer.store.put(a_job(tenant="acme"))
    with pytest.raises(JobNotFound):
        await producer.lookup.get("default", job.request_id)
    [row] = (await producer.lookup.look_up("default", [job.request_id]))["jobs"]
    assert row["error"]["code"] == "job_not_found"


async def test_a_record_that_nobody_can_read_hides_no_other(producer: Producer) -> None:
    """A list leaves it out, a lookup says in its place that something is wrong here; the log has its id."""
    good, bad = [producer.store.put(a_job()) for _ in range(2)]
    producer.store.spoil(bad)
    with capture_logs() as logs:
        listed = await producer.lookup.list("default", ListQuery())
        rows = (await producer.lookup.look_up("default", [bad.request_id, good.request_id]))["jobs"]
    assert [each["request_id"] for each in listed["jobs"]] == [good.request_id]
    assert rows[0]["request_id"] == bad.request_id
    assert rows[0]["error"]["code"] == "internal_error"
    assert rows[1]["status"] == "queued"
    assert [(line["event"], line["request_id"]) for line in logs] == [("record.unreadable", bad.request_id)] * 2


async def test_results_are_inline_until_there_are_five_mebibytes(producer: Producer) -> None:
    """Beyond it a job says that its result is left out; a later, smaller one may still fit."""
    texts = ["x" * 1_400_000, "y" * 1_400_000, "z"]
    jobs = [producer.store.put(advance(a_claimed_job(), Succeeded(a_completion(text)), NOW)) for text in texts]
    rows = (await producer.lookup.look_up("default", [job.request_id for job in jobs]))["jobs"]
    assert [row["result_omitted"] for row in rows] == [False, True, False]
    assert [row["result"] is None for row in rows] == [False, True, False]
    assert rows[1]["usage"] is not None
    assert LOOKUP_RESULTS_MAX_BYTES == 5 * 2**20


def test_a_cursor_comes_back_as_it_went() -> None:
    """It is opaque and short."""
    request_id = new_request_id(NOW)
    cursor = to_cursor(request_id)
    assert from_cursor(cursor) == request_id
    assert request_id not in cursor


@pytest.mark.parametrize(
    "change", [lambda c: c + "=", lambda c: c[:-1], lambda c: "!" + c, lambda c: c[:5] + "\n" + c[5:], lambda c: "A" * 22]
)
def test_a_cursor_of_ones_own_making_is_refused(change: object) -> None:
    """Also where base64 would overlook the difference."""
    assert callable(change)
    with pytest.raises(InvalidSubmission):
        from_cursor(change(to_cursor(new_request_id(NOW))))
