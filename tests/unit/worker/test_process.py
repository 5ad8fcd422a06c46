"""One delivery, from claim to settlement: every path, with a fake queue, store and model."""

import asyncio
from datetime import datetime, timedelta

import pytest

from quarry import errors
from quarry.attempts import AttemptOutcome
from quarry.errors import RecordRefused
from quarry.invocation import Invocation
from quarry.job import CALL_CUT, Claimed, Job, JobStatus, StatusReason, Succeeded, advance
from quarry.testing.builders import a_lease, an_envelope
from tests.unit.worker.conftest import Bench
from worker.outcome import STORE_UNAVAILABLE, Ack, Bury, Interruption, Leave, Release


async def test_an_answer_is_recorded_before_the_message_is_acked(bench: Bench) -> None:
    """Record, then ack: where the ack fails, the record stands and the message comes again to no effect."""
    job = await bench.submitted()
    bench.queue.fail_next("ack")
    await bench.work()
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
    bench.queue.deliver_again()
    assert await bench.work() == Ack("already_finished")
    assert len(bench.provider.calls) == 1
    assert (bench.queue.visible_count, bench.queue.in_flight_count) == (0, 0)


async def test_the_call_says_whose_it_is(bench: Bench) -> None:
    """The request id and the attempt travel with the call."""
    job = await bench.submitted()
    await bench.work()
    assert bench.provider.calls[0].labels == {"quarry_request_id": job.request_id, "quarry_attempt": "1"}


async def test_a_second_delivery_while_the_first_works_waits_for_its_lease(bench: Bench) -> None:
    """It is released until the lease could have run out, and calls nobody."""
    call = await bench.call()
    bench.queue.deliver_again()
    settlement = await bench.work()
    assert settlement == Release(bench.clock.now() + timedelta(seconds=65), "claimed_elsewhere")
    assert await call.answered() == Ack("completed")
    assert bench.store.job(call.job.request_id).result is not None
    assert len(bench.provider.calls) == 1


async def test_a_lost_answer_of_a_claim_is_recognised(bench: Bench) -> None:
    """The claim stood and its answers were lost: the same token finds that out, and it costs neither attempt nor take-over."""
    job = await bench.submitted()
    bench.store.fail_next("claim", applied=True, times=6)
    assert await bench.clock.run(bench.work()) == Ack("completed")
    done = bench.store.job(job.request_id)
    assert (done.attempts, done.takeovers, len(bench.provider.calls)) == (1, 0, 1)
    assert bench.clock.monotonic() < 30


@pytest.mark.parametrize("applied", [True, False])
async def test_an_answer_in_hand_is_recorded_however_long_the_store_is_away(bench: Bench, applied: bool) -> None:
    """Repeated until it is known; a write that was applied and whose answer was lost is recognised by its token."""
    job = await bench.submitted()
    bench.store.fail_next("record", applied=applied, times=10)
    assert await bench.clock.run(bench.work()) == Ack("completed")
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
    assert len(bench.provider.calls) == 1


async def test_a_record_is_not_lost_to_cancellation(bench: Bench) -> None:
    """The write is shielded: the process is cancelled, the answer is kept."""
    job = await bench.submitted()
    bench.store.fail_next("record", times=1)
    working = asyncio.create_task(bench.work())
    await bench.clock.settle()
    working.cancel()
    await bench.clock.advance(1)
    with pytest.raises(asyncio.CancelledError):
        await working
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED


async def test_who_was_taken_over_writes_and_settles_nothing(bench: Bench) -> None:
    """The late owner's answer is fenced off; the message is left to the new owner."""
    call = await bench.call("late")
    taken = advance(bench.store.job(call.job.request_id), Claimed(a_lease("other")), bench.clock.now())
    bench.store.put(taken)
    assert await call.answered() == Leave("lease_lost")
    assert bench.store.job(call.job.request_id) == taken
    assert bench.queue.in_flight_count == 1


