"""What follows from what happened: (result, job, now) → Verdict. The outcome table of the docs, as code; pure.

A verdict is what to write into the job's record (an event for `advance`, or nothing) and how to settle the delivery.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from quarry import errors
from quarry.attempts import AttemptOutcome, Failure
from quarry.backoff import Backoff
from quarry.deadline import leaves_no_time
from quarry.inference.converse import depth_exceeds
from quarry.inference.routes import Route
from quarry.invocation import Completion, Fallback, Usage
from quarry.job import (
    CALL_CUT,
    CLOCK_MARGIN,
    Cancelled,
    Degraded,
    Event,
    Expired,
    Failed,
    HandedBack,
    Job,
    RetryScheduled,
    Snoozed,
    StatusReason,
    Succeeded,
)
from quarry.queue.base import Delivery

#: Between attempts after an error that costs an attempt.
RETRY: Final = Backoff(base_seconds=2, ceiling_seconds=60, floor_seconds=1)
#: While there is no capacity; the provider's own hint wins where it is longer.
SNOOZE: Final = Backoff(base_seconds=5, ceiling_seconds=60, floor_seconds=2)
#: While our own access is broken: somebody has to mend it.
BLOCKED: Final = Backoff(base_seconds=10, ceiling_seconds=300, floor_seconds=5)
#: A delivery whose job could not be read: it goes back, and the worker pauses by itself.
STORE_UNAVAILABLE: Final = "store_unavailable"
_STORE_AWAY: Final = Backoff(base_seconds=4, ceiling_seconds=4, floor_seconds=1)
#: A delivery that was put back before its claim: its tenant has all the slots that it may have.
TENANT_AT_CAP: Final = "tenant_at_cap"
#: A provider's hint is honoured up to this.
HINT_MAX: Final = timedelta(minutes=15)
#: Larger answers are not kept. Our own choice: as much as a payload may have.
RESULT_MAX_BYTES: Final = 20 * 1024 * 1024
#: Nor those nested more deeply: Python reads and writes JSON only so deep as its stack allows, which is less in the API than here.
#: Our own choice: as much as a submission may have.
RESULT_MAX_LEVELS: Final = 200
#: A message to callers, the provider's words included, is cut to this.
_MESSAGE_MAX_LENGTH: Final = 1_000
#: A longer wait is not a release: the message is sent anew. Likewise one that was received this often, long before SQS moves it
#: to the dead-letter queue by itself. Our own choices.
RELEASE_MAX: Final = timedelta(minutes=1)
RECEIVED_OFTEN: Final = 100
#: How long an envelope of a newer version is left for newer workers.
UNSUPPORTED_PATIENCE: Final = timedelta(hours=24)
#: Few enough receipts in a day for SQS to leave the message where it is.
_UNSUPPORTED_DELAY: Final = timedelta(minutes=3)
UNSUPPORTED: Final = "unsupported_envelope"
#: Before a job that has to run alone is tried elsewhere.
_MAKING_WAY_DELAY: Final = timedelta(seconds=10)


class Interruption(StrEnum):
    """Why a call was stopped from outside."""

    LEASE_LOST = "lease_lost"
    CANCEL_REQUESTED = "cancel_requested"
    DRAINING = "draining"
    #: Another job that has to run alone got there first.
    MAKING_WAY = "making_way"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The work was stopped; `call_started` tells whether a billable call had begun."""

    why: Interruption
    call_started: bool


#: What an attempt can come to.
Result = Completion | errors.InvocationError | errors.OutOfTime | errors.PayloadLost | errors.PayloadsUnavailable | Interrupted


@dataclass(frozen=True, slots=True)
class Ack:
    """The message has done its work."""

    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """The message shall come again, not before `until`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Bury:
    """The message goes to the dead-letter queue, with its reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Not ours to settle any more: the new owner does."""

    reason: str


Settlement = Ack | Release | Bury | Leave


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to record (None: nothing) and how to settle."""

    record: Event | None
    settlement: Settlement


# --- before a claim ---------------------------------------------------------------------------------------------------


