"""The life of a job: its data, its statuses, and the one function that moves it from one to the next.

Rules for whoever edits this file:

1. `advance` is the only writer of `status`. What DynamoDB does in one conditional write (claiming) is the same move written
   as an expression, and a contract test holds the two against each other.
2. `TRANSITIONS` says which event may happen in which status; `advance` says what it changes. The diagram in the docs is
   drawn from the table.
3. Everything here is pure: no clock, no randomness, no I/O.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from quarry.attempts import REDRIVEN, Attempted, AttemptOutcome, Failure
from quarry.deadline import has_passed
from quarry.invocation import Completion, Fallback, Invocation, Usage
from quarry.notification import Channel, Notification, owed

#: One job that kills its worker takes the jobs beside it along, so take-overs have a budget of their own.
MAX_TAKEOVERS: Final = 5

#: A lease is judged by the wall clock of another machine: this much disagreement is allowed for.
CLOCK_MARGIN: Final = timedelta(seconds=5)

#: How long a waiting job may go unnoticed before the sweep looks whether it still has a message.
CHECK_AFTER: Final = timedelta(minutes=2)


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in TERMINAL


TERMINAL: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})


class Priority(StrEnum):
    """How urgent a job is: each has a lane of its own. The most urgent first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class StatusReason(StrEnum):
    """Why a job stands where it stands, where the status alone does not tell."""

    WAITING_FOR_CAPACITY = "waiting_for_capacity"
    BLOCKED = "blocked"
    HANDED_BACK = "handed_back"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    TAKEN_OVER_TOO_OFTEN = "taken_over_too_often"
    REJECTED = "rejected"
    RESULT_TOO_LARGE = "result_too_large"
    WAITING_FOR_PAYLOAD = "waiting_for_payload"
    PAYLOAD_LOST = "payload_lost"
    UNRECORDABLE = "unrecordable"
    #: A call may have been paid whose answer nobody saw, and its route does not pay again.
    OUTCOME_UNKNOWN = "outcome_unknown"
    #: Nobody served it in time: it was answered with what its route declares for that.
    DEGRADED = "degraded"
    #: It failed, and an operator gave it up: its dead letter is gone.
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Lease:
    """The exclusive, expiring right to work a job. `token` fences: who does not know it cannot write."""

    token: str
    owner: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Content that is too large for the record and lies in the store of objects, as UTF-8 JSON. `sha256` is hexadecimal."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Job(Attempted):
    """One submitted piece of work and its record."""

    request_id: str
    tenant: str
    #: Empty where `payload` says that it lies elsewhere, and in lists.
    invocation: Invocation
    #: As the caller asked: a route's name or a model id.
    model: str
    created_at: datetime
    deadline_at: datetime
    #: Not to be claimed before.
    available_at: datetime
    max_attempts: int
    #: The lane that its messages are on.
    priority: Priority = Priority.NORMAL
    custom_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Its answer's text is kept as it comes, for whoever follows the job.
    stream: bool = False
    #: False: its content lies in the store of objects alone, and only until the answer was read.
    store_content: bool = True
    #: It is erased once its time is over, and not only left to expire.
    brief: bool = False
    #: The caller's: prompts stay in these, whatever the route allows; empty: the route alone says it.
    allowed_regions: tuple[str, ...] = ()
    #: The names of patterns that the tenant's policy flags and that were in what was submitted.
    flags: tuple[str, ...] = ()
    #: Where the invocation is, if it is too large for the record.
    payload: StoredObject | None = None
    #: The trace that it is worked in, so that every message of the job says it, whoever sends it: a submission, a sweep, a redrive.
    traceparent: str | None = None
    #: Whom to tell when it ends, and whether the operator's topic and event bus hear of it.
    webhook_url: str | None = None
    publish: bool = False
    #: By which the row of its idempotency key is found; None where it came without one.
    key_digest: str | None = None

    status: JobStatus = JobStatus.QUEUED
    status_reason: StatusReason | None = None
    #: How often the job was put on the queue anew; an envelope of an older generation is stale.
    generation: int = 0
    #: Counts writes by whoever holds no lease and by claims, so that a write can require what was read.
    revision: int = 1
    cancel_requested: bool = False
    #: When its answer was read for the first time, where its content is not stored.
    delivered_at: datetime | None = None
    #: It is being erased, as soon as its worker has let go of it: no reader sees it any more.
    erasing: bool = False
    #: How often the job was put back for want of capacity; such a wait costs no attempt.
    snoozes: int = 0
    lease: Lease | None = None
    #: When the sweep should look at the job; None once it is terminal.
    check_at: datetime | None = None

    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Completion | None = None
    #: Where the answer's content is, if it is too large for the record: then that of `result` is empty.
    result_object: StoredObject | None = None
    #: What it was answered in place of a model's answer: then there is no `result`.
    degraded: str | None = None
    error: Failure | None = None
    #: Set in the same write as the outcome, cleared once the dead letter is sent.
    bury_reason: str | None = None
    #: Word of its end, owed since the same write; None before, and where nobody wants any.
    webhook: Notification | None = None
    events: Notification | None = None

    @property
    def notifications(self) -> Mapping[Channel, Notification]:
        """By channel, those that are owed or were."""
        both = {Channel.WEBHOOK: self.webhook, Channel.EVENTS: self.events}
        return {channel: each for channel, each in both.items() if each}

    @property
    def owes(self) -> Mapping[Channel, Notification]:
        """By channel, what is left to do."""
        return {channel: each for channel, each in self.notifications.items() if each.is_owed}

    def is_held(self, now: datetime) -> bool:
        """Whether somebody may still be working it."""
        return self.lease is not None and now < self.lease.expires_at + CLOCK_MARGIN


