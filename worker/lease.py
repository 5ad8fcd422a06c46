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
from quarry.deadline import has_passed
from quarry.errors import CancelRequested, LeaseLost, OutOfTime, QueueUnavailable, StoreUnavailable
from quarry.ids import new_token
from quarry.inference.routes import Route
from quarry.job import CLOCK_MARGIN, Job, Lease, Priority
from quarry.queue.base import Delivery, Lanes, visibility_for
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from worker.outcome import Interrupted, Interruption

T = TypeVar("T")
_log = get_logger(__name__)
#: A lease is renewed when a third of it is used, looked at so often that each is renewed at its own time and a failed renewal is
#: tried again soon.
_RENEWED_AT_SHARE: Final = 2 / 3
_LOOKS_PER_LEASE: Final = 12
#: How soon a wish to cancel is seen: one read of a worker's notices, however many jobs it holds.
_NOTICES_SECONDS: Final = 2.0


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
        #: Set just before each billable call starts; unset where it was refused, and nothing can have been paid.
        self.call_started = False
        #: What serves the job; None where its route is there no more.
        self.route: Route | None = None
        #: There is an answer in hand, which beats a wish to cancel.
        self.answered = False
        #: The renewal that is under way.
        self.renewal: asyncio.Task[None] | None = None
        self._interruption: Interruption | None = None
        self._work: asyncio.Future[Any] | None = None

    @property
    def lost(self) -> bool:
        """Whether somebody else is known to own the job."""
        return self._interruption is Interruption.LEASE_LOST

    def renewed(self, _renewal: "asyncio.Task[None]") -> None:
        """The renewal that was under way is over."""
        self.renewal = None

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
        self, store: JobStore, lanes: Lanes, clock: Clock, metrics: WorkerMetrics, *, owner: str, lease_seconds: int
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._clock = clock
        self._metrics = metrics
        self._owner = owner
        self._lease = timedelta(seconds=lease_seconds)
        self.seconds = float(lease_seconds)
        self._visibility = visibility_for(lease_seconds)
        #: In the order of their claims, so that equal runs are equal.
        self._held: dict[HeldLease, None] = {}
        self._interruption: Interruption | None = None

    def __len__(self) -> int:
        return len(self._held)

    @property
    def any_paid(self) -> bool:
        """Whether a model call is under way that may have to be paid for, or its answer is not recorded yet."""
        return any(held.call_started for held in self._held)

    def new(self) -> tuple[Lease, float]:
        """A lease to claim with, its token made before the claim, and until when it counts on the monotonic clock."""
        lease = Lease(new_token(), self._owner, self._clock.now() + self._lease)
        return lease, self._clock.monotonic() + self.seconds

    @contextmanager
    def renewing(self, held: HeldLease) -> Iterator[None]:
        """Keep a lease renewed while the block runs."""
        self._held[held] = None
        if self._interruption:  # a claim that was under way when everything was interrupted
            held.interrupt(self._interruption)
        try:
            yield
        finally:
            self._held.pop(held, None)

    async def ensure(self, held: HeldLease) -> None:
        """See that a billable call may start: before the deadline, and with enough of the lease left; renew it where not.

        Raises:
            LeaseLost: it is gone, or nearly so and cannot be renewed.
            OutOfTime: the deadline passed.
        """
        is_late = has_passed(held.job.deadline_at, self._clock.now())
        if not is_late and held.valid_until - self._clock.monotonic() < self.seconds / 2:
            await self._renew(held)
        await asyncio.sleep(0)  # where the work was interrupted, it ends here
        if is_late:
            raise OutOfTime("the deadline passed before the call")
        if held.valid_until - self._clock.monotonic() <= CLOCK_MARGIN.total_seconds():
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
        async with asyncio.TaskGroup() as renewals:
            while True:
                await self._clock.sleep(self.seconds / _LOOKS_PER_LEASE)
                soon = self._clock.monotonic() + self.seconds * _RENEWED_AT_SHARE
                due = [each for each in self._held if each.valid_until <= soon and not each.renewal]
                # Each by itself: one that waits for its answer must not keep the others, nor the next look, waiting.
                for held in due:
                    held.renewal = renewals.create_task(self._renew(held))
                    held.renewal.add_done_callback(held.renewed)
                for lane in {each.delivery.lane for each in due}:
                    theirs = [each.delivery for each in due if each.delivery.lane == lane]
                    renewals.create_task(self._extend(lane, theirs))

    async def listen(self) -> None:
        """Look for notices of cancelled jobs, for ever. Supervised: if this ends, the worker stops."""
        while True:
            await self._clock.sleep(_NOTICES_SECONDS)
            if not self._held:
                continue
            try:
                tokens = {notice.token for notice in await self._store.take_notices(self._owner)}
            except StoreUnavailable:
                continue  # the renewals tell, later
            for held in [each for each in self._held if each.token in tokens]:
                held.interrupt(Interruption.CANCEL_REQUESTED)

    async def _renew(self, held: HeldLease) -> None:
        sent_at, expires_at = self._clock.monotonic(), self._clock.now() + self._lease
        try:
            await self._store.renew(held.job, expires_at, answered=held.answered)
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
            # A call under way goes on even past the lease's end: it is paid for, and its answer counts unless somebody took the
            # job over, which the fence will tell. Only new calls need a lease that is known to hold: see `ensure`.
            _log.warning(Event.LEASE_RENEWAL_FAILED, request_id=held.job.request_id, error=str(error))
        else:
            outcome = "renewed"
            held.valid_until = sent_at + self.seconds
        self._metrics.lease_renewals.labels(outcome).inc()

    async def _extend(self, lane: Priority, deliveries: list[Delivery]) -> None:
        try:
            await self._lanes[lane].extend(deliveries, self._visibility)
        except QueueUnavailable as error:
            # The message may be delivered elsewhere: that claim is refused, because the lease holds.
            _log.warning(Event.LEASE_RENEWAL_FAILED, error=str(error))
