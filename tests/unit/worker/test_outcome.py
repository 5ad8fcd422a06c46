"""The outcome table: what follows from what happened, row by row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quarry import errors
from quarry.attempts import AttemptOutcome, Failure
from quarry.invocation import Completion, Fallback, Invocation, Target, Usage
from quarry.job import (
    Cancelled,
    Claimed,
    Event,
    Expired,
    Failed,
    HandedBack,
    Job,
    JobStatus,
    Lease,
    RetryScheduled,
    Snoozed,
    StatusReason,
    Succeeded,
    advance,
)
from quarry.queue.base import Delivery
from worker.outcome import (
    HINT_MAX,
    RESULT_MAX_BYTES,
    Ack,
    Bury,
    Interrupted,
    Interruption,
    Leave,
    Release,
    Result,
    Settlement,
    Verdict,
    decide,
    failure_of,
    of_record_refusal,
    of_refusal,
    of_unavailable_store,
    of_unreadable,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEASE = Lease("token", "worker", NOW + timedelta(seconds=60))
ANSWER = Completion(({"text": "Hi"},), "end_turn", False, Usage(1, 1, 2), Target("echo", "", "echo"))
DELIVERY = Delivery("receipt", "body", "id", 1, NOW)


def running(**changes: object) -> Job:
    """A job in its first attempt."""
    job = Job(
        request_id="0" * 32,
        tenant="default",
        invocation=Invocation(),
        model="default",
        created_at=NOW,
        deadline_at=NOW + timedelta(days=1),
        available_at=NOW,
        max_attempts=3,
    )
    return replace(advance(job, Claimed(LEASE), NOW), **changes)  # type: ignore[arg-type]


def all_kinds(root: type[errors.QuarryError]) -> list[type[errors.QuarryError]]:
    """Every class below `root`."""
    return [each for child in root.__subclasses__() for each in (child, *all_kinds(child))]


INVOCATION_ERRORS = [kind for kind in all_kinds(errors.InvocationError) if issubclass(kind, errors.InvocationError)]

# What happened → (status after the record, kind of settlement, attempts spent by then). The attempt under way is the first.
TIME_HELPS = (JobStatus.RETRYING, Release, 1)
NO_CAPACITY = (JobStatus.QUEUED, Release, 0)
BLOCKED = (JobStatus.QUEUED, Release, 0)
REJECTED = (JobStatus.FAILED, Ack, 1)
TABLE: list[tuple[Result, tuple[JobStatus, type[Settlement], int]]] = [
    (ANSWER, (JobStatus.COMPLETED, Ack, 1)),
    (errors.ModelFailed("x"), TIME_HELPS),
    (errors.MalformedCompletion("x"), TIME_HELPS),
    (errors.InvocationTimedOut("x"), TIME_HELPS),
    (errors.InternalFault("x"), TIME_HELPS),
    (errors.Throttled("x"), NO_CAPACITY),
    (errors.ModelNotReady("x"), NO_CAPACITY),
    (errors.CircuitOpen("x"), NO_CAPACITY),
    (errors.LimitReached("x"), NO_CAPACITY),
    (errors.RequestLimitReached("x"), NO_CAPACITY),
    (errors.TokenLimitReached("x"), NO_CAPACITY),
    (errors.CeilingReached("x"), NO_CAPACITY),
    (errors.ProviderUnavailable("x"), NO_CAPACITY),
    (errors.CredentialsExpired("x"), BLOCKED),
    (errors.AccessDenied("x"), BLOCKED),
    (errors.ModelNotFound("x"), BLOCKED),
    (errors.QuotaExceeded("x"), BLOCKED),
    (errors.PayloadsUnavailable("x"), NO_CAPACITY),
    (errors.PayloadLost("x"), (JobStatus.FAILED, Bury, 1)),
    (errors.OutcomeUnknown("x"), (JobStatus.FAILED, Bury, 0)),
    (errors.InvocationRejected("x"), REJECTED),
    (errors.ContextTooLong("x"), REJECTED),
    (errors.NotCapable("x"), REJECTED),
    (errors.ResidencyForbids("x"), BLOCKED),
    (errors.GuardrailUnavailable("x"), NO_CAPACITY),
    (errors.GuardrailUnusable("x"), BLOCKED),
    (errors.AnswerUnchecked("x"), TIME_HELPS),
    (errors.ContentForbidden("x"), REJECTED),
    (Interrupted(Interruption.CANCEL_REQUESTED, call_started=True), (JobStatus.CANCELLED, Ack, 1)),
    (Interrupted(Interruption.DRAINING, call_started=False), (JobStatus.QUEUED, Release, 0)),
    (Interrupted(Interruption.MAKING_WAY, call_started=False), (JobStatus.QUEUED, Release, 0)),
    (errors.OutOfTime(), (JobStatus.EXPIRED, Ack, 0)),
    (Interrupted(Interruption.DRAINING, call_started=True), (JobStatus.RETRYING, Release, 1)),
]


@pytest.mark.parametrize(("result", "expected"), TABLE, ids=lambda each: str(each)[:40] or type(each).__name__)
def test_each_result_has_its_row(result: Result, expected: tuple[JobStatus, type[Settlement], int]) -> None:
    """A result leads to the status, the settlement and the cost that the table says."""
    verdict = decide(result, running(), NOW, 0.5)
    assert verdict.record is not None
    job = advance(running(), verdict.record, NOW)
    assert (job.status, type(verdict.settlement), job.attempts_spent) == expected
    assert job.lease is None


def test_every_kind_of_invocation_error_is_in_the_table() -> None:
    """A new error class without a row would be decided by accident."""
    assert {type(result) for result, _ in TABLE if isinstance(result, errors.InvocationError)} == set(INVOCATION_ERRORS)


@pytest.mark.parametrize("kind", INVOCATION_ERRORS)
def test_a_job_never_waits_past_its_deadline(kind: type[errors.InvocationError]) -> None:
    """A wait that would end past the deadline is `expired` instead."""
    job = running(deadline_at=NOW + timedelta(seconds=1))
    verdict = decide(kind("x", usage=Usage(1, 2, 3)), job, NOW, 0.99)
    waits = isinstance(verdict.record, (RetryScheduled, Snoozed))
    assert not waits
    if kind.time_helps or kind.blames == "us":
        assert verdict.settlement == Ack("expired")
        assert isinstance(verdict.record, Expired)
        # What the attempt spent stays on record, where it spent anything.
        assert (verdict.record.last is None) is (kind.lacks_capacity or (kind.blames == "us" and not kind.may_be_billed))
        ended = advance(job, verdict.record, NOW)
        assert len(ended.attempt_history) == ended.attempts == (verdict.record.last is not None)
        assert not ended.attempt_history or ended.attempt_history[0].usage == Usage(1, 2, 3)


@pytest.mark.parametrize("kind", [kind for kind in INVOCATION_ERRORS if kind.time_helps and not kind.lacks_capacity])
def test_a_spent_budget_is_buried_with_its_reason(kind: type[errors.InvocationError]) -> None:
    """The last attempt's error fails the job, and a dead letter says why."""
    verdict = decide(kind("x"), running(max_attempts=1), NOW, 0.5)
    assert verdict.settlement == Bury("attempts_exhausted")
    job = advance(running(max_attempts=1), verdict.record, NOW) if verdict.record else None
    assert job
    assert (job.status, job.bury_reason, job.error and job.error.code) == (JobStatus.FAILED, "attempts_exhausted", kind.code)


