"""The store port, sentence by sentence: the fake, and the DynamoDB adapter on two emulators. Here: making, reading, listing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quarry.errors import RecordUnreadable, StoreUnavailable
from quarry.ids import last_request_id_at, new_request_id
from quarry.invocation import Invocation
from quarry.job import (
    Cancelled,
    Job,
    JobStatus,
    Priority,
    advance,
)
from quarry.store.base import KeyHolder
from quarry.testing import NOW, a_lease, an_envelope, an_invocation
from tests.contract.conftest import Faulty
from tests.contract.tables import EVENTS, LATER, MOTO_INSERT, MS, TEXT, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- create and withdraw ----------------------------------------------------------------------------------------------


async def test_a_created_job_can_be_read(table: Table) -> None:
    """As it was written, at once."""
    await table.holds(await table.submitted())


async def test_everything_that_was_submitted_is_kept(table: Table) -> None:
    """Text of any script, floats, and fields that only AWS knows."""
    invocation = an_invocation(
        TEXT,
        system=({"text": TEXT},),
        temperature=0.7,
        top_p=0.0,
        stop_sequences=("\n\n", "🛑"),
        max_tokens=64_000,
        converse={"toolConfig": {"tools": [{"toolSpec": {"name": "t", "weight": 1e-9}}]}, "empty": {}, "none": None},
    )
    changes = {"custom_id": TEXT, "metadata": {"team": TEXT, "": "empty"}, "model": "eu.model:0", "priority": "high"}
    changes |= {"allowed_regions": ("eu-west-1", "eu-central-1")}
    await table.holds(await table.submitted(invocation=invocation, max_attempts=10, **changes))
    await table.holds(await table.submitted(invocation=Invocation(native={"inputText": TEXT, "p": 0.25})))
    await table.holds(await table.submitted(invocation=Invocation(native={})))


async def test_a_large_job_is_kept(table: Table) -> None:
    """The largest payload that the settings allow by default."""
    await table.holds(await table.submitted(invocation=an_invocation("x" * 131_072)))


async def test_many_jobs_created_at_once(table: Table, faulty: Faulty) -> None:
    """Concurrent writes may share requests; every job is there."""
    faulty(moto=MOTO_INSERT)
    jobs = [table.job() for _ in range(60)]
    await asyncio.gather(*map(table.store.create, jobs))
    assert await table.store.get_many(table.tenant, [job.request_id for job in jobs]) == {job.request_id: job for job in jobs}


async def test_creating_again_is_harmless(table: Table, faulty: Faulty) -> None:
    """Whatever has happened to the job since: here it is being worked."""
    faulty(moto=MOTO_INSERT)
    job = await table.submitted()
    claimed = await table.store.claim(an_envelope(job), a_lease(), NOW)
    await table.store.create(job)
    await table.holds(claimed)


async def test_a_job_and_its_key_are_written_together(table: Table) -> None:
    """Both; and whoever comes with the key then learns whose it is, and writes neither."""
    job, second = table.job(), table.job()
    assert await table.store.create_with_key(job, table.key(), NOW) is None
    await table.holds(job)
    holder = await table.store.create_with_key(second, table.key(fingerprint="other"), NOW)
    assert holder == KeyHolder(job.request_id, "print")
    assert await table.store.get(table.tenant, second.request_id) is None


async def test_a_repeat_meets_its_own_key(table: Table) -> None:
    """After a lost answer, a repeat is as good as the first, and harmless."""
    job = table.job()
    await table.store.create_with_key(job, table.key(), NOW)
    claimed = await table.store.claim(an_envelope(job), a_lease(), NOW)
    assert await table.store.create_with_key(job, table.key(), NOW) is None
    await table.holds(claimed)


async def test_an_expired_key_is_free_again(table: Table) -> None:
    """From `expires_at` on, though it may still lie in the table; not a second before."""
    first, second = table.job(), table.job()
    key = table.key(expires_at=NOW + timedelta(hours=1))
    await table.store.create_with_key(first, key, NOW)
    held = await table.store.create_with_key(second, key, key.expires_at - timedelta(seconds=1))
    assert held == KeyHolder(first.request_id, "print")
    assert await table.store.create_with_key(second, table.key(), key.expires_at) is None
    await table.holds(second)
    assert await table.store.create_with_key(table.job(), table.key(), LATER) == KeyHolder(second.request_id, "print")


async def test_whose_a_key_is_can_be_asked(table: Table) -> None:
    """As the next `create_with_key` would find it: nobody's, then the job's, then nobody's again."""
    job, key = table.job(), table.key()
    assert await table.store.key_holder(key, NOW) is None
    await table.store.create_with_key(job, key, NOW)
    other = table.key(fingerprint="other")
    assert await table.store.key_holder(other, key.expires_at - timedelta(seconds=1)) == KeyHolder(job.request_id, "print")
    assert await table.store.key_holder(other, key.expires_at) is None
    assert await table.store.key_holder(table.key(tenant=f"{table.tenant}x"), NOW) is None


