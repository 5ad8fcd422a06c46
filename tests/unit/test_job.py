"""The life of a job, against the table in the design: every row of it, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.attempts import HISTORY_LIMIT, Attempt, AttemptOutcome
from quarry.invocation import Target
from quarry.job import (
    CHECK_AFTER,
    CLOCK_MARGIN,
    TRANSITIONS,
    Claimed,
    IllegalTransition,
    Job,
    JobStatus,
    Redriven,
    StatusReason,
    abandoned,
    advance,
    discarded,
    effective_status,
)
from quarry.testing import NOW, a_claimed_job, a_completion, a_job, a_lease
from tests.unit.lives import FAILURE, PASSED, SOON, events, life

QUEUED, PROCESSING, RETRYING = JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.RETRYING
COMPLETED, FAILED = JobStatus.COMPLETED, JobStatus.FAILED
CANCELLED, EXPIRED = JobStatus.CANCELLED, JobStatus.EXPIRED
LATER = NOW + timedelta(minutes=1)
MS = timedelta(milliseconds=1)

#: The design's table, written out once more. What is not here cannot happen.
TABLE = {
    (QUEUED, "claimed"): PROCESSING,
    (QUEUED, "cancelled"): CANCELLED,
    (QUEUED, "cancelled, call cut"): CANCELLED,
    (QUEUED, "expired"): EXPIRED,
    (RETRYING, "claimed"): PROCESSING,
    (RETRYING, "cancelled"): CANCELLED,
    (RETRYING, "cancelled, call cut"): CANCELLED,
    (RETRYING, "expired"): EXPIRED,
    (PROCESSING, "claimed"): PROCESSING,
    (PROCESSING, "succeeded"): COMPLETED,
    (PROCESSING, "succeeded apart"): COMPLETED,
    (PROCESSING, "degraded"): COMPLETED,
    (PROCESSING, "retry scheduled"): RETRYING,
    (PROCESSING, "timed out"): RETRYING,
    (PROCESSING, "snoozed"): QUEUED,
    (PROCESSING, "handed back"): QUEUED,
    (PROCESSING, "handed back, call cut"): RETRYING,
    (PROCESSING, "failed"): FAILED,
    (PROCESSING, "failed, buried"): FAILED,
    (PROCESSING, "failed, not called"): FAILED,
    (PROCESSING, "cancelled"): CANCELLED,
    (PROCESSING, "cancelled, call cut"): CANCELLED,
    (PROCESSING, "expired"): EXPIRED,
    (FAILED, "redriven"): QUEUED,
    (EXPIRED, "redriven"): QUEUED,
    (CANCELLED, "redriven"): QUEUED,
}
EVENTS = events(LATER)
ENDS = [name for (status, name), after in TABLE.items() if status is PROCESSING and after is not PROCESSING]


def in_status(status: JobStatus) -> Job:
    return a_claimed_job() if status is PROCESSING else a_job(status=status)


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("event", EVENTS)
def test_what_may_happen_when(status: JobStatus, event: str) -> None:
    """A row of the table leads where it says; any other pair is a bug of the caller."""
    job, after = in_status(status), TABLE.get((status, event))
    if after is None:
        with pytest.raises(IllegalTransition, match=status.value):
            advance(job, EVENTS[event], LATER)
    else:
        assert advance(job, EVENTS[event], LATER).status is after


def test_there_is_an_event_of_every_kind() -> None:
    """The tests here leave out no row of the code's table."""
    assert {(status, type(EVENTS[name])) for status, name in TABLE} == set(TRANSITIONS)


# --- claiming ---------------------------------------------------------------------------------------------------------


def test_a_claim_begins_an_attempt_under_a_lease() -> None:
    """It is counted when it begins; why the job waited is over."""
    job, lease = a_job(status_reason=StatusReason.WAITING_FOR_CAPACITY), a_lease()
    claimed = advance(job, Claimed(lease), LATER)
    assert (claimed.lease, claimed.attempts, claimed.takeovers) == (lease, 1, 0)
    assert (claimed.open_attempts, claimed.started_at, claimed.status_reason) == ((LATER,), LATER, None)
    assert claimed.check_at == lease.expires_at + CHECK_AFTER


def test_a_job_started_when_it_was_first_claimed() -> None:
    """Later attempts do not move that."""
    again = advance(advance(a_claimed_job(), EVENTS["retry scheduled"], LATER), EVENTS["claimed"], LATER)
    assert (again.started_at, again.attempts) == (NOW, 2)


def test_a_take_over_is_not_the_jobs_fault() -> None:
    """It counts apart from the budget; the attempt before it stays open until something is recorded."""
    taken = advance(a_claimed_job(), EVENTS["claimed"], LATER)
    assert (taken.attempts, taken.takeovers, taken.attempts_spent) == (2, 1, 1)
    assert taken.open_attempts == (NOW, LATER)


