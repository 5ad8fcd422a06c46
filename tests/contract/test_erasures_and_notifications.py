"""Jobs that are erased in time, and of whose end somebody is to be told: neither makes the table forget the other."""

from datetime import timedelta

import pytest

from quarry.errors import JobChanged
from quarry.job import Failed, Job, StatusReason, Succeeded, advance, discarded, notified
from quarry.notification import Channel, NotificationStatus, Try, retried, settled
from quarry.testing import NOW, a_completion
from tests.contract.tables import FAILURE, LATER, MS
from tests.contract.test_erasures import Place, place  # noqa: F401 - a fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "https://hooks.example.com/x"


async def ended(place: Place, **more: object) -> Job:  # noqa: F811 - a fixture
    """A job that was answered, and owes a webhook."""
    table = place.table
    held = await table.claimed("token", webhook_url=URL, **more)
    await table.store.record(advance(held, Succeeded(a_completion(content=())), LATER), "token")
    job = await table.store.get(table.tenant, held.request_id)
    assert job
    assert job.webhook
    return job


async def test_once_it_was_told_it_is_erased_in_time(place: Place) -> None:  # noqa: F811 - a fixture
    """And minutes after it was read."""
    job = await ended(place, brief=True, store_content=False)
    assert job.webhook
    done = notified(job, Channel.WEBHOOK, settled(job.webhook, NotificationStatus.DELIVERED, Try(LATER, 204)))
    await place.table.store.note(done, job, Channel.WEBHOOK)
    assert (job.tenant, job.request_id) in await place.erasures.over(NOW + timedelta(days=400), 1000)
    await place.erasures.deliver(done, LATER, LATER + MS)
    assert (job.tenant, job.request_id) in await place.erasures.over(LATER + MS, 1000)


async def test_who_read_it_need_not_wait_for_who_is_to_be_told(place: Place) -> None:  # noqa: F811 - a fixture
    """It is erased minutes later all the same, and whoever was telling does not put that off."""
    job = await ended(place, brief=True, store_content=False)
    assert job.webhook
    await place.erasures.deliver(job, LATER, LATER + MS)
    later = notified(job, Channel.WEBHOOK, retried(job.webhook, Try(LATER, 500), 0.5))
    with pytest.raises(JobChanged):
        await place.table.store.note(later, job, Channel.WEBHOOK)
    assert (job.tenant, job.request_id) in await place.erasures.over(LATER + MS, 1000)


async def test_who_is_over_is_not_queued_though_somebody_is_to_be_told(place: Place) -> None:  # noqa: F811 - a fixture
    """A dead receiver does not fill its tenant's queue; the sweep finds the job all the same."""
    job = await ended(place)
    assert job.webhook
    later = notified(job, Channel.WEBHOOK, retried(job.webhook, Try(LATER, 500), 0.5))
    await place.table.store.note(later, job, Channel.WEBHOOK)
    assert job.tenant not in await place.table.store.unfinished()
    assert (job.tenant, job.request_id) in await place.table.store.due(LATER + timedelta(days=2), 1000)


async def test_who_gives_a_job_up_does_not_keep_it_longer(place: Place) -> None:  # noqa: F811 - a fixture
    """What was read goes when it would have gone."""
    table = place.table
    held = await table.claimed("token", brief=True, store_content=False)
    await table.store.record(advance(held, Failed(StatusReason.ATTEMPTS_EXHAUSTED, FAILURE, bury=True), LATER), "token")
    job = await table.store.get(table.tenant, held.request_id)
    assert job
    await place.erasures.deliver(job, LATER, LATER + MS)
    job = await table.store.get(table.tenant, held.request_id)
    assert job
    await table.store.replace(discarded(job), job, LATER)
    assert (table.tenant, held.request_id) in await place.erasures.over(LATER + timedelta(minutes=6), 1000)
