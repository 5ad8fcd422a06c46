"""Noting a try to tell of a job's end: of everybody who has seen the same state, one does it."""

from dataclasses import replace

import pytest

from quarry.errors import JobChanged
from quarry.job import Expired, Job, Redriven, advance, notified
from quarry.notification import Channel, NotificationStatus, Try, retried, settled
from quarry.testing import NOW
from tests.contract.tables import Table

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "https://hooks.example.com/hook?key=1"


async def ended(table: Table) -> Job:
    """A job that owes a notification on each channel."""
    job = await table.submitted(webhook_url=URL, publish=True)
    done = advance(job, Expired(), NOW)
    await table.store.replace(done, job, NOW)
    await table.holds(done)
    return done


async def test_tries_are_noted_until_nothing_is_owed(table: Table) -> None:
    """Channel by channel; then the job leaves the index of those to be looked at."""
    job = await ended(table)
    for channel in Channel:
        later = notified(job, channel, retried(job.notifications[channel], Try(NOW, 500), 0.5))
        await table.store.note(later, job, channel)
        await table.holds(later)
        job = notified(
            later, channel, settled(later.notifications[channel], NotificationStatus.DELIVERED, Try(NOW, error="timed_out"))
        )
        await table.store.note(job, later, channel)
        await table.holds(job)
    assert job.check_at is None


async def test_who_comes_second_notes_nothing(table: Table) -> None:
    """On the same channel. On another one, both are noted."""
    job = await ended(table)
    later = notified(job, Channel.WEBHOOK, retried(job.notifications[Channel.WEBHOOK], Try(NOW, 500), 0.5))
    await table.store.note(later, job, Channel.WEBHOOK)
    with pytest.raises(JobChanged):
        await table.store.note(
            notified(job, Channel.WEBHOOK, settled(job.owes[Channel.WEBHOOK], NotificationStatus.FAILED)), job, Channel.WEBHOOK
        )
    await table.holds(later)
    other = notified(job, Channel.EVENTS, settled(job.owes[Channel.EVENTS], NotificationStatus.DELIVERED))
    await table.store.note(other, job, Channel.EVENTS)
    await table.holds(replace(other, webhook=later.webhook, revision=later.revision + 1))


async def test_nothing_is_noted_on_a_job_that_went_on(table: Table) -> None:
    """Or that is gone: it is not made again by a note."""
    job = await ended(table)
    again = advance(job, Redriven(NOW.replace(year=NOW.year + 1), 3), NOW)
    await table.store.replace(again, job, NOW)
    done = notified(job, Channel.WEBHOOK, settled(job.owes[Channel.WEBHOOK], NotificationStatus.DELIVERED))
    with pytest.raises(JobChanged):
        await table.store.note(done, job, Channel.WEBHOOK)
    await table.holds(again)
    unknown = replace(job, request_id=table.job().request_id)
    with pytest.raises(JobChanged):
        await table.store.note(notified(unknown, Channel.WEBHOOK, done.notifications[Channel.WEBHOOK]), unknown, Channel.WEBHOOK)
    assert await table.store.get(table.tenant, unknown.request_id) is None
