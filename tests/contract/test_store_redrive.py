"""The store port, sentence by sentence: putting back to work what is over, and giving it up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.errors import JobChanged, StaleGeneration
from quarry.job import Claimed, Job, JobStatus, Redriven, advance, discarded
from quarry.testing import NOW, a_lease, an_envelope
from tests.contract.tables import EVENTS, LAPSED, LATER, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")

REDRIVEN = Redriven(NOW + timedelta(days=2), max_attempts=7, model="other")


async def over(table: Table, event: str) -> Job:
    """A job that has ended so, in the store."""
    _, done = await table.worked(event)
    await table.store.record(done, "token")
    found = await table.store.get(table.tenant, done.request_id)
    assert found
    return found


@pytest.mark.parametrize("event", ["failed", "buried", "cancelled", "expired"])
async def test_a_redriven_job_is_what_advance_says(table: Table, event: str) -> None:
    """In every field, those that no worker ever writes among them; it is claimed by its new message, and by no older one."""
    done = await over(table, event)
    job = advance(done, REDRIVEN, LATER)
    await table.store.replace(job, done, LATER)
    await table.holds(job)
    with pytest.raises(StaleGeneration):
        await table.store.claim(an_envelope(done), a_lease(), LATER)
    lease = a_lease(expires_at=LAPSED)
    assert await table.store.claim(an_envelope(job), lease, LATER) == advance(job, Claimed(lease), LATER)


async def test_the_sweep_finds_a_redriven_job(table: Table) -> None:
    """Should whoever redrove it die before the message is sent."""
    done = await over(table, "buried")
    job = advance(done, REDRIVEN, LATER)
    await table.store.replace(job, done, LATER)
    assert job.check_at
    due = await table.store.due(job.check_at, 1000)
    assert (table.tenant, job.request_id) in due


async def test_of_two_redrives_one_is_written(table: Table) -> None:
    """The other learns that the job has changed."""
    done = await over(table, "buried")
    job = advance(done, REDRIVEN, LATER)
    await table.store.replace(job, done, LATER)
    with pytest.raises(JobChanged):
        await table.store.replace(replace(job, max_attempts=1), done, LATER)
    await table.holds(job)


async def test_a_redriven_job_is_listed_as_it_is(table: Table) -> None:
    """No longer among the failed."""
    done = await over(table, "buried")
    await table.store.replace(advance(done, REDRIVEN, LATER), done, LATER)
    page = await table.store.list(
        table.tenant, status=JobStatus.FAILED, created_after=None, limit=10, after=None, now=LATER
    )  # fmt: skip
    assert page.jobs == ()


async def test_a_discarded_job_is_what_it_was_but_given_up(table: Table) -> None:
    """It is deleted when it would have been, and needs no dead letter."""
    done = await over(table, "buried")
    await table.store.replace(discarded(done), done, LATER)
    await table.holds(discarded(done))


@pytest.mark.parametrize("event", EVENTS)
async def test_a_record_counts_attempts_on(table: Table, event: str) -> None:
    """What a worker writes leaves the attempts of earlier generations apart."""
    held, done = await table.worked(event, attempts=3, attempts_before=3, generation=1)
    await table.store.record(done, "token")
    await table.holds(done)
    assert (held.attempts_spent, done.attempts_before) == (1, 3)
