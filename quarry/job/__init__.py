"""The life of a job: its data, its statuses, and the one function that moves it from one to the next.

Rules for whoever edits these files:

1. `advance` is the only writer of `status`. What DynamoDB does in one conditional write (claiming) is the same move written
   as an expression, and a contract test holds the two against each other.
2. `TRANSITIONS` says which event may happen in which status; `advance` says what it changes. The diagram in the docs is
   drawn from the table.
3. Everything here is pure: no clock, no randomness, no I/O.
"""

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
from quarry.job.record import (
    CHECK_AFTER,
    CLOCK_MARGIN,
    MAX_TAKEOVERS,
    TERMINAL,
    Job,
    JobStatus,
    Lease,
    Priority,
    StatusReason,
    StoredObject,
)
from quarry.job.transitions import (
    CALL_CLOSED,
    CALL_CUT,
    EXPIRY,
    TOO_LATE,
    TRANSITIONS,
    WORDLESS,
    IllegalTransition,
    abandoned,
    advance,
    check_later,
    discarded,
    effective_status,
    notified,
    status_for_readers,
    wordless,
)

__all__ = [
    "CALL_CLOSED",
    "CALL_CUT",
    "CHECK_AFTER",
    "CLOCK_MARGIN",
    "EXPIRY",
    "MAX_TAKEOVERS",
    "TERMINAL",
    "TOO_LATE",
    "TRANSITIONS",
    "WORDLESS",
    "Cancelled",
    "Claimed",
    "Degraded",
    "Event",
    "Expired",
    "Failed",
    "HandedBack",
    "IllegalTransition",
    "Job",
    "JobStatus",
    "Lease",
    "Priority",
    "Redriven",
    "RetryScheduled",
    "Snoozed",
    "StatusReason",
    "StoredObject",
    "Succeeded",
    "abandoned",
    "advance",
    "check_later",
    "discarded",
    "effective_status",
    "notified",
    "status_for_readers",
    "wordless",
]