def test_a_take_over_does_not_spend_the_budget() -> None:
    """The attempt of a vanished worker is counted apart."""
    verdict = decide(errors.ModelFailed("x"), running(max_attempts=1, attempts=2, takeovers=1), NOW, 0.5)
    assert isinstance(verdict.settlement, Bury)
    verdict = decide(errors.ModelFailed("x"), running(max_attempts=2, attempts=2, takeovers=1), NOW, 0.5)
    assert isinstance(verdict.settlement, Release)


@pytest.mark.parametrize("kind", [kind for kind in INVOCATION_ERRORS if kind.lacks_capacity or kind.blames == "us"])
def test_what_is_not_the_jobs_fault_never_fails_it(kind: type[errors.InvocationError]) -> None:
    """However often: only a fault of ours in the middle of a paid call costs attempts."""
    verdict = decide(kind("x"), running(snoozes=1000, max_attempts=1), NOW, 0.5)
    if kind is errors.InternalFault:
        assert isinstance(verdict.settlement, Bury)
    else:
        assert isinstance(verdict.record, Snoozed)
        assert verdict.record.reason is (StatusReason.WAITING_FOR_CAPACITY if kind.lacks_capacity else StatusReason.BLOCKED)


def test_the_message_comes_back_when_the_job_is_due() -> None:
    """The release and the record name one instant."""
    for error in (errors.ModelFailed("x"), errors.Throttled("x"), errors.AccessDenied("x")):
        verdict = decide(error, running(), NOW, 0.5)
        assert isinstance(verdict.record, (RetryScheduled, Snoozed))
        assert isinstance(verdict.settlement, Release)
        assert verdict.settlement.until == verdict.record.resume_at > NOW


