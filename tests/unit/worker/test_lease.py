"""Leases: renewed in time, together with the visibility of their messages."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from quarry.attempts import AttemptOutcome
from quarry.errors import Throttled
from quarry.inference.routes import DegradedAnswer, Route, Routes, RouteTarget
from quarry.invocation import Target
from quarry.job import CALL_CLOSED, Job, JobStatus
from quarry.testing import a_lease, an_envelope
from tests.unit.worker.conftest import Bench
from worker.lease import HeldLease
from worker.outcome import Ack, Interruption, Leave
from worker.process import attempt


async def test_a_long_call_keeps_its_lease_and_its_message(bench: Bench) -> None:
    """Ten minutes under a lease of one: renewed every third of it, never visible to others, answered once."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        for _ in range(30):
            await bench.clock.advance(20)
            lease = bench.store.job(call.job.request_id).lease
            assert lease
            assert lease.expires_at >= bench.clock.now() + timedelta(seconds=59)
            assert bench.queue.visible_count == 0
        assert await call.answered() == Ack("completed")
        assert bench.count("quarry_lease_renewals_total", outcome="renewed") == 30


async def test_what_may_have_to_be_paid_for_is_known_until_it_is_recorded(bench: Bench) -> None:
    """From just before the call until its answer is safe."""
    assert not bench.leases.any_paid
    call = await bench.call()
    assert bench.leases.any_paid
    bench.store.fail_next("record", times=3)
    call.hold.release.set()
    await bench.clock.settle()
    assert not call.working.done()
    assert bench.leases.any_paid
    await bench.clock.run(call.working)
    assert not bench.leases.any_paid


async def test_a_call_outlives_a_lease_that_could_not_be_renewed(bench: Bench) -> None:
    """The table is away for longer than a lease: the call is paid for, and its answer counts, for nobody took the job over."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        bench.store.fail_next("renew", times=100)
        await bench.clock.advance(90)
        assert not call.working.done()
        bench.store.fail_next("record", times=3)
        assert await bench.clock.run(call.answered()) == Ack("completed")
        assert bench.store.job(call.job.request_id).status is JobStatus.COMPLETED
        assert len(bench.provider.calls) == 1


async def test_a_failed_renewal_is_tried_again_soon(bench: Bench) -> None:
    """Long before the lease ends, and not only when a third of it has passed once more."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        bench.store.fail_next("renew")
        await bench.clock.advance(25)
        lease = bench.store.job(call.job.request_id).lease
        assert lease
        assert lease.expires_at == bench.clock.now() + timedelta(seconds=60)
        await call.answered()


async def test_the_call_of_a_lost_lease_is_closed(bench: Bench) -> None:
    """Somebody took the job over while this worker could not renew: as soon as that is known, its call ends and writes nothing."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call("late")
        bench.store.fail_next("renew", times=12)
        await bench.clock.advance(66)
        taken = await bench.store.claim(
            an_envelope(call.job), a_lease(expires_at=bench.clock.now() + timedelta(60)), bench.clock.now()
        )
        await bench.clock.advance(60)
        assert await call.working == Leave("lease_lost")
        assert bench.provider.cancelled == 1
        assert bench.store.job(call.job.request_id) == taken
        # Who took it over counts the call that is paid again.
        assert bench.count("quarry_calls_repeated_total", reason="lease_lost") == 0


async def test_no_call_starts_on_a_lease_that_may_have_run_out(bench: Bench) -> None:
    """Whatever held the work up between claim and call: without a renewal there is none."""
    job = await bench.submitted()
    held = await bench.steps.claimer.claim(await bench.delivery())
    await bench.clock.advance(56)
    bench.store.fail_next("renew")
    _, verdict = await attempt(held, bench.steps)
    assert verdict.settlement == Leave("lease_lost")
    assert not bench.provider.calls
    # With one, there is.
    held = HeldLease(bench.store.job(job.request_id), held.delivery, held.valid_until)
    _, verdict = await attempt(held, bench.steps)
    assert verdict.settlement == Ack("completed")


async def test_no_call_starts_after_the_deadline(bench: Bench) -> None:
    """It may pass between claim and call."""
    job = await bench.submitted(deadline_at=bench.clock.now() + timedelta(seconds=10))
    held = await bench.steps.claimer.claim(await bench.delivery())
    await bench.clock.advance(10)
    recorded, verdict = await attempt(held, bench.steps)
    assert verdict.settlement == Ack("expired")
    assert recorded.status is bench.store.job(job.request_id).status is JobStatus.EXPIRED
    assert recorded.attempts == 0
    assert not bench.provider.calls


@pytest.mark.parametrize("declared", [True, False])
async def test_no_target_is_asked_after_the_deadline(declared: bool) -> None:
    """It may pass while an earlier one makes up its mind to refuse: what the route declares for that is given, if it does."""
    targets = tuple(RouteTarget(Target("bedrock", region, "model")) for region in ("us-east-1", "us-west-2"))
    bench = Bench(routes=Routes([Route("default", targets, degraded=DegradedAnswer("Later.", 60) if declared else None)]))
    call = await bench.call(Throttled("x"), deadline_at=bench.clock.now() + timedelta(seconds=10))
    await bench.clock.advance(10)
    assert await call.answered() == Ack("degraded" if declared else "expired")
    job = bench.store.job(call.job.request_id)
    assert (job.status, job.degraded) == ((JobStatus.COMPLETED, "Later.") if declared else (JobStatus.EXPIRED, None))
    assert len(bench.provider.calls) == 1


async def test_a_cancel_of_before_counts_more_than_the_deadline(bench: Bench) -> None:
    """Both are found before a call: the caller's wish came first."""
    await bench.submitted(deadline_at=bench.clock.now() + timedelta(seconds=10))
    held = await bench.steps.claimer.claim(await bench.delivery())
    held.interrupt(Interruption.CANCEL_REQUESTED)
    await bench.clock.advance(10)
    _, verdict = await attempt(held, bench.steps)
    assert verdict.settlement == Ack("cancelled")


