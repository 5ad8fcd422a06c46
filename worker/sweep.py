"""The sweep: finds jobs that are due, held by nobody, and perhaps without a message, and sends them again.

A message too many costs one refused claim, so the sweep repairs whatever loses messages: a crash between record and send, a send
of unknown outcome, retention, a purge, half a redrive. What it must not do is add to a backlog: a job whose message merely waits
its turn is left alone, and one that was sent again is looked at again only after as long as it has waited already.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from quarry.clock import Clock
from quarry.envelope import Envelope
from quarry.erasure.eraser import Erased, Eraser
from quarry.erasure.tombstone import Tombstone
from quarry.errors import (
    AlreadyFinished,
    CancelRequested,
    ClaimRefused,
    DeadlinePassed,
    JobChanged,
    RecordUnreadable,
    TakenOverTooOften,
    TransportError,
)
from quarry.ids import new_token
from quarry.job import CHECK_AFTER, Job, Lease, check_later
from quarry.queue.base import JobQueue, Lanes
from quarry.queue.lanes import announce
from quarry.queue.reminders import remind
from quarry.store.base import JobStore
from quarry.store.refusals import why_refused
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from quarry.tenants.keeping import Keeping
from worker.front import Fronts
from worker.record import Recorder
from worker.report import Reporter

T = TypeVar("T")
_log = get_logger(__name__)
ROLE: Final = "sweep"
#: The part of it for which nobody has to know how long others wait.
ERASING: Final = "erase"
#: How many intervals the role lasts, so that one worker keeps it. Our own choice.
_ROLE_INTERVALS: Final = 3
#: What one round looks at: a mistake of the sweep may cost this many messages, not a flood.
ROUND_LIMIT: Final = 1000
#: So many records that nobody can read a round looks through beside that. Our own choice.
_LOOKED_THROUGH_MAX: Final = 10_000
_AT_ONCE: Final = 20
#: A message is missed when its job has waited twice as long as others wait.
_PATIENCE: Final = 2


def due_before(now: datetime, front_seconds: float) -> datetime:
    """Jobs to be checked at or before this may have lost their message; later ones wait behind the backlog."""
    return now - _PATIENCE * timedelta(seconds=front_seconds)


def next_check(job: Job, now: datetime) -> datetime:
    """When to look again at a job that is sent again now: the longer it has waited, the later."""
    return now + max(CHECK_AFTER, now - job.available_at)


async def _each(look: Callable[[T], Awaitable[bool]], found: Sequence[T]) -> int:
    """Look at each, some at a time; at how many something was done."""
    done = 0
    for i in range(0, len(found), _AT_ONCE):
        seen = await asyncio.gather(*map(look, found[i : i + _AT_ONCE]), return_exceptions=True)
        done += sum(each is True for each in seen)
        _raise_first(each for each in seen if isinstance(each, BaseException))
    return done


async def _outcome(look: Callable[[], Awaitable[int]]) -> int | TransportError:
    """At how many something was done, or what cut it short."""
    try:
        return await look()
    except TransportError as error:
        return error


def _raise_first(errors: Iterator[BaseException]) -> None:
    """A service that is away ends the round. What else went wrong is a bug, met on one job: the others must not wait for it."""
    for error in errors:
        if not isinstance(error, Exception) or isinstance(error, TransportError):
            raise error
        _log.error(Event.SWEEP_FAILED, error=type(error).__name__, exc_info=error)


class Sweep:
    """Sweeps, while it has the role."""

    def __init__(
        self,
        store: JobStore,
        lanes: Lanes,
        recorder: Recorder,
        reporter: Reporter,
        fronts: Fronts,
        clock: Clock,
        metrics: WorkerMetrics,
        eraser: Eraser,
        keeping: Keeping,
        *,
        owner: str,
        interval_seconds: int,
        reminders: JobQueue | None = None,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._recorder = recorder
        self._reporter = reporter
        self._fronts = fronts
        self._clock = clock
        self._metrics = metrics
        self._eraser = eraser
        self._keeping = keeping
        self._owner = owner
        self._interval = timedelta(seconds=interval_seconds)
        self._reminders = reminders
        self._token = new_token()
        #: What the last round met.
        self._unreadable = set[tuple[str, str]]()

    async def keep(self) -> None:
        """Sweep now and then, for ever. Supervised: if this ends, the worker stops."""
        while True:
            await self._clock.sleep(self._interval.total_seconds() * random.uniform(0.5, 1.0))  # noqa: S311 - spreads workers
            try:
                await self.once()
            except TransportError as error:
                _log.warning(Event.SWEEP_FAILED, error=str(error))

    async def once(self) -> int:
        """One round; returns how many jobs were sent again or recorded.

        Raises:
            TransportError: the round was cut short; the next one goes on.
        """
        now = self._clock.now()
        # Who is deaf to a lane leaves it to others, who may know better, to tell who waits too long. It can erase.
        hears = not self._fronts.is_deaf(self._clock.monotonic())
        lease = Lease(self._token, self._owner, now + _ROLE_INTERVALS * self._interval)
        if not await self._store.take_role(ROLE if hears else ERASING, lease, now):
            return 0
        # What was promised to be erased does not wait behind a backlog.
        promises = await self._eraser.erasures.due(now, ROUND_LIMIT)
        # What nobody can read stays in front, and must not hide what comes after it.
        limit = ROUND_LIMIT + min(len(self._unreadable), _LOOKED_THROUGH_MAX)
        self._unreadable.clear()
        found = await self._store.due(due_before(now, self._fronts.seconds(self._clock.monotonic())), limit) if hears else ()
        over = await self._eraser.erasures.over(now, limit)
        # Each by itself: a bucket that refuses to delete must not keep jobs from being sent again.
        rounds = partial(_each, self._keep, promises), partial(_each, self._look_at, found), partial(_each, self._erase, over)
        told = [await _outcome(each) for each in rounds]
        done = sum(each for each in told if isinstance(each, int))
        if done:
            _log.info(Event.SWEEP_FINISHED, found=len(promises) + len(over) + len(found), done=done)
        for error in told:
            if isinstance(error, TransportError):
                raise error
        return done

    async def _erase(self, pointer: tuple[str, str]) -> bool:
        """Erase a job whose time is over, by the policy of now; True where that was so."""
        job = await self._read(pointer)
        end = self._keeping.ends_at(job) if job else None
        if job is None or end is None:
            return False  # gone, or put back to work
        if end > self._clock.now():
            await self._eraser.erasures.postpone(job, end)
            return False
        erased = await self._eraser.erase(*pointer) is Erased.ERASED
        if erased:
            self._metrics.swept.labels("erased").inc()
        return erased

    async def _keep(self, tombstone: Tombstone) -> bool:
        """Go on with an erasure; True where all that there was is gone now."""
        erased = await self._eraser.keep(tombstone) is Erased.ERASED
        if erased:
            self._metrics.swept.labels("erased").inc()
        return erased

    async def _look_at(self, pointer: tuple[str, str]) -> bool:
        """Do what one job needs; True where something was done."""
        tenant, request_id = pointer
        job = await self._read(pointer)
        if job is None:
            return False
        now, envelope = self._clock.now(), Envelope(request_id, tenant, job.generation)
        refusal = why_refused(job, envelope, now)
        match refusal:
            case DeadlinePassed() | CancelRequested():
                return await self._record(refusal)
            case None | TakenOverTooOften():
                # The last take-over too many is buried by whoever receives the message.
                return await self._send(job, now)
            case AlreadyFinished() if self._keeping.is_over(job, now):
                return await self._erase(pointer)
            case AlreadyFinished() if job.check_at and job.check_at <= now:
                return await self._remind(job, now)
        return False  # held, or finished since the index was written

    async def _read(self, pointer: tuple[str, str]) -> Job | None:
        try:
            return await self._store.get(*pointer)
        except RecordUnreadable:
            self._unreadable.add(pointer)
            raise

    async def _record(self, refusal: ClaimRefused) -> bool:
        job, verdict = await self._recorder.record_refusal(refusal)
        if verdict.record is None:
            return False
        self._reporter.refused(refusal, job, verdict)
        self._metrics.swept.labels("recorded").inc()
        return True

    async def _remind(self, job: Job, now: datetime) -> bool:
        """Have told what an ended job owes; where that is done, the index merely does not know it yet."""
        reminded = await remind(self._reminders, job, now)
        due = [each.next_attempt_at or now for each in job.owes.values()]
        # Later also where it could not be done: it must not be in front of others for ever.
        later = now + max(CHECK_AFTER, now - min(due)) if due else None
        with suppress(JobChanged):
            await self._store.replace(check_later(job, later), job, now)
        if not reminded:
            return False
        self._metrics.swept.labels("reminded").inc()
        return True

    async def _send(self, job: Job, now: datetime) -> bool:
        [failure] = await announce(self._lanes, job)
        if failure:
            raise failure
        # After the send: should this be lost, the next round sends once more.
        with suppress(JobChanged):  # taken meanwhile, perhaps thanks to this message
            await self._store.replace(check_later(job, next_check(job, now)), job, now)
        _log.info(Event.JOB_RESENT, request_id=job.request_id, tenant=job.tenant, status=job.status)
        self._metrics.swept.labels("resent").inc()
        return True