def test_a_servers_hint_is_honoured_within_a_bound() -> None:
    """A longer hint than our own wait wins; an absurd one does not."""
    for hint, expected in ((300.0, timedelta(seconds=300)), (1e9, HINT_MAX)):
        verdict = decide(errors.Throttled("x", retry_after_seconds=hint), running(), NOW, 0.5)
        assert isinstance(verdict.record, Snoozed)
        assert (verdict.record.resume_at, verdict.record.reason) == (NOW + expected, StatusReason.WAITING_FOR_CAPACITY)


def test_an_unknown_outcome_is_recorded_as_such() -> None:
    """A timeout may have been billed: the history says that nobody knows."""
    verdict = decide(errors.InvocationTimedOut("x"), running(), NOW, 0.5)
    assert isinstance(verdict.record, RetryScheduled)
    assert verdict.record.outcome is AttemptOutcome.OUTCOME_UNKNOWN


def test_a_wait_says_who_refused() -> None:
    """Every target in its order; where the route is gone, the name that the job asked for, which was not come to."""
    error = errors.Throttled("x", target="b")
    error.refusals = (Fallback("a", "access_denied", 0.1), Fallback("b", "throttled", 0.2))
    record = decide(error, running(), NOW, 0.5).record
    assert isinstance(record, Snoozed)
    assert record.refusals == error.refusals
    record = decide(errors.ModelNotFound("x", target="gone"), running(), NOW, 0.5).record
    assert isinstance(record, Snoozed)
    assert record.refusals == (Fallback("gone", "model_not_found", 0.0, skipped=True),)


def test_a_lost_lease_writes_and_settles_nothing() -> None:
    """The new owner does both."""
    verdict = decide(Interrupted(Interruption.LEASE_LOST, call_started=True), running(), NOW, 0.5)
    assert verdict == Verdict(None, Leave("lease_lost"))


REFUSALS: list[tuple[errors.ClaimRefused, type[Event] | None, Settlement]] = [
    (errors.ClaimedElsewhere(running(), LEASE.expires_at), None, Release(NOW + timedelta(seconds=65), "claimed_elsewhere")),
    (errors.NotYetDue(running(), NOW + timedelta(seconds=9)), None, Release(NOW + timedelta(seconds=9), "not_yet_due")),
    (errors.AlreadyFinished(running()), None, Ack("already_finished")),
    (errors.AlreadyFinished(running(bury_reason="attempts_exhausted")), None, Bury("attempts_exhausted")),
    (errors.StaleGeneration(running()), None, Ack("stale_generation")),
    (errors.NoRecord(), None, Ack("no_record")),
    (errors.CancelRequested(running()), Cancelled, Ack("cancelled")),
    (errors.DeadlinePassed(running()), Expired, Ack("expired")),
    (errors.TakenOverTooOften(running()), Failed, Bury("taken_over_too_often")),
]


@pytest.mark.parametrize(("refusal", "event", "settlement"), REFUSALS, ids=lambda each: type(each).__name__)
def test_each_refused_claim_is_settled_without_a_call(
    refusal: errors.ClaimRefused, event: type[Event] | None, settlement: Settlement
) -> None:
    """A refused claim records what only it can know, and settles."""
    verdict = of_refusal(refusal, NOW)
    assert verdict.settlement == settlement
    assert (type(verdict.record) if verdict.record else None) is event


def test_every_kind_of_refusal_is_in_the_table() -> None:
    """A new refusal without a row would only be released."""
    assert {type(refusal) for refusal, _, _ in REFUSALS} == set(all_kinds(errors.ClaimRefused))


def test_a_malformed_message_is_buried_at_once() -> None:
    """It will never be an envelope."""
    assert of_unreadable(errors.MalformedEnvelope("x"), DELIVERY, NOW) == Verdict(None, Bury("malformed_envelope"))


def test_an_envelope_of_a_newer_version_waits_for_a_newer_worker() -> None:
    """During a rolling deploy; after a day nobody is coming."""
    error = errors.UnsupportedEnvelope("x")
    assert isinstance(of_unreadable(error, DELIVERY, NOW + timedelta(hours=23)).settlement, Release)
    assert of_unreadable(error, DELIVERY, NOW + timedelta(hours=25)).settlement == Bury("unsupported_envelope")