async def test_a_cancel_is_seen_within_seconds_by_one_read_for_all_jobs(bench: Bench) -> None:
    """Long before a renewal; the call is closed, and the history says that it may have cost something."""
    async with bench.beside(bench.leases.listen()):
        unwanted, kept = await bench.call(), await bench.call()
        await bench.store.request_cancel(bench.store.job(unwanted.job.request_id))
        await bench.clock.advance(2)
        assert await unwanted.working == Ack("cancelled")
        assert not kept.working.done()
        [attempt_] = bench.store.job(unwanted.job.request_id).attempt_history
        assert (attempt_.outcome, attempt_.error) == (AttemptOutcome.CANCELLED, CALL_CLOSED)
        assert await kept.answered() == Ack("completed")


async def test_a_notice_of_an_earlier_lease_stops_nothing(bench: Bench) -> None:
    """The job was redriven since, and this worker has it again."""
    async with bench.beside(bench.leases.listen()):
        call = await bench.call()
        running = bench.store.job(call.job.request_id)
        await bench.store.request_cancel(bench.store.put(replace(running, lease=a_lease("before", owner="me"))))
        bench.store.put(running)
        await bench.clock.advance(2)
        assert not call.working.done()
        assert await call.answered() == Ack("completed")


async def test_a_table_that_is_away_does_not_end_the_listening(bench: Bench) -> None:
    """The renewals tell, later."""
    async with bench.beside(bench.leases.listen()):
        call = await bench.call()
        bench.store.fail_next("take_notices")
        await bench.clock.advance(4)
        await call.answered()


async def test_a_queue_that_refuses_to_extend_does_not_end_the_work(bench: Bench) -> None:
    """The message may come to somebody else, whose claim is refused: the lease is what counts."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        bench.queue.fail_next("extend", times=3)
        await bench.clock.advance(60)
        assert await call.answered() == Ack("completed")


async def test_a_lease_given_up_by_its_record_is_not_counted_as_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that was on its way while the record was written is refused, which means nothing."""
    arrived, renew = asyncio.Event(), bench.store.renew

    async def slow_renew(job: Job, expires_at: datetime, *, answered: bool = False) -> None:
        await arrived.wait()
        await renew(job, expires_at, answered=answered)

    monkeypatch.setattr(bench.store, "renew", slow_renew)
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        await bench.clock.advance(20)
        assert await call.answered() == Ack("completed")
        arrived.set()
        await bench.clock.settle()
        assert len(bench.leases) == 0
        assert bench.count("quarry_lease_renewals_total", outcome="lost") == 0


async def test_a_slow_renewal_keeps_no_other_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs concerns its own job alone."""
    asked: list[str] = []
    renew = bench.store.renew
    stuck, healthy = await bench.call(), await bench.call()

    async def hanging(job: Job, expires_at: datetime, *, answered: bool = False) -> None:
        asked.append(job.request_id)
        if job.request_id == stuck.job.request_id:
            await bench.clock.sleep(1000)
        await renew(job, expires_at, answered=answered)

    monkeypatch.setattr(bench.store, "renew", hanging)
    async with bench.beside(bench.leases.keep()):
        await bench.clock.advance(120)
        lease = bench.store.job(healthy.job.request_id).lease
        assert lease
        assert lease.expires_at > bench.clock.now() + timedelta(seconds=30)
        # It is not asked for again and again while the first answer is awaited.
        assert asked.count(stuck.job.request_id) == 1
        assert [await each.answered() for each in (stuck, healthy)] == [Ack("completed")] * 2
