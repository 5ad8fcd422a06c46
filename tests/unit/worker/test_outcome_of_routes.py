"""What follows from what happened, where a route says something of it: not to pay twice, and what to answer when nobody serves."""

from datetime import timedelta
from typing import Any

import pytest

from quarry import errors
from quarry.attempts import AttemptOutcome
from quarry.inference.routes import DegradedAnswer, Route
from quarry.job import Degraded, JobStatus, StatusReason, advance
from quarry.testing.builders import NOW, a_claimed_job
from worker.outcome import Ack, Bury, Interrupted, Interruption, Result, decide, failure_of

ONCE = Route("once", (), on_unknown_outcome="fail")
DECLARING = Route("declaring", (), degraded=DegradedAnswer("We will come back to you.", within_seconds=30))


@pytest.mark.parametrize(
    ("result", "outcome", "spent"),
    [
        (errors.InvocationTimedOut("x", target="t"), AttemptOutcome.OUTCOME_UNKNOWN, 1),
        (Interrupted(Interruption.DRAINING, call_started=True), AttemptOutcome.OUTCOME_UNKNOWN, 1),
        (errors.OutcomeUnknown("x"), None, 0),
    ],
    ids=["timed out", "cut by a drain", "an earlier attempt"],
)
def test_a_route_may_forbid_to_pay_twice(result: Result, outcome: AttemptOutcome | None, spent: int) -> None:
    """What ended unseen fails the job, although there is budget left, and is buried: an operator can look, and put it back."""
    verdict = decide(result, a_claimed_job(), NOW, 0.5, ONCE)
    job = advance(a_claimed_job(), verdict.record, NOW) if verdict.record else a_claimed_job()
    assert verdict.settlement == Bury("outcome_unknown")
    assert (job.status, job.status_reason, job.attempts) == (JobStatus.FAILED, StatusReason.OUTCOME_UNKNOWN, spent)
    assert job.error == failure_of(errors.OutcomeUnknown("x"))
    assert [each.outcome for each in job.attempt_history] == [outcome] * spent


@pytest.mark.parametrize(
    "result",
    [
        errors.ModelFailed("x"),
        errors.Throttled("x"),
        Interrupted(Interruption.DRAINING, call_started=False),
        Interrupted(Interruption.CANCEL_REQUESTED, call_started=True),
        Interrupted(Interruption.LEASE_LOST, call_started=True),
    ],
)
def test_what_was_seen_to_end_is_treated_as_ever(result: Result) -> None:
    """Such a route changes nothing but for what nobody saw end."""
    assert decide(result, a_claimed_job(), NOW, 0.5, ONCE) == decide(result, a_claimed_job(), NOW, 0.5)


SECONDS = timedelta(seconds=1)
SPENT = {"max_attempts": 1}


@pytest.mark.parametrize(
    ("error", "left", "changes", "is_degraded"),
    [
        (errors.Throttled("x"), 29 * SECONDS, {}, True),
        (errors.Throttled("x"), 31 * SECONDS, {}, False),
        (errors.AccessDenied("x"), 29 * SECONDS, {}, True),
        # The next try would land past the deadline, which is not near.
        (errors.Throttled("x", retry_after_seconds=100), 90 * SECONDS, {}, True),
        # Other targets may serve the next attempt: there is time for one.
        (errors.ModelFailed("x"), 29 * SECONDS, {}, False),
        (errors.ModelFailed("x"), 1 * SECONDS, {}, True),
        (errors.ModelFailed("x"), 29 * SECONDS, SPENT, True),
        (errors.ModelFailed("x"), 31 * SECONDS, SPENT, False),
        (errors.InvocationRejected("x"), 1 * SECONDS, {}, False),
        (errors.ContextTooLong("x"), 1 * SECONDS, {}, False),
    ],
)
def test_when_a_declared_answer_is_given(
    error: errors.InvocationError, left: timedelta, changes: dict[str, Any], is_degraded: bool
) -> None:
    """Where no target serves and the deadline is near, or comes before the next try; never to a request that is at fault."""
    job = a_claimed_job(deadline_at=NOW + left, **changes)
    verdict = decide(error, job, NOW, 0.5, DECLARING)
    assert isinstance(verdict.record, Degraded) is is_degraded
    if not is_degraded:
        assert verdict == decide(error, job, NOW, 0.5)


def test_a_declared_answer_is_no_models() -> None:
    """The job is over and has its text; what the attempt came to stays on record, and nothing claims that a model answered."""
    verdict = decide(errors.Throttled("x", target="t"), a_claimed_job(deadline_at=NOW + SECONDS), NOW, 0.5, DECLARING)
    assert isinstance(verdict.record, Degraded)
    job = advance(a_claimed_job(), verdict.record, NOW)
    assert verdict.settlement == Ack("degraded")
    assert (job.status, job.status_reason, job.degraded) == (JobStatus.COMPLETED, StatusReason.DEGRADED, DECLARING.degraded.text)  # type: ignore[union-attr]
    assert (job.result, job.error) == (None, None)
    [attempt] = job.attempt_history
    assert (attempt.outcome, attempt.target, attempt.error and attempt.error.code) == (AttemptOutcome.FAILED, "t", "throttled")
