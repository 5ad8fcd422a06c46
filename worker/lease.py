"""Leases held by this worker: one supervised task renews them all, job and visibility together.

A lease is judged by the monotonic clock, from *before* the claim or renewal was sent: a pause of this process then shortens what
it believes, never lengthens it.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from quarry.clock import Clock
from quarry.errors import CancelRequested, LeaseLost, QueueUnavailable, StoreUnavailable
from quarry.ids import new_token
from quarry.job import Job, Lease
from quarry.queue.base import Delivery, JobQueue, visibility_for
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from worker.outcome import Interrupted, Interruption

T = TypeVar("T")
_log = get_logger(__name__)
#: Renewed when a third of the lease is used: two tries may fail before it is in danger.
_RENEWALS_PER_LEASE: Final = 3


class HeldLease:
    """A job under our lease. `work` runs one thing under it, until that is done or somebody interrupts."""

    def __init__(self, job: Job, delivery: Delivery, valid_until: float) -> None:
        if job.lease is None:
            raise LeaseLost("the job has no lease")
        self.job = job
        self.delivery = delivery
        self.token = job.lease.token
        #: On the monotonic clock.
        self.valid_until = valid_until
        #: Set just before the first billable call starts.
        self.call_started = False
        self._interruption: Interruption | None = None
        self._work: asyncio.Future[Any] | None = None

    def interrupt(self, why: Interruption) -> None:
        """Stop what runs under the lease; the first reason counts."""
        if self._interruption is None:
            self._interruption = why
            if self._work is not None:
                self._work.cancel()

    async def work(self, awaitable: Awaitable[T]) -> T | Interrupted:
        """Run `awaitable` under the lease. Cancelling this cancels it too; an interruption is a result."""
        self._work = task = asyncio.ensure_future(awaitable)
        if self._interruption is not None:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            if self._interruption is None or (current := asyncio.current_task()) is None or current.cancelling():
                raise
            return Interrupted(self._interruption, self.call_started)
        finally:
            self._work = None
            if not task.done():
                task.cancel()


class Leases:
    """All leases of this worker."""

    def __init__(
        self, store: JobStore, queue: JobQueue, clock: Clock, metrics: WorkerMetrics, *, owner: str, lease_seconds: int
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._lease = timedelta(seconds=lease_seconds)
        self._visibility = visibility_for(lease_seconds)
        self._held: set[HeldLease] = set()
        self._interruption: Interruption | None = None

    def __len__(self) -> int:
        return len(self._held)

    def new(self) -> tuple[Lease, float]:
        """A lease to claim with, its token made before the claim, and until when it counts on the monotonic clock."""
        lease = Lease(new_token(), self._owner, self._clock.now() + self._lease)
        return lease, self._clock.monotonic() + self._lease.total_seconds()

    @contextmanager
    def renewing(self, held: HeldLease) -> Iterator[None]:
        """Keep a lease renewed while the block runs."""
        self._held.add(held)
        if self._interruption:  # a claim that was under way when everything was interrupted
            held.interrupt(self._interruption)
        try:
            yield
        finally:
            self._held.discard(held)

    async def ensure(self, held: HeldLease) -> None:
        """See that enough of the lease is left to start a billable call; renew it where not.

        Raises:
            LeaseLost: it is gone, or cannot be renewed.
        """
        if held.valid_until - self._clock.monotonic() < self._lease.total_seconds() / 2:
            await self._renew(held)
        if held.valid_until <= self._clock.monotonic():
            held.interrupt(Interruption.LEASE_LOST)
            raise LeaseLost("the lease ran out before the call")

    def interrupt_all(self, why: Interruption) -> int:
        """Interrupt whatever runs, and whatever is still claimed; returns how many run."""
        self._interruption, held = why, list(self._held)
        for each in held:
            each.interrupt(why)
        return len(held)

    async def keep(self) -> None:
        """Renew what is held, for ever. Supervised: if this ends, the worker stops."""
        while True:
            await self._clock.sleep(self._lease.total_seconds() / _RENEWALS_PER_LEASE)
            held = list(self._held)
            if held:
                await asyncio.gather(self._extend([each.delivery for each in held]), *map(self._renew, held))

    async def _renew(self, held: HeldLease) -> None:
        sent_at, expires_at = self._clock.monotonic(), self._clock.now() + self._lease
        try:
            await self._store.renew(held.job, expires_at)
        except LeaseLost:
            if held not in self._held:
                return  # recorded meanwhile: the lease was given up, not lost
            outcome = "lost"
            _log.warning(Event.LEASE_LOST, request_id=held.job.request_id)
            held.interrupt(Interruption.LEASE_LOST)
        except CancelRequested:
            outcome = "cancel_requested"
            held.interrupt(Interruption.CANCEL_REQUESTED)
        except StoreUnavailable as error:
            outcome = "failed"
            _log.warning(Event.LEASE_RENEWAL_FAILED, request_id=held.job.request_id, error=str(error))
            if held.valid_until <= self._clock.monotonic():
                held.interrupt(Interruption.LEASE_LOST)
        else:
            outcome = "renewed"
            held.valid_until = sent_at + self._lease.total_seconds()
        self._metrics.lease_renewals.labels(outcome).inc()

    async def _extend(self, deliveries: list[Delivery]) -> None:
        try:
            await self._queue.extend(deliveries, self._visibility)
        except QueueUnavailable as error:
            # The message may be delivered elsewhere: that claim is refused, because the lease holds.
            _log.warning(Event.LEASE_RENEWAL_FAILED, error=str(error))
