"""The sweep: what has no message gets one, what is over is recorded, and a backlog is left alone."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.erasure.eraser import Eraser
from quarry.errors import QueueUnavailable, StoreUnavailable
from quarry.job import CHECK_AFTER, MAX_TAKEOVERS, Expired, JobStatus, advance, notified
from quarry.notification import Channel, NotificationStatus, owed, settled
from quarry.testing import MemoryQueue, a_claimed_job, a_job, a_lease
from tests.unit.worker.conftest import SWEEP_SECONDS, Bench
from worker.front import Front
from worker.outcome import Ack, Bury
from worker.sweep import ROLE

LATER = CHECK_AFTER.total_seconds()


async def swept(bench: Bench) -> int:
    """A round of a worker whose last poll brought nothing."""
    bench.nothing_waits()
    return await bench.sweep.once()


async def test_a_job_without_a_message_gets_one(bench: Bench) -> None:
    """The API died between record and send."""
    job = a_job(generation=2)
    await bench.store.create(job)
    assert await swept(bench) == 0
    await bench.clock.advance(LATER)
    assert await swept(bench) == 1
    assert await bench.work() == Ack("completed")
    assert bench.count("quarry_swept_total", outcome="resent") == 1


async def test_it_is_looked_at_again_only_after_as_long_as_it_waited(bench: Bench) -> None:
    """Where no worker takes jobs for hours, a message more each round would only make it worse."""
    await bench.store.create(a_job())
    sent = 0
    for _ in range(6 * 3600 // 30):
        await bench.clock.advance(30)
        sent += await swept(bench)
    assert sent == 8  # after 2, 4, 8 … 256 minutes


async def test_a_dead_workers_job_whose_message_is_lost(bench: Bench) -> None:
    """The new message leads to the take-over."""
    job = a_claimed_job(created_at=bench.clock.now())
    bench.store.put(job)
    await bench.clock.advance(60 + LATER)
    assert await swept(bench) == 1
    assert await bench.work() == Ack("completed")
    assert bench.store.job(job.request_id).takeovers == 1


async def test_a_job_that_is_held_is_left_alone(bench: Bench) -> None:
    """Its renewals push what the index says; here the index lags."""
    job = a_claimed_job(a_lease(expires_at=bench.clock.now() + timedelta(hours=1)))
    bench.store.put(job)
    bench.store.put(a_claimed_job(a_lease(expires_at=bench.clock.now() + timedelta(hours=1)), check_at=bench.clock.now()))
    await bench.clock.advance(LATER)
    assert await swept(bench) == 0
    assert bench.queue.visible_count == 0


async def test_a_deadline_that_passed_is_recorded(bench: Bench) -> None:
    """With or without a message; for a job whose worker died too."""
    waiting = a_job(deadline_at=bench.clock.now() + timedelta(seconds=30))
    dead = a_claimed_job(deadline_at=bench.clock.now() + timedelta(seconds=30))
    for job in (waiting, dead):
        bench.store.put(job)
    await bench.clock.advance(60 + LATER)
    assert await swept(bench) == 2
    for job in (waiting, dead):
        assert bench.store.job(job.request_id).status is JobStatus.EXPIRED
    assert bench.count("quarry_jobs_finished_total", outcome="expired") == 2
    assert bench.queue.visible_count == 0


async def test_a_wish_to_cancel_whose_holder_died_is_carried_out(bench: Bench) -> None:
    """Nobody renews any more, so nobody else would learn of it."""
    job = bench.store.put(a_claimed_job())
    await bench.store.request_cancel(job)
    await bench.clock.advance(60 + LATER)
    assert await swept(bench) == 1
    assert bench.store.job(job.request_id).status is JobStatus.CANCELLED


async def test_a_job_that_kills_its_workers_is_buried_through_a_message(bench: Bench) -> None:
    """A dead letter needs one."""
    bench.store.put(a_claimed_job(takeovers=MAX_TAKEOVERS))
    await bench.clock.advance(60 + LATER)
    assert await swept(bench) == 1
    assert await bench.work() == Bury("taken_over_too_often")


async def test_a_backlog_is_not_added_to(bench: Bench) -> None:
    """Jobs wait an hour for their turn. One that waited twice as long has lost its message."""
    bench.waits(3600)
    await bench.store.create(a_job())
    for _ in range(12):
        await bench.clock.advance(300)
        bench.waits(3600)
        assert await bench.sweep.once() == 0
    await bench.clock.advance(3600 + LATER)
    bench.waits(3600)
    assert await bench.sweep.once() == 1


async def test_a_worker_that_hears_nothing_leaves_the_sweep_to_others(bench: Bench) -> None:
    """All its slots are busy, say: it cannot tell who waits too long, and must not keep the role from who can."""
    await bench.store.create(a_job())
    await bench.clock.advance(3600)
    bench.nothing_waits()
    await bench.clock.advance(61)
    assert await bench.sweep.once() == 0
    other = a_lease("other", expires_at=bench.clock.now() + timedelta(seconds=LATER))
    assert await bench.store.take_role(ROLE, other, bench.clock.now())


async def test_a_worker_that_hears_nothing_erases_all_the_same(bench: Bench) -> None:
    """Where all are full of long calls, neither what was promised nor what is over waits for them; a backlog is left alone."""
    promised_away = await bench.submitted()
    bench.erasures.fail_next("remove")
    with pytest.raises(StoreUnavailable):
        await Eraser(bench.store, bench.erasures, bench.payloads, bench.clock).erase("default", promised_away.request_id)
    bench.store.put(advance(a_job(brief=True), Expired(), bench.clock.now()))  # over in 14 days
    waiting = await bench.submitted()
    await bench.clock.advance(timedelta(days=14).total_seconds())
    assert await bench.sweep.once() == 2
    assert bench.store.jobs == [waiting]


async def test_one_worker_at_a_time(bench: Bench) -> None:
    """The others find the role taken, until its owner is gone."""
    await bench.store.create(a_job())
    other = a_lease("other", expires_at=bench.clock.now() + timedelta(seconds=LATER))
    assert await bench.store.take_role(ROLE, other, bench.clock.now())
    await bench.clock.advance(LATER)
    assert await swept(bench) == 0
    await bench.clock.advance(10)
    assert await swept(bench) == 1


async def test_a_queue_that_is_away_ends_the_round_and_not_the_sweep(bench: Bench) -> None:
    """The next round goes on; a job whose new message was not sent is found again."""
    for _ in range(3):
        await bench.store.create(a_job())
    await bench.clock.advance(LATER)
    bench.queue.fail_next("send", times=3)
    with pytest.raises(QueueUnavailable):
        await swept(bench)
    assert await swept(bench) == 3


async def test_what_is_a_bug_on_one_job_does_not_keep_the_others_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that cannot be read, say."""
    broken, whole = a_job(), a_job()
    get = bench.store.get

    async def get_or_fail(tenant: str, request_id: str) -> object:
        if request_id == broken.request_id:
            raise KeyError("status")
        return await get(tenant, request_id)

    for job in (broken, whole):
        await bench.store.create(job)
    monkeypatch.setattr(bench.store, "get", get_or_fail)
    await bench.clock.advance(LATER)
    assert await swept(bench) == 1