async def test_a_key_belongs_to_its_tenant(table: Table) -> None:
    """Two tenants may use the same key."""
    other = replace(table, tenant=f"{table.tenant}x")
    assert await table.store.create_with_key(table.job(), table.key(), NOW) is None
    assert await other.store.create_with_key(other.job(), other.key(), NOW) is None


async def test_of_many_with_one_key_one_is_written(table: Table) -> None:
    """The others learn whose it is (or, where AWS would not say, that they should try again)."""
    jobs = [table.job() for _ in range(6)]
    answers = await asyncio.gather(*(table.store.create_with_key(job, table.key(), NOW) for job in jobs), return_exceptions=True)
    written = list(await table.store.get_many(table.tenant, [job.request_id for job in jobs]))
    assert len(written) == answers.count(None) == 1
    for answer in answers:
        assert answer is None or answer == KeyHolder(written[0], "print") or isinstance(answer, StoreUnavailable)


async def test_an_untouched_job_can_be_withdrawn(table: Table) -> None:
    """Without a trace."""
    job = await table.submitted()
    assert await table.store.withdraw(job, None) is True
    assert await table.store.get(table.tenant, job.request_id) is None


async def test_its_key_goes_with_it(table: Table) -> None:
    """The key is free for another job."""
    job = table.job()
    await table.store.create_with_key(job, table.key(), NOW)
    assert await table.store.withdraw(job, table.key()) is True
    assert await table.store.create_with_key(table.job(), table.key(), NOW) is None


async def test_a_job_that_was_touched_is_not_withdrawn(table: Table) -> None:
    """Claimed, or cancelled: it stays, and so does its key."""
    job = table.job()
    await table.store.create_with_key(job, table.key(), NOW)
    claimed = await table.store.claim(an_envelope(job), a_lease(), NOW)
    assert await table.store.withdraw(job, table.key()) is False
    await table.holds(claimed)
    assert await table.store.create_with_key(table.job(), table.key(), NOW) == KeyHolder(job.request_id, "print")
    waiting = await table.submitted()
    cancelled = advance(waiting, Cancelled(), NOW)
    await table.store.replace(cancelled, waiting, NOW)
    assert await table.store.withdraw(waiting, None) is False
    await table.holds(cancelled)


async def test_what_is_not_there_is_not_withdrawn(table: Table) -> None:
    """Nor is it made."""
    job = table.job()
    assert await table.store.withdraw(job, None) is False
    assert await table.store.get(table.tenant, job.request_id) is None


# --- read -------------------------------------------------------------------------------------------------------------


async def test_an_unknown_job_is_none(table: Table) -> None:
    """Never an error, whatever the id looks like."""
    assert await table.store.get(table.tenant, new_request_id(NOW)) is None
    assert await table.store.get(table.tenant, "no id") is None


async def test_a_job_of_another_tenant_is_none(table: Table) -> None:
    """One by one, or many at once."""
    job = await table.submitted()
    assert await table.store.get("somebody-else", job.request_id) is None
    assert await table.store.get_many("somebody-else", [job.request_id]) == {}


async def test_a_hundred_jobs_can_be_read_at_once(table: Table) -> None:
    """Those that do not exist are left out; one asked for twice is there once."""
    jobs = await asyncio.gather(*(table.submitted() for _ in range(20)))
    wanted = [job.request_id for job in jobs]
    unknown = [new_request_id(NOW) for _ in range(79)]
    found = await table.store.get_many(table.tenant, [*unknown, *wanted, wanted[0]])
    assert found == {job.request_id: job for job in jobs}
    assert await table.store.get_many(table.tenant, []) == {}


