"""The moves of a job from one status to the next: the table of them, and the one function that makes them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from quarry.attempts import REDRIVEN, AttemptOutcome, Failure
from quarry.deadline import has_passed
from quarry.job.events import (
    Cancelled,
    Claimed,
    Degraded,
    Event,
    Expired,
    Failed,
    HandedBack,
    Redriven,
    RetryScheduled,
    Snoozed,
    Succeeded,
)
from quarry.job.record import CHECK_AFTER, Job, JobStatus, StatusReason
from quarry.notification import Channel, Notification, owed

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
