"""A job's record: its data, its statuses, and why it has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from quarry.attempts import Attempted, Failure
from quarry.invocation import Completion, Invocation
from quarry.notification import Channel, Notification

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
    #: The priority that it was submitted with, where its tenant had used up what keeps it.
    demoted_from: Priority | None = None
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
