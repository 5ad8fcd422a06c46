"""What can happen to a job."""

from dataclasses import dataclass
from datetime import datetime

from quarry.attempts import AttemptOutcome, Failure
from quarry.invocation import Completion, Fallback, Usage
from quarry.job.record import Lease, StatusReason, StoredObject


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
