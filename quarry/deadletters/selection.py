"""Which of the failed an operator means, and how they are summed up. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from quarry.deadletters.fates import Fate, Letter
from quarry.job import Job, JobStatus, StatusReason

#: Failures that leave a dead letter. The others are the caller's, who was told; what to do about those is asked for by name.
BURIED: Final = frozenset(
    {
        StatusReason.ATTEMPTS_EXHAUSTED.value,
        StatusReason.OUTCOME_UNKNOWN.value,
        StatusReason.TAKEN_OVER_TOO_OFTEN.value,
        StatusReason.PAYLOAD_LOST.value,
        StatusReason.UNRECORDABLE.value,
    }
)
#: All that can stand as a reason: why a job failed, what its message is, and what a worker says of a message without a job.
REASONS: Final = frozenset(
    {reason.value for reason in StatusReason}
    | {
        Fate.OVER.value,
        Fate.STRANDED.value,
        Fate.NO_RECORD.value,
        Fate.UNREADABLE_RECORD.value,
        "malformed_envelope",
        "unsupported_envelope",
    }
)


#: Of one group. Our own choice.
_NAMED_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """What is meant: everything that every filter lets through. `since` and `until` (exclusive) bound when it ended."""

    tenant: str
    #: None: whatever the reason.
    reasons: frozenset[str] | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes_job(self, job: Job) -> bool:
        """Whether a job is meant; one that has not failed never is."""
        if job.status is not JobStatus.FAILED or job.finished_at is None:
            return False
        return self._takes(job.status_reason.value if job.status_reason else "", job.model, job.finished_at)

    def takes_letter(self, letter: Letter) -> bool:
        """Whether a message is meant: its job, where that failed, else the message itself."""
        if letter.envelope and letter.envelope.tenant != self.tenant:
            return False
        if letter.fate is Fate.UNREADABLE_RECORD:
            return self.takes_unreadable
        if letter.fate is Fate.DEAD and letter.job:
            return self.takes_job(letter.job)
        return self._takes(letter.reason, letter.job.model if letter.job else None, letter.delivery.sent_at)

    @property
    def takes_unreadable(self) -> bool:
        """Whether jobs are meant of which nothing but the id can be read: not where a model or a time is asked for, since they may
        be readable by their turn, and of another.
        """
        if (self.model, self.since, self.until) != (None, None, None):
            return False
        return self.reasons is None or Fate.UNREADABLE_RECORD.value in self.reasons

    def _takes(self, reason: str, model: str | None, at: datetime) -> bool:
        return (
            (self.reasons is None or reason in self.reasons)
            and self.model in (None, model)
            and (self.since is None or self.since <= at)
            and (self.until is None or at < self.until)
        )


@dataclass(slots=True)
class Group:
    """What failed for one reason: how many, where it is known, and from when to when."""

    reason: str
    both: int = 0
    records_only: int = 0
    queue_only: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    #: Of jobs that no other verb can show: some of their ids.
    request_ids: list[str] = field(default_factory=list)

    def name(self, request_id: str) -> None:
        """Name a job."""
        if len(self.request_ids) < _NAMED_MAX:
            self.request_ids.append(request_id)

    def see(self, at: datetime) -> None:
        """Widen the span."""
        self.oldest = min(self.oldest or at, at)
        self.newest = max(self.newest or at, at)


@dataclass(slots=True)
class Summary:
    """Groups by reason. Copies of a message are folded: what is kept for that is one id for each that lies in the queue."""

    _groups: dict[str, Group] = field(default_factory=dict)
    _in_queue: set[str] = field(default_factory=set)

    def add_letters(self, letters: Iterable[Letter]) -> None:
        """Count messages; before the jobs, so that it is known which of those have one."""
        for letter in letters:
            if letter.key in self._in_queue:
                continue
            self._in_queue.add(letter.key)
            group = self._group(letter.reason)
            if letter.fate is Fate.UNREADABLE_RECORD:
                group.name(letter.key)
            if letter.fate is Fate.DEAD and letter.job and letter.job.finished_at:
                group.both += 1
                group.see(letter.job.finished_at)
            else:
                group.queue_only += 1
                group.see(letter.delivery.sent_at)

    def add_job(self, job: Job) -> None:
        """Count a failed job."""
        if job.request_id in self._in_queue:
            return
        group = self._group(job.status_reason.value if job.status_reason else "")
        group.records_only += 1
        group.see(job.finished_at or job.created_at)

    def add_unreadable(self, request_id: str) -> None:
        """Count a job whose record cannot be read."""
        group = self._group(Fate.UNREADABLE_RECORD.value)
        if request_id in self._in_queue:
            # Nobody can tell whether it failed; but its message lies there, and it is there itself.
            group.both, group.queue_only = group.both + 1, group.queue_only - 1
            return
        group.records_only += 1
        group.name(request_id)

    def __iter__(self) -> Iterator[Group]:
        """The largest first."""
        return iter(
            sorted(self._groups.values(), key=lambda each: (-(each.both + each.records_only + each.queue_only), each.reason))
        )

    def _group(self, reason: str) -> Group:
        return self._groups.setdefault(reason, Group(reason))