# --- events: what can happen to a job ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker took the job, or took it over from one whose lease ran out."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The model answered. With `stored`, the completion's content lies there and is empty here."""

    completion: Completion
    stored: StoredObject | None = None


@dataclass(frozen=True, slots=True)
class Degraded:
    """No target serves in time: the job is answered with `text`. What the last attempt came to stays on record."""

    text: str
    failure: Failure
    target: str | None = None
    usage: Usage | None = None
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """The attempt failed, time helps, and the budget is not spent."""

    resume_at: datetime
    failure: Failure
    target: str | None = None
    usage: Usage | None = None
    outcome: AttemptOutcome = AttemptOutcome.FAILED
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True)
class Snoozed:
    """No capacity, or our own access is broken: the attempt is given back. `refusals`: the targets that did not serve, in order."""

    resume_at: datetime
    reason: StatusReason
    refusals: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True)
class HandedBack:
    """A draining worker returned the job; `call_cut` tells whether a call had been started and was cut."""

    call_cut: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not be answered. With `bury`, a dead letter follows, its reason being `reason`.

    `outcome` is that of the attempt; None where it made no call, and so is given back.
    """

    reason: StatusReason
    failure: Failure
    bury: bool
    target: str | None = None
    usage: Usage | None = None
    fallbacks: tuple[Fallback, ...] = ()
    outcome: AttemptOutcome | None = AttemptOutcome.FAILED


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller's wish was carried out; `call_cut` tells whether a call in flight was closed, which may have cost something.

    With `last`, an attempt had just failed and would have been tried again.
    """

    call_cut: bool = False
    last: RetryScheduled | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """The deadline passed before a call could start, or, with `last`, before one could follow on an attempt that failed."""

    last: RetryScheduled | None = None


@dataclass(frozen=True, slots=True)
class Redriven:
    """An operator put it back to work: a new generation, with a budget and a deadline of its own."""

    deadline_at: datetime
    max_attempts: int
    #: Another route or model id; None keeps the job's.
    model: str | None = None


Event = Claimed | Succeeded | Degraded | RetryScheduled | Snoozed | HandedBack | Failed | Cancelled | Expired | Redriven

_QUEUED, _PROCESSING, _RETRYING = JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.RETRYING

#: (status, event) → the status that follows. What is not here cannot happen. An unheld job in `processing` (its worker is
#: gone) can be taken over, cancelled, expired and failed like a waiting one.
TRANSITIONS: Final[Mapping[tuple[JobStatus, type[Event]], JobStatus]] = {
    (_QUEUED, Claimed): _PROCESSING,
    (_RETRYING, Claimed): _PROCESSING,
    (_PROCESSING, Claimed): _PROCESSING,
    (_PROCESSING, Succeeded): JobStatus.COMPLETED,
    (_PROCESSING, Degraded): JobStatus.COMPLETED,
    (_PROCESSING, RetryScheduled): _RETRYING,
    (_PROCESSING, Snoozed): _QUEUED,
    (_PROCESSING, HandedBack): _QUEUED,  # `retrying` where the call was cut
    (_PROCESSING, Failed): JobStatus.FAILED,
    (_PROCESSING, Cancelled): JobStatus.CANCELLED,
    (_PROCESSING, Expired): JobStatus.EXPIRED,
    (_QUEUED, Cancelled): JobStatus.CANCELLED,
    (_RETRYING, Cancelled): JobStatus.CANCELLED,
    (_QUEUED, Expired): JobStatus.EXPIRED,
    (_RETRYING, Expired): JobStatus.EXPIRED,
    (JobStatus.FAILED, Redriven): _QUEUED,
    (JobStatus.EXPIRED, Redriven): _QUEUED,
    (JobStatus.CANCELLED, Redriven): _QUEUED,
}