def test_an_unreachable_store_costs_a_short_wait() -> None:
    """Nothing is known, so nothing is recorded and the message comes again."""
    verdict = of_unavailable_store(NOW, 0.5)
    assert verdict.record is None
    assert isinstance(verdict.settlement, Release)
    assert NOW < verdict.settlement.until <= NOW + timedelta(seconds=10)


RETRY_OF_A_PAID_CALL = RetryScheduled(NOW, Failure("malformed_completion", "no"), "t", Usage(1, 2, 3), AttemptOutcome.FAILED)


@pytest.mark.parametrize(
    ("refused", "instead"),
    [
        (RETRY_OF_A_PAID_CALL, Cancelled(last=RETRY_OF_A_PAID_CALL)),
        (Snoozed(NOW, StatusReason.WAITING_FOR_CAPACITY), Cancelled()),
        (HandedBack(call_cut=True), Cancelled(call_cut=True)),
        (HandedBack(call_cut=False), Cancelled()),
    ],
)
def test_a_cancel_beats_what_is_not_final(refused: Event, instead: Cancelled) -> None:
    """A retry that meets the caller's wish becomes its fulfilment; what the attempt spent stays on record."""
    assert of_record_refusal(refused) == Verdict(instead, Ack("cancelled"))
    ended = advance(running(), instead, NOW)
    assert ended.attempts == (0 if instead == Cancelled() else 1)
    if instead.last:
        assert (ended.attempt_history[-1].usage, ended.attempt_history[-1].error) == (instead.last.usage, instead.last.failure)


@pytest.mark.parametrize("seconds", [1e20, float("inf"), 0.0, -5.0, None])
def test_any_hint_of_a_provider_is_a_wait(seconds: float | None) -> None:
    """It may say anything; nothing overflows, and nothing waits longer than a hint may make it."""
    error = errors.Throttled("x", retry_after_seconds=seconds)
    verdict = decide(error, running(), NOW, 0.5)
    assert isinstance(verdict.settlement, Release)
    assert NOW < verdict.settlement.until <= NOW + HINT_MAX


def test_callers_see_a_providers_words_only_where_they_can_act_on_them() -> None:
    """Internal detail stays inside; a rejected prompt says why."""
    assert (
        failure_of(errors.AccessDenied("role arn:aws:iam::123456789012:role/x")).message == "The service may not call this model."
    )
    assert failure_of(errors.InvocationRejected("messages: roles must alternate")).message == "messages: roles must alternate"
    for kind in INVOCATION_ERRORS:
        if kind.blames != "caller":
            assert "secret" not in failure_of(kind("secret")).message


def test_what_is_decided_can_be_recorded() -> None:
    """Every verdict's event is one that the job can take."""
    for result, _ in TABLE:
        verdict = decide(result, running(), NOW, 0.5)
        assert verdict.record
        assert isinstance(advance(running(), verdict.record, NOW), Job)
    assert {type(decide(result, running(), NOW, 0.5).record) for result, _ in TABLE} == {
        Succeeded,
        RetryScheduled,
        Snoozed,
        Failed,
        Cancelled,
        HandedBack,
        Expired,
    }


def test_an_answer_too_large_for_the_record_fails_without_another_call() -> None:
    """It was paid for: what it used is kept, and nothing asks for it again."""
    text = "é" * (RESULT_MAX_BYTES // 2)
    large = replace(ANSWER, content=({"text": text},))
    verdict = decide(large, running(), NOW, 0.5)
    assert verdict.settlement == Ack("result_too_large")
    assert isinstance(verdict.record, Failed)
    assert verdict.record.usage == ANSWER.usage
    fits = replace(ANSWER, content=({"text": text[:-20]},))
    assert isinstance(decide(fits, running(), NOW, 0.5).record, Succeeded)


@pytest.mark.parametrize("depth", [150, 250, 980])
def test_an_answer_that_nobody_could_read_back_is_not_kept(depth: int) -> None:
    """Nested too deeply for whoever reads the job next, for all of whom there is one bound: it was paid, and is not paid again."""
    body: Any = []
    for _ in range(depth):
        body = [body]
    verdict = decide(replace(ANSWER, content=({"native": {"x": body}},)), running(), NOW, 0.5)
    assert isinstance(verdict.record, Succeeded if depth < 200 else Failed)
    assert verdict.settlement == Ack("completed" if depth < 200 else "result_too_large")


def test_a_providers_long_message_is_cut() -> None:
    """The history must not outgrow the record."""
    assert len(failure_of(errors.InvocationRejected("x" * 100_000)).message) == 1_000