# --- list -------------------------------------------------------------------------------------------------------------


async def everything(table: Table, limit: int, **filters: Any) -> list[Job]:
    """All pages together, each checked for its size."""
    jobs: list[Job] = []
    after: str | None = None
    while True:
        criteria = {"status": None, "created_after": None, "now": NOW} | filters
        page = await table.store.list(table.tenant, limit=limit, after=after, **criteria)
        assert len(page.jobs) <= limit
        jobs += page.jobs
        if page.next_after is None:
            return jobs
        assert after is None or page.next_after < after
        after = page.next_after


async def ten_jobs(table: Table) -> list[Job]:
    """Newest first."""
    jobs = [table.job(created_at=NOW + i * MS, custom_id=str(i), metadata={"i": TEXT}) for i in range(10)]
    await asyncio.gather(*map(table.add, jobs))
    return jobs[::-1]


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 11, 100])
async def test_a_list_shows_every_job_once_newest_first(table: Table, limit: int) -> None:
    """Over all pages, whatever their size; without content."""
    jobs = await ten_jobs(table)
    listed = [replace(job, invocation=Invocation(), check_at=None) for job in jobs]
    assert await everything(table, limit) == listed


async def test_whose_content_is_stored_is_asked_beside_the_list(table: Table) -> None:
    """The list does not carry it. Unknown jobs are left out."""
    stored, brief = await table.submitted(), await table.submitted(store_content=False, brief=True, demoted_from=Priority.HIGH)
    listed = await everything(table, 10)
    assert {(job.store_content, job.brief, job.demoted_from) for job in listed} == {(True, False, None)}
    ids = [stored.request_id, brief.request_id, new_request_id(NOW)]
    assert await table.store.storing_content(table.tenant, ids) == {stored.request_id}
    assert await table.store.storing_content("somebody-else", ids) == frozenset()


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
@pytest.mark.parametrize("status", [None, JobStatus.QUEUED])
async def test_a_record_that_nobody_can_read_hides_no_other(table: Table, limit: int, status: JobStatus | None) -> None:
    """Whatever the page: it is told of once, by its id; and who asks for it alone is told that it is there."""
    jobs = [job.request_id for job in await ten_jobs(table)]
    bad = jobs[2:4]
    for each in bad:
        await table.spoil(table.job(request_id=each))
    good = [each for each in jobs if each not in bad]
    found: list[str] = []
    unreadable: list[str] = []
    after: str | None = None
    while True:
        page = await table.store.list(table.tenant, status=status, created_after=None, limit=limit, after=after, now=NOW)
        assert len(page.jobs) + len(page.unreadable) <= limit
        found += [job.request_id for job in page.jobs]
        unreadable += page.unreadable
        if (after := page.next_after) is None:
            break
    assert (found, unreadable) == (good, bad)
    read = await table.store.get_many(table.tenant, [*good, bad[0]])
    assert set(read) == set(good)
    assert read.unreadable == {bad[0]}
    with pytest.raises(RecordUnreadable, match=bad[0]):
        await table.store.get(table.tenant, bad[0])
    assert (await table.store.statuses(table.tenant, [*bad, good[0]], NOW)).keys() == {good[0]}


async def test_after_the_last_job_there_is_no_page(table: Table) -> None:
    """`next_after` is None when nothing follows, also where the last page is full."""
    await ten_jobs(table)
    criteria: dict[str, Any] = {"status": None, "created_after": None, "now": NOW}
    page = await table.store.list(table.tenant, limit=10, after=None, **criteria)
    assert (len(page.jobs), page.next_after) == (10, None)
    empty = await table.store.list("nobody", limit=10, after=None, **criteria)
    assert (empty.jobs, empty.next_after) == ((), None)


async def test_a_list_shows_what_became_of_jobs_without_its_content(table: Table) -> None:
    """No answer, no history, no word about who works it."""
    claimed = await table.claimed()
    done = advance(claimed, EVENTS["succeeded"], LATER)
    await table.store.record(done, claimed.lease.token if claimed.lease else "")
    [listed] = await everything(table, 10)
    assert listed == replace(done, invocation=Invocation(), result=None, attempt_history=())