class IllegalTransition(Exception):
    """A bug in the caller of `advance`: that event cannot happen in that status."""


def advance(job: Job, event: Event, now: datetime) -> Job:
    """The job after `event`.

    Raises:
        IllegalTransition: the table has no such row.
    """
    status = TRANSITIONS.get((job.status, type(event)))
    if status is None:
        raise IllegalTransition(f"{type(event).__name__} cannot happen to a job that is {job.status}")
    changed = _CHANGES[type(event)](job, event, now)
    if isinstance(event, HandedBack) and event.call_cut:
        status = _RETRYING
    changed = replace(changed, status=status, revision=job.revision + 1)
    if isinstance(event, Claimed):
        return changed
    # Every other event ends the lease, if there was one, and closes what was open.
    changed = replace(changed, lease=None, open_attempts=())
    if status.is_terminal:
        return _told(replace(changed, finished_at=now), now)
    return replace(changed, check_at=changed.available_at + CHECK_AFTER)


def _claimed(job: Job, event: Claimed, now: datetime) -> Job:
    return replace(
        job.begun(now),
        lease=event.lease,
        takeovers=job.takeovers + (job.status is _PROCESSING),
        started_at=job.started_at or now,
        status_reason=None,
        check_at=event.lease.expires_at + CHECK_AFTER,
    )


def _succeeded(job: Job, event: Succeeded, now: datetime) -> Job:
    answer = event.completion
    served_by, passed, adapted = str(answer.served_by), answer.fallbacks, answer.adapted
    ended = job.ended(now, AttemptOutcome.COMPLETED, served_by, None, answer.usage, passed, adapted=adapted)
    # Who was asked in vain, and in which form, belongs to the attempt.
    result = replace(answer, fallbacks=(), adapted=()) if answer.fallbacks or answer.adapted else answer
    return replace(ended, result=result, result_object=event.stored, error=None, status_reason=None)


def _degraded(job: Job, event: Degraded, now: datetime) -> Job:
    ended = job.ended(now, AttemptOutcome.FAILED, event.target, event.failure, event.usage, event.fallbacks)
    return replace(ended, degraded=event.text, error=None, status_reason=StatusReason.DEGRADED)


def _retry_scheduled(job: Job, event: RetryScheduled, now: datetime) -> Job:
    return replace(_ended_failed(job, event, now, event.resume_at), available_at=event.resume_at, status_reason=None)


def _snoozed(job: Job, event: Snoozed, now: datetime) -> Job:
    given_back = job.given_back().waiting(event.reason.value, now, event.resume_at, event.refusals)
    return replace(given_back, available_at=event.resume_at, status_reason=event.reason, snoozes=job.snoozes + 1)


def _handed_back(job: Job, event: HandedBack, now: datetime) -> Job:
    if event.call_cut:
        job = job.ended(now, AttemptOutcome.OUTCOME_UNKNOWN, failure=CALL_CUT)
    else:
        job = job.given_back().waiting(StatusReason.HANDED_BACK.value, now, now)
    return replace(job, available_at=now, status_reason=StatusReason.HANDED_BACK)


def _failed(job: Job, event: Failed, now: datetime) -> Job:
    if job.lease and event.outcome is None:
        job = job.given_back()
    elif job.lease and event.outcome:
        job = job.ended(now, event.outcome, event.target, event.failure, event.usage, event.fallbacks)
    return replace(job, error=event.failure, status_reason=event.reason, bury_reason=event.reason.value if event.bury else None)


def _cancelled(job: Job, event: Cancelled, now: datetime) -> Job:
    if event.last:
        job = _ended_failed(job, event.last, now)
    elif event.call_cut:
        job = job.ended(now, AttemptOutcome.CANCELLED, failure=CALL_CLOSED)
    elif job.lease:
        job = job.given_back()
    return replace(job, cancel_requested=True, status_reason=None)