def of_unreadable(error: errors.EnvelopeError, delivery: Delivery, now: datetime) -> Verdict:
    """A message that is no envelope, or one of a newer version."""
    if isinstance(error, errors.UnsupportedEnvelope) and now - delivery.sent_at < UNSUPPORTED_PATIENCE:
        return Verdict(None, Release(now + _UNSUPPORTED_DELAY, UNSUPPORTED))
    name = UNSUPPORTED if isinstance(error, errors.UnsupportedEnvelope) else "malformed_envelope"
    return Verdict(None, Bury(name))


def of_refusal(refusal: errors.ClaimRefused, now: datetime) -> Verdict:
    """A claim that was refused. A record here is written *unheld and unchanged*, for nobody holds the job."""
    match refusal:
        case errors.ClaimedElsewhere():
            return Verdict(None, Release(refusal.until + CLOCK_MARGIN, "claimed_elsewhere"))
        case errors.NotYetDue():
            return Verdict(None, Release(refusal.until, "not_yet_due"))
        case errors.AlreadyFinished():
            return Verdict(None, Bury(refusal.bury_reason) if refusal.bury_reason else Ack("already_finished"))
        case errors.StaleGeneration():
            return Verdict(None, Ack("stale_generation"))
        case errors.NoRecord():
            return Verdict(None, Ack("no_record"))
        case errors.CancelRequested():
            return Verdict(Cancelled(), Ack("cancelled"))
        case errors.DeadlinePassed():
            return Verdict(Expired(), Ack("expired"))
        case errors.TakenOverTooOften():
            failure = Failure("taken_over_too_often", "The job was started several times and its worker vanished each time.")
            reason = StatusReason.TAKEN_OVER_TOO_OFTEN
            return Verdict(Failed(reason, failure, bury=True), Bury(reason.value))
    return Verdict(None, Release(now + timedelta(seconds=1), "claim_refused"))


def of_unavailable_store(now: datetime, draw: float) -> Verdict:
    """A claim whose answer did not come. Should it stand, nobody knows its token, and the job waits for the lease to run out."""
    return Verdict(None, Release(now + _STORE_AWAY.wait(1, draw), STORE_UNAVAILABLE))


def of_tenant_at_cap(now: datetime, seconds: float) -> Verdict:
    """A message whose tenant may have no more slots: it was not claimed, and costs no attempt."""
    return Verdict(None, Release(now + timedelta(seconds=seconds), TENANT_AT_CAP))


# --- after an attempt -------------------------------------------------------------------------------------------------


def decide(result: Result, job: Job, now: datetime, draw: float, route: Route | None = None) -> Verdict:
    """What an attempt's result means for its job. `draw` in [0, 1) spreads the waits; `route` is None where it is there no more."""
    match result:
        case Completion():
            return _of_completion(result)
        case Interrupted():
            cut = result.why is Interruption.DRAINING and result.call_started
            return _of_unknown(None) if cut and pays_once(route) else _INTERRUPTED[result.why](result, job, now)
        case errors.OutcomeUnknown():
            return _of_unknown(None, outcome=None)
        case errors.InvocationTimedOut() | errors.InternalFault() if pays_once(route):
            return _of_unknown(result)
        case errors.InvocationError():
            return _unless_declared(result, _of_error(result, job, now, draw), job, now, route)
        case errors.OutOfTime():
            return _unless_declared(result.refused, Verdict(Expired(), Ack("expired")), job, now, route)
        case errors.PayloadsUnavailable():
            return _wait(Snoozed(now + _STORE_AWAY.wait(1, draw), StatusReason.WAITING_FOR_PAYLOAD), job)
        case errors.PayloadLost():
            failure, reason = Failure("payload_lost", "What the job was to ask is gone."), StatusReason.PAYLOAD_LOST
            return Verdict(Failed(reason, failure, bury=True), Bury(reason.value))


def of_record_refusal(refused: Event | None) -> Verdict:
    """A record that was not final met the caller's wish to cancel: the wish wins, and what was spent stays on record."""
    last = refused if isinstance(refused, RetryScheduled) else None
    return Verdict(Cancelled(call_cut=isinstance(refused, HandedBack) and refused.call_cut, last=last), Ack("cancelled"))


def of_unrecordable() -> Verdict:
    """The table will not take what became of the job: at least that is kept, and it is never paid for again."""
    reason = StatusReason.UNRECORDABLE
    return Verdict(Failed(reason, failure_of(errors.InternalFault("unrecordable")), bury=True), Bury(reason.value))