def test_a_lease_is_live_until_its_end_and_the_margin() -> None:
    """Another machine's clock may be wrong by so much."""
    job = a_claimed_job(a_lease(expires_at=LATER))
    assert job.is_held(LATER + CLOCK_MARGIN - MS)
    assert not job.is_held(LATER + CLOCK_MARGIN)
    assert not a_job().is_held(NOW)


# --- what an event leaves behind --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "attempts"),
    {
        "succeeded": 1, "retry scheduled": 1, "timed out": 1, "failed": 1, "failed, buried": 1, "handed back, call cut": 1,
        "cancelled, call cut": 1, "snoozed": 0, "handed back": 0, "cancelled": 0, "expired": 0,
    }.items(),
)  # fmt: skip
def test_an_attempt_without_a_call_is_given_back(event: str, attempts: int) -> None:
    """Waiting for capacity, a drain before the call, a cancel or a deadline before it: no attempt. All else is spent."""
    job = advance(a_claimed_job(), EVENTS[event], LATER)
    assert (job.attempts, len(job.attempt_history)) == (attempts, attempts)


@pytest.mark.parametrize(
    ("event", "outcome"),
    {
        "succeeded": AttemptOutcome.COMPLETED,
        "retry scheduled": AttemptOutcome.FAILED,
        "timed out": AttemptOutcome.OUTCOME_UNKNOWN,
        "handed back, call cut": AttemptOutcome.OUTCOME_UNKNOWN,
        "failed": AttemptOutcome.FAILED,
        "cancelled, call cut": AttemptOutcome.CANCELLED,
    }.items(),
)
def test_the_history_says_how_an_attempt_ended(event: str, outcome: AttemptOutcome) -> None:
    """With its beginning and its end."""
    [attempt] = advance(a_claimed_job(), EVENTS[event], LATER).attempt_history
    assert (attempt.attempt, attempt.started_at, attempt.finished_at, attempt.outcome) == (1, NOW, LATER, outcome)


def test_the_history_says_what_an_attempt_cost() -> None:
    """Target, error, tokens and the targets that were passed over, as far as they are known."""
    failed = advance(a_claimed_job(), EVENTS["retry scheduled"], LATER).attempt_history[0]
    assert (failed.target, failed.error, failed.usage) == ("echo", FAILURE, a_completion().usage)
    served = advance(a_claimed_job(), EVENTS["succeeded"], LATER).attempt_history[0]
    assert served.target == "bedrock/us-east-1/amazon.nova-lite-v1:0"
    assert (served.usage, served.fallbacks, served.error) == (a_completion().usage, (PASSED,), None)
    assert served.adapted == ("top_p",)


@pytest.mark.parametrize("event", ENDS)
def test_who_was_taken_over_ended_unseen(event: str) -> None:
    """Whatever its successor does, the earlier attempt stays spent, and its outcome is unknown."""
    taken = advance(a_claimed_job(), EVENTS["claimed"], LATER)
    job = advance(taken, EVENTS[event], LATER)
    alone = advance(a_claimed_job(), EVENTS[event], LATER)
    assert job.attempt_history[0] == Attempt(1, NOW, None, AttemptOutcome.OUTCOME_UNKNOWN)
    assert (job.attempts, job.takeovers, job.attempts_spent) == (alone.attempts + 1, 1, alone.attempts)


@pytest.mark.parametrize("event", ENDS)
def test_every_record_ends_the_lease(event: str) -> None:
    """Who has recorded holds nothing any more, and no attempt is open."""
    job = advance(a_claimed_job(), EVENTS[event], LATER)
    assert (job.lease, job.open_attempts) == (None, ())


@pytest.mark.parametrize(("status", "event"), TABLE)
def test_every_event_is_a_revision(status: JobStatus, event: str) -> None:
    """So that who read the job before can be told that it changed."""
    job = in_status(status)
    assert advance(job, EVENTS[event], LATER).revision == job.revision + 1


@pytest.mark.parametrize("event", ENDS)
def test_what_goes_on_is_looked_after_and_what_is_over_is_not(event: str) -> None:
    """`check_at` is set as long as the job is not terminal, `finished_at` from then on."""
    job = advance(a_claimed_job(), EVENTS[event], LATER)
    if job.status.is_terminal:
        assert (job.finished_at, job.check_at) == (LATER, None)
    else:
        assert (job.finished_at, job.check_at) == (None, job.available_at + CHECK_AFTER)


