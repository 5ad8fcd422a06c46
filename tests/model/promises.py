"""The promises, as checks on everything that a process does to the table and the queue, while it is done.

What is broken is noted, not raised: it would be raised inside the process that breaks it, which might survive that.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from quarry.attempts import HISTORY_LIMIT, Attempt, AttemptOutcome
from quarry.envelope import Envelope, from_wire
from quarry.errors import EnvelopeError, InvocationError
from quarry.invocation import Completion
from quarry.job import CLOCK_MARGIN, MAX_TAKEOVERS, Job, JobStatus, Lease, StatusReason, effective_status
from quarry.queue.base import Delivery
from quarry.testing import FakeClock, MemoryStore

LEASE_SECONDS: Final = 60
#: Outcomes that are also sent to the dead-letter queue.
BURIED: Final = frozenset(
    {StatusReason.ATTEMPTS_EXHAUSTED, StatusReason.TAKEN_OVER_TOO_OFTEN, StatusReason.PAYLOAD_LOST, StatusReason.UNRECORDABLE}
)
_SETTLEMENTS: Final = frozenset({"ack", "release", "resend", "bury"})
#: The token under which a task works a job.
TOKEN: Final[ContextVar[str | None]] = ContextVar("token", default=None)


@dataclass(eq=False)
class Call:
    """A model call under way or over."""

    request_id: str
    token: str | None
    caller: str
    answer: "asyncio.Future[Completion]"
    generation: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it waits for its answer."""
        return not self.answer.done()

    @property
    def may_be_paid(self) -> bool:
        """Whether it was answered, or may have been, or failed when the model had worked."""
        error = None if self.is_open else self.answer.exception()
        return error is None or (isinstance(error, InvocationError) and error.may_be_billed)