LEASE_LOST: Final = Verdict(None, Leave("lease_lost"))


def _of_drain(result: Interrupted, job: Job, now: datetime) -> Verdict:
    """Handed back, unless a call was cut that was the last one to be paid for."""
    if result.call_started and job.attempts_spent >= job.max_attempts:
        return _of_spent_budget(CALL_CUT, None, None)
    return Verdict(HandedBack(call_cut=result.call_started), Release(now, "handed_back"))


_INTERRUPTED: Final[Mapping[Interruption, Callable[[Interrupted, Job, datetime], Verdict]]] = {
    Interruption.LEASE_LOST: lambda result, job, now: LEASE_LOST,
    Interruption.CANCEL_REQUESTED: lambda result, job, now: Verdict(Cancelled(call_cut=result.call_started), Ack("cancelled")),
    Interruption.MAKING_WAY: lambda result, job, now: Verdict(
        HandedBack(call_cut=False), Release(now + _MAKING_WAY_DELAY, "making_way")
    ),
    Interruption.DRAINING: _of_drain,
}


def _of_completion(result: Completion) -> Verdict:
    """An answer is kept, unless it is too large or could not be read back: it was paid, and is not asked for again."""
    if not depth_exceeds(result.content, RESULT_MAX_LEVELS) and size_bytes(result) <= RESULT_MAX_BYTES:
        return Verdict(Succeeded(result), Ack("completed"))
    reason = StatusReason.RESULT_TOO_LARGE
    failure = Failure(
        reason.value,
        f"The answer is larger than the {RESULT_MAX_BYTES} bytes, or nested deeper than the {RESULT_MAX_LEVELS} levels, that can "
        "be kept; ask for fewer tokens.",
    )
    return Verdict(Failed(reason, failure, False, str(result.served_by), result.usage), Ack(reason.value))


def size_bytes(result: Completion) -> int:
    """How much an answer takes, in the record or beside it."""
    # A model that was cut off may end on half of a pair, which has no UTF-8.
    return len(json.dumps(result.content, ensure_ascii=False).encode(errors="surrogatepass"))


def _of_error(error: errors.InvocationError, job: Job, now: datetime, draw: float) -> Verdict:
    if error.lacks_capacity:
        wait = max(SNOOZE.wait(job.snoozes + 1, draw), _hint(error))
        return _wait(Snoozed(now + wait, StatusReason.WAITING_FOR_CAPACITY, _refusals(error)), job)
    if error.blames == "us" and not error.may_be_billed:
        wait = BLOCKED.wait(job.snoozes + 1, draw)
        return _wait(Snoozed(now + wait, StatusReason.BLOCKED, _refusals(error)), job)
    failure = failure_of(error)
    if not error.time_helps:
        return Verdict(Failed(StatusReason.REJECTED, failure, False, error.target, error.usage, error.fallbacks), Ack("rejected"))
    if job.attempts_spent >= job.max_attempts:
        return _of_spent_budget(failure, error.target, error.usage, error.fallbacks)
    unknown = isinstance(error, errors.InvocationTimedOut)
    outcome = AttemptOutcome.OUTCOME_UNKNOWN if unknown else AttemptOutcome.FAILED
    resume_at = now + max(RETRY.wait(job.attempts_spent, draw), _hint(error))
    return _wait(RetryScheduled(resume_at, failure, error.target, error.usage, outcome, error.fallbacks), job)


def pays_once(route: Route | None) -> bool:
    """Whether a call that may have been paid, and whose answer nobody saw, is not to be made again."""
    return route is not None and route.on_unknown_outcome == "fail"


def _of_unknown(error: errors.InvocationError | None, outcome: AttemptOutcome | None = AttemptOutcome.OUTCOME_UNKNOWN) -> Verdict:
    """Nobody knows whether a call was paid, and it shall not be paid again: that is for an operator to say."""
    reason, failure = StatusReason.OUTCOME_UNKNOWN, failure_of(errors.OutcomeUnknown(""))
    target, usage, fallbacks = (error.target, error.usage, error.fallbacks) if error else (None, None, ())
    return Verdict(Failed(reason, failure, True, target, usage, fallbacks, outcome), Bury(reason.value))