async def test_a_lease_lost_during_the_call_closes_it(bench: Bench) -> None:
    """The renewal finds another token: the call is closed, and nothing is written."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        bench.store.put(advance(bench.store.job(call.job.request_id), Claimed(a_lease("other")), bench.clock.now()))
        await bench.clock.advance(20)
        assert await call.working == Leave("lease_lost")
        assert bench.provider.cancelled == 1
        assert bench.count("quarry_lease_renewals_total", outcome="lost") == 1


async def test_a_cancel_seen_at_renewal_closes_the_call(bench: Bench) -> None:
    """The job is `cancelled`, its attempt spent; the message is acked."""
    async with bench.beside(bench.leases.keep()):
        call = await bench.call()
        await bench.store.request_cancel(bench.store.job(call.job.request_id))
        await bench.clock.advance(20)
        assert await call.working == Ack("cancelled")
        done = bench.store.job(call.job.request_id)
        assert (done.status, done.attempts, done.attempt_history[0].outcome) == (JobStatus.CANCELLED, 1, AttemptOutcome.CANCELLED)
        assert bench.provider.cancelled == 1


async def test_an_answer_in_hand_beats_a_cancel(bench: Bench) -> None:
    """It was paid for."""
    call = await bench.call()
    await bench.store.request_cancel(bench.store.job(call.job.request_id))
    assert await call.answered() == Ack("completed")
    assert bench.store.job(call.job.request_id).status is JobStatus.COMPLETED


async def test_a_cancel_beats_a_retry(bench: Bench) -> None:
    """What is not final gives way to the caller's wish."""
    call = await bench.call(errors.ModelFailed("x"))
    await bench.store.request_cancel(bench.store.job(call.job.request_id))
    assert await call.answered() == Ack("cancelled")
    assert bench.store.job(call.job.request_id).status is JobStatus.CANCELLED


async def test_a_draining_worker_hands_a_cut_call_back(bench: Bench) -> None:
    """Its attempt is spent, its outcome unknown, its message visible at once."""
    call = await bench.call()
    assert bench.leases.interrupt_all(Interruption.DRAINING) == 1
    assert await call.working == Release(bench.clock.now(), "handed_back")
    cut = bench.store.job(call.job.request_id)
    assert (cut.status, cut.attempts, cut.attempt_history[0].outcome) == (JobStatus.RETRYING, 1, AttemptOutcome.OUTCOME_UNKNOWN)
    assert bench.queue.visible_count == 1
    assert bench.count("quarry_calls_repeated_total", reason="draining") == 1


async def test_a_dead_letter_that_was_not_sent_is_sent_by_the_next_delivery(bench: Bench) -> None:
    """A crash between record and bury: the record says `bury_reason`, and the redelivery carries it out."""
    job = await bench.submitted(max_attempts=1)
    bench.provider.play(errors.ModelFailed("x"))
    bench.queue.fail_next("bury")
    await bench.work()
    assert bench.queue.buried == []
    assert bench.store.job(job.request_id).bury_reason == "attempts_exhausted"
    bench.queue.deliver_again()
    assert await bench.work() == Bury("attempts_exhausted")
    assert [letter.request_id for letter in bench.queue.buried] == [job.request_id]
    assert bench.store.job(job.request_id).bury_reason is None


async def test_a_job_whose_workers_keep_dying_is_buried_without_a_call(bench: Bench) -> None:
    """Five take-overs are enough."""
    job = await bench.submitted()
    for _ in range(6):
        await bench.steps.claimer.claim(await bench.delivery())
        await bench.clock.advance(70)
    assert await bench.work() == Bury("taken_over_too_often")
    done = bench.store.job(job.request_id)
    assert (done.status, done.takeovers, done.error and done.error.code) == (JobStatus.FAILED, 5, "taken_over_too_often")
    assert bench.provider.calls == []


async def test_a_bug_in_a_provider_costs_an_attempt_and_no_worker(bench: Bench) -> None:
    """A foreign exception is an attempt that failed, so that it cannot be paid for again for ever."""
    job = await bench.submitted(max_attempts=1)
    bench.provider.play(ZeroDivisionError("secret"))
    assert await bench.work() == Bury("attempts_exhausted")
    failed = bench.store.job(job.request_id)
    assert failed.error
    assert (failed.error.code, "secret" in failed.error.message) == ("internal_error", False)