@pytest.mark.parametrize(
    ("event", "available_at", "reason"),
    [
        ("retry scheduled", LATER + SOON, None),
        ("snoozed", LATER + SOON, StatusReason.WAITING_FOR_CAPACITY),
        ("handed back", LATER, StatusReason.HANDED_BACK),
        ("handed back, call cut", LATER, StatusReason.HANDED_BACK),
    ],
)
def test_a_waiting_job_says_until_when_and_why(event: str, available_at: object, reason: StatusReason | None) -> None:
    """A handed-back job is due at once."""
    job = advance(a_claimed_job(), EVENTS[event], LATER)
    assert (job.available_at, job.status_reason) == (available_at, reason)


def test_snoozes_are_counted() -> None:
    """They cost no attempt, but they are seen."""
    once = advance(a_claimed_job(), EVENTS["snoozed"], LATER)
    twice = advance(advance(once, EVENTS["claimed"], LATER), EVENTS["snoozed"], LATER)
    assert (twice.snoozes, twice.attempts) == (2, 0)


def test_an_answer_stands_alone() -> None:
    """With a result there is no error and no reason."""
    job = advance(a_claimed_job(error=FAILURE), EVENTS["succeeded"], LATER)
    assert (job.result, job.error, job.status_reason, job.bury_reason) == (a_completion(), None, None, None)


def test_a_failure_says_why() -> None:
    """And asks for a dead letter where one is due, in the same write."""
    plain = advance(a_claimed_job(), EVENTS["failed"], LATER)
    assert (plain.error, plain.status_reason, plain.bury_reason) == (FAILURE, StatusReason.REJECTED, None)
    buried = advance(a_claimed_job(), EVENTS["failed, buried"], LATER)
    assert buried.bury_reason == "attempts_exhausted"


@pytest.mark.parametrize("status", [QUEUED, RETRYING, PROCESSING])
def test_an_expired_job_says_so(status: JobStatus) -> None:
    """As an error with a stable code."""
    expired = advance(in_status(status), EVENTS["expired"], LATER)
    assert expired.error is not None
    assert expired.error.code == "deadline_passed"


@pytest.mark.parametrize("status", [QUEUED, RETRYING, PROCESSING])
def test_a_cancelled_job_says_that_it_was_wished(status: JobStatus) -> None:
    """Whether a worker or the API carried the wish out."""
    assert advance(in_status(status), EVENTS["cancelled"], LATER).cancel_requested


def test_cancelling_a_waiting_job_keeps_what_it_spent() -> None:
    """No call is in flight; earlier attempts are shown."""
    retrying = advance(a_claimed_job(), EVENTS["retry scheduled"], LATER)
    cancelled = advance(retrying, EVENTS["cancelled"], LATER)
    assert (cancelled.attempts, cancelled.attempt_history) == (1, retrying.attempt_history)


# --- back to work -----------------------------------------------------------------------------------------------------


def failed_again() -> Job:
    """A job that was taken over, failed twice, and asked to stop."""
    job = advance(advance(a_claimed_job(max_attempts=2), EVENTS["claimed"], LATER), EVENTS["retry scheduled"], LATER)
    failed = advance(advance(job, EVENTS["claimed"], LATER), EVENTS["failed, buried"], LATER)
    return replace(failed, cancel_requested=True, snoozes=3)


def test_a_redriven_job_begins_anew() -> None:
    """Budget, deadline, take-overs and snoozes; nothing is left of how it ended, and older messages are stale."""
    job = advance(failed_again(), EVENTS["redriven"], LATER)
    assert (job.generation, job.max_attempts, job.model, job.deadline_at) == (1, 2, "other", LATER + timedelta(days=1))
    assert (job.attempts_spent, job.takeovers, job.snoozes, job.cancel_requested) == (0, 0, 0, False)
    assert (job.error, job.result, job.finished_at, job.status_reason, job.bury_reason) == (None, None, None, None, None)
    assert (job.available_at, job.check_at) == (LATER, LATER + CHECK_AFTER)


def test_a_redriven_job_keeps_its_history() -> None:
    """Attempts are numbered on; of them only the new ones count against the budget."""
    failed = failed_again()
    job = advance(advance(failed, EVENTS["redriven"], LATER), EVENTS["claimed"], LATER)
    assert (job.attempts, job.attempts_spent) == (4, 1)
    assert job.attempt_history == failed.attempt_history
    assert [each.attempt for each in job.visible_history] == [1, 2, 3, 4]
    again = advance(advance(job, EVENTS["failed, buried"], LATER), EVENTS["redriven"], LATER)
    assert (again.generation, again.attempts, again.attempts_spent) == (2, 4, 0)