class Promises:
    """Watches one run of the model. `broken` is what it found."""

    def __init__(self, store: MemoryStore, clock: FakeClock) -> None:
        self.broken: list[str] = []
        #: A machine whose clock is far off may take what is not free: the fence still holds then, but the lease does not.
        self.clocks_agree = True
        self.calls: list[Call] = []
        #: Calls whose repetition nobody could count, because who would have counted died before.
        self.uncounted = 0
        #: Who was granted a token, and the tokens that somebody was told are lost.
        self.holders: dict[str, str] = {}
        self.lost: set[str] = set()
        #: By receipt.
        self.received: dict[str, str] = {}
        self.settled: Counter[str] = Counter()
        self._store = store
        self._clock = clock
        #: Until when the holder of a token may believe in its lease, on the monotonic clock.
        self._valid_until: dict[str, float] = {}
        self._first_asked_at: dict[str, float] = {}
        #: The same as the holder knows it: answers get lost.
        self._believed_until: dict[str, float] = {}
        #: The tokens of attempts that are recorded, and not yet reported and settled.
        self._untold: set[str | None] = set()

    def breach(self, promise: str, what: str) -> None:
        """Note that a promise is broken."""
        self.broken.append(f"{promise}: {what}")

    def started(self, call: Call, now: datetime) -> None:
        """A model call starts, at `now` by the caller's clock."""
        self.calls.append(call)
        if call.token is None:
            self.breach("P4", f"{call.caller} calls without a claim")
            return
        job = self._store.job(call.request_id)
        call.generation = job.generation
        if now >= job.deadline_at:
            self.breach("deadline", f"{call.caller} calls for a job whose deadline has passed")
        if not self.clocks_agree:
            return
        if job.lease is None or job.lease.token != call.token or not job.open_attempts:
            self.breach("P2", f"{call.caller} calls for a job that is not its own: {job.status}, {job.lease}")
        elif self._valid_until[call.token] <= self._clock.monotonic():
            self.breach("P2", f"{call.caller} calls under a lease that ran out")

    def asked(self, operation: str, args: tuple[Any, ...], actor: str) -> None:
        """A process asks for something, which may never arrive."""
        if operation in _SETTLEMENTS:
            self._untold.discard(TOKEN.get())
            self.settled[args[0].receipt] += 1
            if self.settled[args[0].receipt] > 1:
                self.breach("P5", f"{actor} settles a delivery once more: {operation}")

    def answered(self, operation: str, args: tuple[Any, ...], answer: Any, actor: str, entered_at: float) -> None:
        """A process got an answer."""
        if operation == "receive":
            self.received |= {delivery.receipt: actor for delivery in answer}
        if operation == "claim":
            self._believed_until[args[1].token] = self._first_asked_at[args[1].token] + LEASE_SECONDS
            self.holders[args[1].token] = actor
        if operation == "renew":
            self._believed_until[args[0].lease.token] = entered_at + LEASE_SECONDS

    def died(self, actor: str) -> None:
        """A process died. What it had recorded and not yet reported, it will not count any more."""
        self.uncounted += sum(call.caller == actor and call.token in self._untold and call.may_be_paid for call in self.calls)

    def drained(self, actor: str) -> None:
        """A process ended in good order: it keeps nothing for itself, but for what it had to believe lost, or nearly so."""
        sure = self._clock.monotonic() + CLOCK_MARGIN.total_seconds()
        for job in self._store.jobs:
            if job.lease and job.lease.owner == actor and self._believed_until.get(job.lease.token, 0) > sure:
                self.breach("drain", f"{actor} ended, and a job stays under its lease")

    @contextmanager
    def watching(self, operation: str, args: tuple[Any, ...], actor: str, entered_at: float) -> Iterator[None]:
        """Watch one operation being carried out."""
        if operation == "receive":
            yield
            return
        before = {job.request_id: job for job in self._store.jobs}
        if operation == "send" and any(envelope.request_id not in before for envelope in args[0]):
            self.breach("P1", f"{actor} sends a message before the record")
        if operation == "claim":
            TOKEN.set(args[1].token)
        if operation in _SETTLEMENTS:
            self._settling(operation, args[0], actor)
        try:
            yield
        finally:
            for job in self._store.jobs:
                seen = before.get(job.request_id)
                if seen is not None and seen is not job:
                    self._changed(operation, args, seen, job)
                self._consistent(job)
            if operation in ("claim", "renew"):
                token = args[1].token if operation == "claim" else args[0].lease.token
                # A claim that is repeated carries the lease of its first try.
                since = self._first_asked_at.setdefault(token, entered_at) if operation == "claim" else entered_at
                self._leased(token, since, before)
                if operation == "claim":
                    self._claimed(args[0], args[1], args[2], before)

    def _leased(self, token: str, since: float, before: dict[str, Job]) -> None:
        for job in self._store.jobs:
            if job.lease is None or job.lease.token != token or before[job.request_id] is job:
                continue
            previous = before[job.request_id].lease
            if (
                previous
                and previous.token != token
                and self.clocks_agree
                and self._valid_until[previous.token] > self._clock.monotonic()
            ):
                self.breach("P2", f"a job was taken over while the lease of {previous.owner} was live")
            self._valid_until[token] = since + LEASE_SECONDS

    def _claimed(self, envelope: Envelope, lease: Lease, now: datetime, before: dict[str, Job]) -> None:
        job = next((each for each in self._store.jobs if each.lease and each.lease.token == lease.token), None)
        if job is None or before[job.request_id] is job:
            return
        if now >= lease.expires_at and self.clocks_agree:  # else the clock may have jumped between two tries
            self.breach("P2", "a job was claimed with a lease that had run out")
        if now >= job.deadline_at:
            self.breach("deadline", "a job was claimed whose deadline has passed")
        if envelope.generation != job.generation:
            self.breach("P4", "a job was claimed by a stale envelope")

    def _settling(self, operation: str, delivery: Delivery, actor: str) -> None:
        try:
            envelope = from_wire(delivery.body)
        except EnvelopeError:
            return
        job = next((each for each in self._store.jobs if each.request_id == envelope.request_id), None)
        if job is None or job.generation > envelope.generation:
            return
        if operation == "ack" and not job.status.is_terminal:
            self.breach("P1", f"{actor} acks the message of a job that is {job.status}")
        if operation == "bury" and not (job.status is JobStatus.FAILED and job.status_reason in BURIED | {StatusReason.DISCARDED}):
            self.breach("P6", f"{actor} buries the message of a job that is {job.status}")

    def _changed(self, operation: str, args: tuple[Any, ...], seen: Job, job: Job) -> None:
        """One job was written."""
        if operation == "record":
            self._recorded(args[1], seen, job)
        if operation == "replace":
            self._replaced(seen, job)
        if job.generation > seen.generation:
            self._redriven(operation, seen, job)
            return
        discarded = job.status_reason is StatusReason.DISCARDED and _outcome(replace(seen, status_reason=job.status_reason))
        fixed = seen.status.is_terminal or operation in ("renew", "request_cancel", "clear_bury")
        if fixed and _outcome(job) not in (_outcome(seen), discarded):
            self.breach("P3", f"an outcome was changed by {operation}: {seen.status} → {job.status}")
        if seen.cancel_requested and not job.cancel_requested:
            self.breach("cancel", f"{operation} forgot the caller's wish to cancel")
        ended = job.status is JobStatus.FAILED and not seen.status.is_terminal
        if ended and job.status_reason in BURIED and job.bury_reason is None:
            self.breach("P6", "an outcome that needs a dead letter was written without saying so")

    def _recorded(self, token: str, seen: Job, job: Job) -> None:
        self._untold.add(token)
        if seen.lease is None or seen.lease.token != token:
            self.breach("P3", f"a job was recorded by a token that is not its own: {seen.status} → {job.status}")
        if seen.cancel_requested and not job.status.is_terminal:
            self.breach("cancel", f"a job to be cancelled goes on: {job.status}")
        if job.attempts < seen.attempts and any(call.token == token and call.may_be_paid for call in self.calls):
            self.breach("history", "an attempt was given back, and its call may be paid")

    def _replaced(self, seen: Job, job: Job) -> None:
        lease = seen.lease
        if lease and self.clocks_agree and self._valid_until[lease.token] > self._clock.monotonic():
            self.breach("P3", f"a job was written under its holder's hands: {seen.status} → {job.status}")

    def _redriven(self, operation: str, seen: Job, job: Job) -> None:
        anew = job.status is JobStatus.QUEUED and not (job.cancel_requested or job.bury_reason or job.result or job.attempts_spent)
        if not (anew and operation == "replace" and effective_status(seen, self._clock.now()).is_terminal):
            self.breach("P6", f"a redrive did not begin anew: {job}")

    def _consistent(self, job: Job) -> None:
        known = len(job.attempt_history) + len(job.open_attempts)
        held = job.status is JobStatus.PROCESSING
        whole = {
            "attempts": job.attempts == known or len(job.attempt_history) >= HISTORY_LIMIT,
            "open attempts": bool(job.open_attempts) == held,
            "lease": (job.lease is not None) == held,
            "check_at": (job.check_at is None) == job.status.is_terminal,
            "finished_at": (job.finished_at is not None) == job.status.is_terminal,
            "result": (job.result is not None) == (job.status is JobStatus.COMPLETED),
            "takeovers": job.takeovers <= MAX_TAKEOVERS,
            # A call that a drain cut costs an attempt, but that is not the job's fault: it runs once more.
            "budget": job.attempts_spent <= job.max_attempts + sum(_is_cut(attempt) for attempt in job.attempt_history),
        }
        for name, holds in whole.items():
            if not holds:
                self.breach("history", f"{name} of a job do not fit: {job}")


def _is_cut(attempt: Attempt) -> bool:
    return attempt.outcome is AttemptOutcome.OUTCOME_UNKNOWN and attempt.error is None


def _outcome(job: Job) -> tuple[object, ...]:
    return job.status, job.status_reason, job.result, job.error, job.attempts, job.attempt_history, job.finished_at