async def test_a_route_that_is_gone_blocks_the_job_and_the_worker_says_so(bench: Bench) -> None:
    """It was there at submission: ours to mend, so the job waits."""
    job = await bench.submitted(model="gone")
    assert isinstance(await bench.work(), Release)
    assert bench.store.job(job.request_id).status is JobStatus.QUEUED
    assert bench.health.unready() == "gone: model_not_found"
    assert bench.count("quarry_targets_blocked") == 1


async def test_a_job_that_may_be_served_nowhere_any_more_waits_and_blocks_no_other(bench: Bench) -> None:
    """Its region was allowed to it at submission: the routes were changed, and can be changed back. No target refused us."""
    job = await bench.submitted(allowed_regions=("eu-west-1",))
    assert isinstance(await bench.work(), Release)
    waiting = bench.store.job(job.request_id)
    assert (waiting.status, waiting.status_reason, waiting.attempts) == (JobStatus.QUEUED, StatusReason.BLOCKED, 0)
    assert (bench.provider.calls, bench.health.unready()) == ([], None)


async def test_a_job_that_nobody_can_serve_fails_without_a_call(bench: Bench) -> None:
    """No time would mend that; the error says what is missing."""
    job = await bench.submitted(invocation=Invocation(native={"inputText": "Hi"}), model="echo")
    assert await bench.work() == Ack("rejected")
    failed = bench.store.job(job.request_id)
    assert failed.error
    assert (failed.error.code, "a native body" in failed.error.message) == ("target_not_capable", True)


async def test_a_target_of_which_nobody_hears_any_more_does_not_keep_the_worker_unready(bench: Bench) -> None:
    """Its jobs are gone; nobody will ever see it answer."""
    await bench.submitted(model="gone")
    await bench.work()
    await bench.clock.advance(599)
    assert bench.health.unready()
    await bench.clock.advance(1)
    assert bench.health.unready() is None
    assert bench.count("quarry_targets_blocked") == 0


async def test_a_claim_under_way_when_the_worker_cuts_its_calls_is_handed_back_uncalled(bench: Bench) -> None:
    """It was not among what ran, and must not start a call that nobody will finish."""
    job = await bench.submitted()
    bench.leases.interrupt_all(Interruption.DRAINING)
    assert await bench.work() == Release(bench.clock.now(), "handed_back")
    handed_back = bench.store.job(job.request_id)
    assert (handed_back.status, handed_back.attempts, bench.provider.calls) == (JobStatus.QUEUED, 0, [])


async def test_a_job_that_changed_under_a_refusal_is_judged_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired by this worker's reading, redone by somebody else meanwhile: the delivery comes again at once."""

    async def changed(job: Job, seen: Job, now: datetime) -> None:
        raise errors.JobChanged("by somebody else")

    await bench.submitted(deadline_at=bench.clock.now())
    monkeypatch.setattr(bench.store, "replace", changed)
    assert await bench.work() == Release(bench.clock.now(), "job_changed")


async def test_a_table_that_takes_no_record_of_a_refusal_is_not_asked_in_a_loop(bench: Bench) -> None:
    """The worker pauses, as for any table that is away."""
    await bench.submitted(deadline_at=bench.clock.now())
    bench.store.fail_next("replace")
    settlement = await bench.work()
    assert isinstance(settlement, Release)
    assert settlement.reason == STORE_UNAVAILABLE
    assert settlement.until > bench.clock.now()


async def test_a_message_that_is_no_envelope_is_buried(bench: Bench) -> None:
    """With its reason, and nothing else happens."""
    bench.queue.put("[]")
    assert await bench.work() == Bury("malformed_envelope")
    assert [(letter.body, letter.reason) for letter in bench.queue.buried] == [("[]", "malformed_envelope")]


async def test_a_store_that_is_away_at_the_claim_costs_a_wait(bench: Bench) -> None:
    """Nothing is known, so nothing is called. It is asked for as long as a claim would be worth having: half a lease."""
    await bench.submitted()
    bench.store.fail_next("claim", times=100)
    settlement = await bench.clock.run(bench.work())
    assert isinstance(settlement, Release)
    assert settlement.reason == STORE_UNAVAILABLE
    assert 20 < bench.clock.monotonic() <= 30
    assert bench.provider.calls == []