def _unless_declared(
    error: errors.InvocationError | None, verdict: Verdict, job: Job, now: datetime, route: Route | None
) -> Verdict:
    """The answer that the route declares, if it is time for that: its targets did not serve, and there is hardly time left.

    `error` is what they came to; None where none was asked. A request that is at fault is none of a route's failures. While there
    is budget and time, an attempt that failed is followed by another one, since the targets that it did not come to may serve.
    """
    declared = route.degraded if route else None
    if declared is None or error is None or error.blames == "caller":
        return verdict
    is_near = job.deadline_at - now < timedelta(seconds=declared.within_seconds)
    match verdict.record:
        case Expired():
            pass
        case Snoozed() | Failed() if is_near:
            pass
        case _:
            return verdict
    return Verdict(Degraded(declared.text, failure_of(error), error.target, error.usage, error.fallbacks), Ack("degraded"))


def _of_spent_budget(failure: Failure, target: str | None, usage: Usage | None, fallbacks: tuple[Fallback, ...] = ()) -> Verdict:
    reason = StatusReason.ATTEMPTS_EXHAUSTED
    return Verdict(Failed(reason, failure, True, target, usage, fallbacks), Bury(reason.value))


def _wait(event: RetryScheduled | Snoozed, job: Job) -> Verdict:
    """Wait, unless the deadline comes first."""
    if leaves_no_time(job.deadline_at, event.resume_at):
        return Verdict(Expired(last=event if isinstance(event, RetryScheduled) else None), Ack("expired"))
    reason = "retrying" if isinstance(event, RetryScheduled) else event.reason.value
    return Verdict(event, Release(event.resume_at, reason))


def _refusals(error: errors.InvocationError) -> tuple[Fallback, ...]:
    """Who did not serve; where no target was come to, what stands in its place."""
    return error.refusals or (Fallback(error.target or "", error.code, 0.0, skipped=True),)


def _hint(error: errors.InvocationError) -> timedelta:
    # Bounded before it is a duration: a provider may say anything.
    return timedelta(seconds=min(error.retry_after_seconds or 0.0, HINT_MAX.total_seconds()))


def is_long(wait: Release, delivery: Delivery, now: datetime) -> bool:
    """Whether a message should rather be sent anew than be released."""
    # An envelope that nobody can read yet keeps its age, by which it is judged.
    anew = wait.until - now > RELEASE_MAX or delivery.receive_count >= RECEIVED_OFTEN
    return anew and wait.reason != UNSUPPORTED


# --- words for callers ------------------------------------------------------------------------------------------------

#: What a caller is told; the provider's own words are passed on only where the caller is to blame and can act on them.
_MESSAGES: Final[Mapping[str, str]] = {
    "throttled": "The model's quota was used up.",
    "model_not_ready": "The model was not ready.",
    "provider_unavailable": "The model's provider was unavailable.",
    "limit_reached": "The model's quota was used up.",
    "request_limit_reached": "The model's quota of requests was used up.",
    "token_limit_reached": "The model's quota of tokens was used up.",
    "ceiling_reached": "The ceiling that is set for the model was reached.",
    "circuit_open": "The model was not asked: it had failed too often just before.",
    "model_failed": "The model's provider failed while answering.",
    "malformed_completion": "The model's answer was unusable.",
    "invocation_timed_out": "The model did not answer in time; whether the call was billed is unknown.",
    "outcome_unknown": "A call was sent and its answer was not seen; it may have been billed, so it is not sent again.",
    "access_denied": "The service may not call this model.",
    "model_not_found": "The model does not exist where it was asked for.",
    "credentials_expired": "The service's credentials were refused.",
    "internal_error": "The service failed while working on this job.",
    "quota_exceeded": "An account quota was exceeded.",
    "guardrail_unavailable": "The guardrail that has to pass the request did not answer.",
    "guardrail_unusable": "The service has no guardrail that it could use, and the request has to pass one.",
    "answer_unchecked": "The model answered, and the guardrail could not judge the answer, so it is not shown.",
    "region_not_allowed": "No target of the route may process the prompt: it would leave the regions that are allowed.",
}


def failure_of(error: errors.InvocationError) -> Failure:
    """An error in a caller's words."""
    return Failure(error.code, (_MESSAGES.get(error.code) or str(error))[:_MESSAGE_MAX_LENGTH])