async def test_it_sweeps_for_ever(bench: Bench) -> None:
    """Whatever a round meets."""
    await bench.store.create(a_job())
    bench.store.fail_next("take_role", times=2)
    bench.store.fail_next("due")
    sweeping = asyncio.create_task(bench.sweep.keep())
    for _ in range(8):
        bench.nothing_waits()
        await bench.clock.advance(SWEEP_SECONDS)
    assert bench.count("quarry_swept_total", outcome="resent") == 1
    assert not sweeping.done()
    sweeping.cancel()


async def test_a_swept_job_cannot_be_withdrawn(bench: Bench) -> None:
    """It has a message again, and somebody may have been promised it."""
    job = a_job()
    await bench.store.create(job)
    await bench.clock.advance(LATER)
    await swept(bench)
    assert not await bench.store.withdraw(job, None)


async def test_a_lost_second_write_costs_one_message_more(bench: Bench) -> None:
    """The message goes first."""
    await bench.store.create(a_job())
    await bench.clock.advance(LATER)
    bench.store.fail_next("replace")
    with pytest.raises(StoreUnavailable):
        await swept(bench)
    assert await swept(bench) == 1
    assert bench.queue.visible_count == 2
    assert [await bench.work(), await bench.work()] == [Ack("completed"), Ack("already_finished")]


def test_the_front_is_the_longest_wait_of_late() -> None:
    """Old waits are forgotten once there are newer ones; an empty lane has no wait; silence makes it grow."""
    front = Front(0)
    assert front.seconds(30) == 30
    for wait, at in ((50, 0), (10, 100), (20, 150)):
        front.waited(wait, at)
    assert front.seconds(150) == 50
    assert front.seconds(201) == 20 + 51
    front.empty(210)
    assert front.seconds(210) == 0


async def test_an_end_that_nobody_was_reminded_of(bench: Bench) -> None:
    """The worker died between record and reminder, or the queue was away: the sweep reminds, and less often the longer it takes."""
    reminders = MemoryQueue(bench.clock)
    bench.sweep._reminders = reminders  # noqa: SLF001 - as its composition root does
    job = bench.store.put(advance(a_job(webhook_url="https://hooks.example.com/"), Expired(), bench.clock.now()))
    assert await swept(bench) == 0
    for count, minutes in enumerate((2, 2, 4, 8), start=1):
        await bench.clock.advance(minutes * 60)
        assert await swept(bench) == 1
        assert len(reminders.bodies) == count
    told = notified(
        bench.store.job(job.request_id), Channel.WEBHOOK, settled(owed(bench.clock.now()), NotificationStatus.DELIVERED)
    )
    bench.store.put(told)
    await bench.clock.advance(24 * 3600)
    assert await swept(bench) == 0


async def test_an_end_that_has_been_told_leaves_the_index(bench: Bench) -> None:
    """Two channels may end at the same time, each seeing the other one open."""
    ended = advance(a_job(webhook_url="https://hooks.example.com/"), Expired(), bench.clock.now())
    job = bench.store.put(replace(ended, webhook=settled(owed(bench.clock.now()), NotificationStatus.DELIVERED)))
    await bench.clock.advance(LATER)
    await swept(bench)
    assert bench.store.job(job.request_id).check_at is None