async def test_every_settlement_is_counted_once(bench: Bench) -> None:
    """One delivery, one settlement."""
    await bench.submitted()
    bench.queue.put("[]")
    for _ in range(2):
        await bench.work()
    settled = [
        sample.value for metric in bench.registry.collect() for sample in metric.samples
        if sample.name == "quarry_deliveries_settled_total"
    ]  # fmt: skip
    assert settled == [1.0, 1.0]


async def test_a_lease_too_short_for_a_call_is_renewed_before_it(bench: Bench) -> None:
    """A delivery that waited long between claim and call does not call under a lease about to end."""
    job = await bench.submitted()
    delivery = await bench.delivery()
    held = await bench.steps.claimer.claim(delivery)
    await bench.clock.advance(40)
    await bench.leases.ensure(held)
    lease = bench.store.job(job.request_id).lease
    assert lease
    assert lease.expires_at == bench.clock.now() + timedelta(seconds=60)


async def test_an_outcome_that_the_table_will_not_take_fails_the_job_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call is never repeated, its message is buried with a reason, and the worker goes on."""
    job = await bench.submitted()
    record = bench.store.record

    async def refusing(job: Job, token: str) -> None:
        if job.result:
            raise RecordRefused("too large")
        await record(job, token)

    monkeypatch.setattr(bench.store, "record", refusing)
    assert await bench.work() == Bury("unrecordable")
    failed = bench.store.job(job.request_id)
    assert (failed.status, failed.status_reason) == (JobStatus.FAILED, StatusReason.UNRECORDABLE)
    assert failed.error
    assert failed.error.code == "internal_error"
    assert len(bench.provider.calls) == 1


async def test_a_bug_in_the_record_does_not_pay_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: the job fails with a reason, and a way back."""
    job = await bench.submitted()
    monkeypatch.setattr("worker.record.to_set_apart", lambda record, **_: 1 / 0 if isinstance(record, Succeeded) else None)
    assert await bench.work() == Bury("unrecordable")
    assert bench.store.job(job.request_id).status is JobStatus.FAILED
    assert len(bench.provider.calls) == 1


async def test_a_worker_that_was_fenced_while_the_bucket_is_away_stops_trying(bench: Bench) -> None:
    """It holds a slot, and the answer is not its own to record any more."""
    job = await bench.submitted()
    bench.provider.play("x" * 20_000)
    bench.payloads.fail_next("put", times=1000)
    async with bench.beside(bench.leases.keep()):
        working = asyncio.create_task(bench.work())
        bench.store.fail_next("renew", times=20)
        await bench.clock.advance(70)
        await bench.store.claim(an_envelope(job), a_lease(expires_at=bench.clock.now() + timedelta(hours=1)), bench.clock.now())
        await bench.clock.advance(60)
        assert await working == Leave("lease_lost")


async def test_an_answer_in_hand_keeps_its_lease_whatever_its_caller_wishes(bench: Bench) -> None:
    """The bucket is away, and the caller cancels: the answer is there, and it is kept."""
    job = await bench.submitted()
    bench.provider.play("x" * 20_000)
    bench.payloads.fail_next("put", times=30)
    async with bench.beside(bench.leases.keep()):
        working = asyncio.create_task(bench.work())
        await bench.clock.settle()
        await bench.store.request_cancel(bench.store.job(job.request_id))
        assert await bench.clock.run(working) == Ack("completed")
        assert bench.clock.monotonic() > 60
        assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
        assert bench.count("quarry_lease_renewals_total", outcome="cancel_requested") == 0


async def test_the_last_attempt_cut_by_a_drain_is_the_last(bench: Bench) -> None:
    """A budget of one is one call, whoever ends it; the job is buried, with a way back."""
    call = await bench.call(max_attempts=1)
    bench.leases.interrupt_all(Interruption.DRAINING)
    assert await call.working == Bury("attempts_exhausted")
    failed = bench.store.job(call.job.request_id)
    assert (failed.attempts, failed.error) == (1, CALL_CUT)
