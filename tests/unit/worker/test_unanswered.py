"""What routes say of calls without an answer, carried out by a worker: no second payment, and a declared answer in time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from quarry import errors
from quarry.inference.routes import DegradedAnswer, Route, Routes
from quarry.invocation import Target
from quarry.job import JobStatus, Redriven, StatusReason, advance
from quarry.testing import NOW, an_envelope
from tests.unit.worker.conftest import LEASE_SECONDS, Bench
from worker.outcome import Ack, Bury, Interruption, Release

PLAIN = Route.of("default", Target("bedrock", "us-east-1", "model"))
TEXT = "We will come back to you."


@pytest.fixture
def bench() -> Bench:
    """A worker whose only route does not pay twice."""
    return Bench(routes=Routes([replace(PLAIN, on_unknown_outcome="fail")]))


async def test_a_call_that_timed_out_is_not_made_again(bench: Bench) -> None:
    """The job fails and is buried with its reason, and the call that was not repeated is counted."""
    job = await bench.submitted()
    bench.provider.play(errors.InvocationTimedOut("?"), "never")
    assert await bench.work() == Bury("outcome_unknown")
    ended = bench.store.job(job.request_id)
    assert (ended.status, ended.status_reason) == (JobStatus.FAILED, StatusReason.OUTCOME_UNKNOWN)
    assert [letter.request_id for letter in bench.queue.buried] == [job.request_id]
    assert len(bench.provider.calls) == 1
    assert bench.count("quarry_calls_withheld_total", reason="invocation_timed_out") == 1
    assert bench.count("quarry_calls_repeated_total", reason="invocation_timed_out") == 0


async def test_a_call_that_a_drain_cut_is_not_made_again(bench: Bench) -> None:
    """The worker that cuts it says so itself: nobody else has to find out."""
    call = await bench.call()
    bench.leases.interrupt_all(Interruption.DRAINING)
    assert await call.working == Bury("outcome_unknown")
    assert bench.count("quarry_calls_withheld_total", reason="draining") == 1
    assert bench.count("quarry_calls_repeated_total", reason="draining") == 0


@pytest.mark.parametrize("on_unknown_outcome", ["retry", "fail"])
async def test_a_drain_between_two_tries_cuts_no_call(on_unknown_outcome: Literal["retry", "fail"]) -> None:
    """The target refused, and is to be asked again in a moment: nothing was paid, so the job goes back as it came."""
    bench = Bench(routes=Routes([replace(PLAIN, on_unknown_outcome=on_unknown_outcome)]))
    job = await bench.submitted(max_attempts=1)
    bench.provider.play(errors.ProviderUnavailable("503"))
    working = asyncio.create_task(bench.work())
    await bench.clock.advance(0)
    assert len(bench.provider.calls) == 1
    bench.leases.interrupt_all(Interruption.DRAINING)
    assert isinstance(await working, Release)
    back = bench.store.job(job.request_id)
    assert (back.status, back.attempts, back.attempt_history) == (JobStatus.QUEUED, 0, ())


async def test_a_bug_in_the_middle_of_a_call_is_not_paid_again(bench: Bench) -> None:
    """Our own reader stumbled over an answer that was paid: nobody saw it either."""
    await bench.submitted()
    bench.provider.play(RuntimeError("a bug"), "never")
    assert await bench.work() == Bury("outcome_unknown")
    assert bench.count("quarry_calls_withheld_total", reason="internal_error") == 1


async def test_who_takes_over_does_not_call(bench: Bench) -> None:
    """Nobody knows what became of the vanished worker's call; its successor looks before it would pay."""
    job = await bench.submitted()
    await bench.steps.claimer.claim(await bench.delivery())
    await bench.clock.advance(LEASE_SECONDS + 10)
    assert await bench.work() == Bury("outcome_unknown")
    ended = bench.store.job(job.request_id)
    assert (ended.status, ended.attempts, [each.outcome for each in ended.attempt_history]) == ("failed", 1, ["outcome_unknown"])
    assert bench.provider.calls == []
    assert bench.count("quarry_calls_withheld_total", reason="worker_vanished") == 1
    assert bench.count("quarry_calls_repeated_total", reason="worker_vanished") == 0


async def test_an_attempt_of_before_the_redrive_is_forgiven(bench: Bench) -> None:
    """An operator who puts the job back has decided to pay."""
    job = await bench.submitted()
    bench.provider.play(errors.InvocationTimedOut("?"), "hi")
    await bench.work()
    redriven = Redriven(NOW + timedelta(days=1), max_attempts=1)
    again = advance(bench.store.job(job.request_id), redriven, bench.clock.now())
    bench.store.put(again)
    await bench.queue.send([an_envelope(again)])
    assert await bench.work() == Ack("completed")


async def test_without_such_a_route_it_is_paid_again() -> None:
    """The default: an answer is worth a second payment, within the budget of attempts."""
    bench = Bench()
    await bench.submitted()
    bench.provider.play(errors.InvocationTimedOut("?"), "hi")
    await bench.work()
    await bench.clock.advance(LEASE_SECONDS)
    bench.queue.deliver_again()
    assert await bench.work() == Ack("completed")
    assert bench.count("quarry_calls_repeated_total", reason="invocation_timed_out") == 1


async def test_a_declared_answer_is_counted_apart() -> None:
    """It is no success: not in the count of completed jobs, nor as a target that served."""
    bench = Bench(routes=Routes([replace(PLAIN, degraded=DegradedAnswer(TEXT, within_seconds=60))]))
    job = await bench.submitted(deadline_at=NOW + timedelta(seconds=50))
    bench.provider.play(errors.Throttled("429"))
    assert await bench.work() == Ack("degraded")
    assert bench.store.job(job.request_id).degraded == TEXT
    assert bench.count("quarry_jobs_finished_total", outcome="degraded") == 1
    assert bench.count("quarry_jobs_finished_total", outcome="completed") == 0
    assert bench.count("quarry_attempts_total", outcome="Degraded") == 1
    assert bench.count("quarry_attempts_total", outcome="Succeeded") == 0