def test_a_redriven_job_stays_on_its_route() -> None:
    """Unless another one is named."""
    job = a_job(status=FAILED, model="mine")
    assert advance(job, Redriven(LATER, max_attempts=3), LATER).model == "mine"


def test_a_discarded_job_stays_failed() -> None:
    """As and when it ended; it only says that it was given up, and needs no dead letter any more."""
    failed = failed_again()
    job = discarded(failed)
    assert (job.status_reason, job.bury_reason, job.revision) == (StatusReason.DISCARDED, None, failed.revision + 1)
    assert replace(job, status_reason=failed.status_reason, bury_reason=failed.bury_reason, revision=failed.revision) == failed


# --- jobs that nobody works any more ----------------------------------------------------------------------------------


def test_an_abandoned_job_lost_its_attempts_out_of_sight() -> None:
    """They stay spent: a call may have been made and paid."""
    taken = advance(a_claimed_job(), EVENTS["claimed"], LATER)
    job = abandoned(taken)
    assert (job.lease, job.open_attempts, job.attempts) == (None, (), 2)
    assert job.attempt_history == (
        Attempt(1, NOW, None, AttemptOutcome.OUTCOME_UNKNOWN),
        Attempt(2, LATER, None, AttemptOutcome.OUTCOME_UNKNOWN),
    )


def test_a_waiting_job_was_not_abandoned() -> None:
    """Nothing changes."""
    assert abandoned(job := a_job()) is job


@pytest.mark.parametrize("event", ["expired", "cancelled", "failed, buried"])
def test_an_abandoned_job_can_be_ended(event: str) -> None:
    """Its history keeps what was lost, and gets nothing new."""
    job = advance(abandoned(a_claimed_job()), EVENTS[event], LATER)
    assert job.attempt_history == (Attempt(1, NOW, None, AttemptOutcome.OUTCOME_UNKNOWN),)
    assert (job.status.is_terminal, job.attempts) == (True, 1)


# --- what readers see -------------------------------------------------------------------------------------------------


def test_a_reader_sees_the_attempt_that_runs() -> None:
    """Behind those that are over, and those whose end nobody saw."""
    retried = advance(a_claimed_job(), EVENTS["retry scheduled"], LATER)
    taken = advance(advance(retried, EVENTS["claimed"], LATER), EVENTS["claimed"], LATER + SOON)
    assert [(each.attempt, each.outcome) for each in taken.visible_history] == [
        (1, AttemptOutcome.FAILED),
        (2, AttemptOutcome.OUTCOME_UNKNOWN),
        (3, AttemptOutcome.RUNNING),
    ]
    assert retried.visible_history == retried.attempt_history
    assert a_job().visible_history == ()


def test_the_history_keeps_the_last_attempts() -> None:
    """The count goes on."""
    job = a_claimed_job()
    for _ in range(HISTORY_LIMIT + 3):
        job = advance(advance(job, EVENTS["retry scheduled"], LATER), EVENTS["claimed"], LATER)
    numbers = [each.attempt for each in job.visible_history]
    assert numbers == list(range(5, HISTORY_LIMIT + 5))
    assert len(job.attempt_history) == HISTORY_LIMIT
    assert job.attempts == HISTORY_LIMIT + 4


@pytest.mark.parametrize("status", JobStatus)
def test_a_waiting_job_past_its_deadline_is_expired_to_a_reader(status: JobStatus) -> None:
    """Even before a worker wrote so; one under way may still finish, and what is over stays what it was."""
    job = replace(in_status(status), deadline_at=LATER)
    assert effective_status(job, LATER - MS) is status
    assert effective_status(job, LATER) is (EXPIRED if status in (QUEUED, RETRYING) else status)


@pytest.mark.parametrize(
    ("target", "words"),
    [(Target("bedrock", "eu-west-1", "m:0"), "bedrock/eu-west-1/m:0"), (Target("echo", "", "echo"), "echo/echo")],
)
def test_a_target_in_one_word(target: Target, words: str) -> None:
    """A provider without regions has none in its name."""
    assert str(target) == words


# --- whatever happens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(50))
def test_what_holds_in_every_life(seed: int) -> None:
    """Lease, open attempts, counters, history and instants agree with the status, whatever came before."""
    for job in life(seed):
        assert (job.lease is not None) is (job.status is PROCESSING)
        assert bool(job.open_attempts) is (job.status is PROCESSING)
        assert 0 <= job.takeovers <= job.attempts
        assert job.attempts_spent >= 0
        assert (job.check_at is None) is (job.finished_at is not None) is job.status.is_terminal
        numbers = [attempt.attempt for attempt in job.visible_history]
        assert numbers == list(range(job.attempts - len(numbers) + 1, job.attempts + 1))
        assert len(numbers) == min(job.attempts, HISTORY_LIMIT)