def _expired(job: Job, event: Expired, now: datetime) -> Job:
    if event.last:
        return replace(_ended_failed(job, event.last, now), error=TOO_LATE, status_reason=None)
    if job.lease:
        job = job.given_back()
    return replace(job, error=EXPIRY, status_reason=None)


def _ended_failed(job: Job, event: RetryScheduled, now: datetime, retry_at: datetime | None = None) -> Job:
    return job.ended(now, event.outcome, event.target, event.failure, event.usage, event.fallbacks, retry_at=retry_at)


def _redriven(job: Job, event: Redriven, now: datetime) -> Job:
    return replace(
        job.waiting(REDRIVEN, now, now),
        generation=job.generation + 1,
        model=event.model or job.model,
        deadline_at=event.deadline_at,
        available_at=now,
        max_attempts=event.max_attempts,
        attempts_before=job.attempts,
        takeovers=0,
        snoozes=0,
        cancel_requested=False,
        status_reason=None,
        finished_at=None,
        result=None,
        result_object=None,
        error=None,
        bury_reason=None,
        webhook=None,
        events=None,
    )


def _told(job: Job, now: datetime) -> Job:
    """A job that has just ended, with what it owes; the sweep looks after that as after a job that waits."""
    webhook, events = owed(now) if job.webhook_url else None, owed(now) if job.publish else None
    return replace(job, webhook=webhook, events=events, check_at=now + CHECK_AFTER if webhook or events else None)


CALL_CUT: Final = Failure("call_cut", "The service had to stop during the attempt; whether the call was billed is unknown.")
CALL_CLOSED: Final = Failure("call_closed", "A model call was under way and was closed; what it cost is not known.")
TOO_LATE: Final = Failure("deadline_passed", "An attempt failed, and the deadline comes before another one could start.")
EXPIRY: Final = Failure("deadline_passed", "The deadline passed before a model call could start.")

_CHANGES: Final[Mapping[type[Event], Callable[..., Job]]] = {
    Claimed: _claimed,
    Succeeded: _succeeded,
    Degraded: _degraded,
    RetryScheduled: _retry_scheduled,
    Snoozed: _snoozed,
    HandedBack: _handed_back,
    Failed: _failed,
    Cancelled: _cancelled,
    Expired: _expired,
    Redriven: _redriven,
}


# --- beside the events -------------------------------------------------------------------------------------------------


def abandoned(job: Job) -> Job:
    """The job as somebody without its lease may change it, once that lease has run out: what was open ended unseen."""
    if job.lease is None:
        return job
    return replace(job.ended_unseen(), lease=None)


def discarded(job: Job) -> Job:
    """A failed job that an operator gave up. It stays failed, as it ended; only why it is looked at no more is new."""
    return replace(job, status_reason=StatusReason.DISCARDED, bury_reason=None, revision=job.revision + 1)


def wordless(job: Job) -> Job:
    """The job without what providers said of it: that may quote the caller. What programs look at stays."""
    history = tuple(replace(each, error=each.error and replace(each.error, message=WORDLESS)) for each in job.attempt_history)
    return replace(job, attempt_history=history, error=job.error and replace(job.error, message=WORDLESS))


#: In the place of a message.
WORDLESS: Final = "The content of this job is not stored, and so not what was said of it."


def notified(job: Job, channel: Channel, notification: Notification) -> Job:
    """The job after a try to tell of its end. The sweep goes on looking after it for as long as anything is owed."""
    told = replace(job, webhook=notification) if channel is Channel.WEBHOOK else replace(job, events=notification)
    changed = replace(told, revision=job.revision + 1)
    due = [each.next_attempt_at for each in changed.owes.values() if each.next_attempt_at]
    return replace(changed, check_at=min(due) + CHECK_AFTER if due else None)


def check_later(job: Job, at: datetime | None) -> Job:
    """The job, with the sweep to look at it again at `at`, or no more."""
    return replace(job, check_at=at, revision=job.revision + 1)


def effective_status(job: Job, now: datetime) -> JobStatus:
    """The status as a reader should see it: past its deadline a waiting job is `expired`, even before a worker wrote so."""
    return status_for_readers(job.status, job.deadline_at, now)


def status_for_readers(status: JobStatus, deadline_at: datetime, now: datetime) -> JobStatus:
    """`effective_status`, for who has not the whole job."""
    return JobStatus.EXPIRED if status in (_QUEUED, _RETRYING) and has_passed(deadline_at, now) else status