async def test_a_list_shows_one_tenant(table: Table) -> None:
    """Not even one whose name begins the same."""
    await replace(table, tenant=f"{table.tenant}x").submitted()
    mine = await table.submitted()
    assert [job.request_id for job in await everything(table, 10)] == [mine.request_id]


@pytest.mark.parametrize("limit", [2, 100])
async def test_a_list_can_be_narrowed_to_a_status(table: Table, limit: int) -> None:
    """As a reader sees it at `now`: a waiting job past its deadline is expired, one being worked is not."""
    late = NOW + timedelta(hours=1)
    jobs = {
        "waits": await table.submitted(),
        "too late": await table.submitted(deadline_at=late),
        "retry too late": await table.submitted(status=JobStatus.RETRYING, deadline_at=late),
        "worked": await table.submitted(status=JobStatus.PROCESSING, deadline_at=late),
        "expired": await table.submitted(status=JobStatus.EXPIRED, finished_at=NOW, check_at=None),
        "done": await table.submitted(status=JobStatus.COMPLETED, finished_at=NOW, check_at=None),
    }
    names = {job.request_id: name for name, job in jobs.items()}

    async def listed(status: JobStatus, now: datetime) -> set[str]:
        return {names[job.request_id] for job in await everything(table, limit, status=status, now=now)}

    assert await listed(JobStatus.QUEUED, late - MS) == {"waits", "too late"}
    assert await listed(JobStatus.QUEUED, late) == {"waits"}
    assert await listed(JobStatus.RETRYING, late) == set()
    assert await listed(JobStatus.EXPIRED, late) == {"too late", "retry too late", "expired"}
    assert await listed(JobStatus.PROCESSING, late) == {"worked"}
    assert await listed(JobStatus.COMPLETED, late) == {"done"}
    assert await listed(JobStatus.FAILED, late) == set()


async def test_a_rare_status_is_found_behind_many_others(table: Table) -> None:
    """A page may hold fewer than its limit, even nothing; following the pages finds everything."""
    oldest = await table.submitted(created_at=NOW - MS, status=JobStatus.FAILED, finished_at=NOW, check_at=None)
    await ten_jobs(table)
    assert [job.request_id for job in await everything(table, 1, status=JobStatus.FAILED)] == [oldest.request_id]


@pytest.mark.parametrize("limit", [4, 100])
async def test_created_after_excludes_its_own_instant(table: Table, limit: int) -> None:
    """Jobs made at or before it are not shown; an instant between two milliseconds parts them."""
    jobs = await ten_jobs(table)
    ids = [job.request_id for job in jobs]

    async def listed(created_after: datetime) -> list[str]:
        return [job.request_id for job in await everything(table, limit, created_after=created_after)]

    assert await listed(NOW - MS) == ids
    assert await listed(NOW + 6 * MS) == ids[:3]
    assert await listed(NOW + 6.5 * MS) == ids[:3]
    assert await listed(NOW + 9 * MS) == []
    assert await listed(datetime.max.replace(tzinfo=UTC)) == []
    assert await listed(datetime(1, 1, 1, tzinfo=UTC)) == ids


async def test_a_page_that_begins_before_created_after_is_empty(table: Table) -> None:
    """A cursor from another list is no error."""
    await ten_jobs(table)
    page = await table.store.list(
        table.tenant, status=None, created_after=NOW, limit=5, after=last_request_id_at(NOW - MS), now=NOW
    )
    assert (page.jobs, page.next_after) == ((), None)


async def test_statuses_are_read_as_readers_see_them(table: Table) -> None:
    """Of a job that waits, one that is worked, one that is over, and one whose deadline has passed; unknown ones are left out."""
    waits, worked, over, late = [await table.submitted() for _ in range(4)]
    await table.store.claim(an_envelope(worked), a_lease(), NOW)
    await table.store.replace(advance(over, Cancelled(), NOW), over, NOW)
    ids = [waits.request_id, worked.request_id, over.request_id, new_request_id(NOW)]
    assert await table.store.statuses(table.tenant, ids, NOW) == {
        waits.request_id: JobStatus.QUEUED,
        worked.request_id: JobStatus.PROCESSING,
        over.request_id: JobStatus.CANCELLED,
    }
    assert await table.store.statuses(table.tenant, [late.request_id], late.deadline_at) == {late.request_id: JobStatus.EXPIRED}
    assert await table.store.statuses("somebody-else", ids, NOW) == {}
