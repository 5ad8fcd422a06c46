"""Long-polls share one poller."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from quarry.errors import JobNotFound, RecordUnreadable
from quarry.job import Cancelled, Job, JobStatus, advance
from quarry.testing.builders import a_job
from tests.unit.producer.conftest import Producer


class Reads:
    """Counts what is read."""

    def __init__(self, producer: Producer) -> None:
        self.sizes: list[int] = []
        self._statuses = producer.store.statuses
        producer.store.statuses = self  # type: ignore[method-assign]

    async def __call__(self, tenant: str, request_ids: Sequence[str], now: datetime) -> dict[str, JobStatus]:
        self.sizes.append(len(request_ids))
        return await self._statuses(tenant, request_ids, now)


async def never() -> None:
    await asyncio.Event().wait()


def finish(producer: Producer, job: Job) -> None:
    producer.store.put(advance(job, Cancelled(), producer.clock.now()))


async def test_ten_waiters_are_one_read(producer: Producer) -> None:
    """Whoever is due at the same moment shares a request."""
    reads = Reads(producer)
    jobs = [producer.store.put(a_job()) for _ in range(10)]
    waiting = [asyncio.create_task(producer.waiters.wait(job, 30, never)) for job in jobs]
    await producer.clock.advance(10)
    assert set(reads.sizes) == {10}
    for job in jobs:
        finish(producer, job)
    await producer.clock.advance(1)
    assert all(each.done() for each in waiting)


async def test_a_job_whose_record_cannot_be_read_keeps_no_other_waiting(producer: Producer) -> None:
    """Of whichever tenant: one read for many must not fail for one."""
    bad, good = [producer.store.put(a_job()) for _ in range(2)]
    other = producer.store.put(a_job(tenant="other"))
    waiting = [asyncio.create_task(producer.waiters.wait(job, 30, never)) for job in (good, other)]
    ill = asyncio.create_task(producer.waiters.wait(bad, 30, never))
    await producer.clock.advance(1)
    producer.store.spoil(bad)
    await producer.clock.advance(1)
    for job in (good, other):
        finish(producer, job)
    await producer.clock.advance(1)
    assert all(each.done() for each in waiting)
    await producer.clock.advance(30)
    assert ill.done()


async def test_a_fresh_wait_looks_often_and_a_long_one_seldom(producer: Producer) -> None:
    """A job is seen within a two-hundredth of its time, so that a long one costs less."""
    reads = Reads(producer)
    job = producer.store.put(a_job())
    waiting = asyncio.create_task(producer.waiters.wait(job, 60, never))
    await producer.clock.advance(0.1)
    assert len(reads.sizes) >= 3
    await producer.clock.advance(3.9)
    before = len(reads.sizes)
    await producer.clock.advance(1)
    assert 20 <= len(reads.sizes) - before <= 52
    await producer.clock.advance(20)
    before = len(reads.sizes)
    await producer.clock.advance(10)
    assert 50 <= len(reads.sizes) - before <= 75
    waiting.cancel()


async def test_nobody_waits_nobody_reads(producer: Producer) -> None:
    """The poller ends with its last waiter, and starts again with the next."""
    reads = Reads(producer)
    for _ in range(2):
        job = producer.store.put(a_job())
        waiting = asyncio.create_task(producer.waiters.wait(job, 1, never))
        await producer.clock.advance(1)
        assert waiting.done()
        before = len(reads.sizes)
        await producer.clock.advance(60)
        assert len(reads.sizes) == before
    assert producer.clock.sleepers == 0


async def test_there_is_room_for_ten(producer: Producer) -> None:
    """The eleventh is let go at once."""
    job = producer.store.put(a_job())
    waiting = [asyncio.create_task(producer.waiters.wait(job, 30, never)) for _ in range(10)]
    await producer.clock.settle()
    assert producer.count("quarry_http_waiters") == 10
    eleventh = asyncio.create_task(producer.waiters.wait(job, 30, never))
    await producer.clock.settle()
    assert eleventh.done()
    finish(producer, job)
    await producer.clock.advance(1)
    assert all(each.done() for each in waiting)
    assert producer.count("quarry_http_waiters") == 0


async def test_who_hangs_up_is_let_go(producer: Producer) -> None:
    """Its place is free at once."""
    gone = asyncio.Event()

    async def until_gone() -> None:
        await gone.wait()

    waiting = asyncio.create_task(producer.waiters.wait(producer.store.put(a_job()), 30, until_gone))
    await producer.clock.settle()
    gone.set()
    await waiting
    assert producer.count("quarry_http_waiters") == 0


async def test_closing_lets_everybody_go(producer: Producer) -> None:
    """And nobody waits afterwards."""
    started = producer.clock.monotonic()
    job = producer.store.put(a_job())
    waiting = asyncio.create_task(producer.waiters.wait(job, 30, never))
    await producer.clock.settle()
    producer.waiters.close()
    await waiting
    await producer.waiters.wait(job, 30, never)
    assert producer.clock.monotonic() == started


async def test_a_store_that_is_away_for_a_moment_is_borne_with(producer: Producer) -> None:
    """Who waits goes on waiting, and is told in the end."""
    job = producer.store.put(a_job())
    waiting = asyncio.create_task(producer.waiters.wait(job, 30, never))
    producer.store.fail_next("statuses", times=5)
    await producer.clock.advance(1)
    assert not waiting.done()
    finish(producer, job)
    await producer.clock.advance(1)
    assert waiting.done()


async def test_a_job_that_the_table_does_not_show_yet_is_waited_for(producer: Producer) -> None:
    """The reads are not of the freshest: a job that was written a moment ago may be missing from them. After a second it is gone:
    who waits for it is let go, to be told so.
    """
    waiting = asyncio.create_task(producer.waiters.wait(a_job(), 30, never))
    await producer.clock.advance(0.9)
    assert not waiting.done()
    await producer.clock.advance(0.2)
    assert waiting.done()


async def test_who_waits_for_a_job_that_is_erased_is_told_so(producer: Producer) -> None:
    """Long before their time is up."""
    job = producer.store.put(a_job())
    waiting = asyncio.create_task(producer.lookup.wait("default", job.request_id, 30, never))
    await producer.clock.advance(5)
    await producer.eraser.erase("default", job.request_id)
    await producer.clock.advance(1)
    with pytest.raises(JobNotFound):
        await waiting


@pytest.mark.parametrize("seconds", [0.0, 0.4])
async def test_the_end_of_a_wait_is_read_fresh(producer: Producer, seconds: float) -> None:
    """The verb answers with the job as it stands then, not as the poller last saw it."""
    job = producer.store.put(a_job())
    waiting = asyncio.create_task(producer.lookup.wait("default", job.request_id, seconds, never))
    await producer.clock.settle()
    assert waiting.done() is (seconds == 0)
    await producer.clock.advance(0.5)
    assert (await waiting).request_id == job.request_id


async def test_a_deadline_that_passes_ends_the_wait(producer: Producer) -> None:
    """A reader sees `expired` then, though nobody wrote it."""
    job = producer.store.put(a_job())
    await producer.clock.advance(86_395)
    waiting = asyncio.create_task(producer.waiters.wait(job, 30, never))
    await producer.clock.advance(6)
    assert waiting.done()


async def test_a_job_that_nobody_can_read_keeps_no_other_waiting(producer: Producer) -> None:
    """Who waits for it learns that at once; the others learn of theirs as ever."""
    good, bad = (producer.store.put(a_job()) for _ in range(2))
    waiting = [asyncio.create_task(producer.lookup.wait("default", job.request_id, 30, never)) for job in (good, bad)]
    await producer.clock.advance(0.1)
    producer.store.spoil(bad)
    await producer.clock.advance(2)
    with pytest.raises(RecordUnreadable):
        await waiting[1]
    finish(producer, good)
    await producer.clock.advance(1)
    assert (await waiting[0]).status is JobStatus.CANCELLED
