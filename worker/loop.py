"""The loop: take slots → receive → start `process` → free the slots; and its end, the drain.

A slot is taken *before* a message is received: nothing is ever received that cannot be worked at once.
"""

import asyncio
from datetime import timedelta
from typing import Final

from quarry.aws import LONG_POLL_MAX_SECONDS
from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.errors import QueueUnavailable
from quarry.queue.base import Delivery, JobQueue
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from worker.process import Steps, process

_log = get_logger(__name__)
#: SQS gives at most this many at once.
_RECEIVE_MAX: Final = 10
#: How long a poll under way may still bring something when the worker stops.
_LAST_POLL_SECONDS: Final = 1.0
_QUEUE_AWAY: Final = Backoff(base_seconds=0.2, ceiling_seconds=5)


class Slots:
    """Units of concurrency: `take` waits for one and brings what else is free."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._freed = asyncio.Condition()

    async def take(self, most: int) -> int:
        """Take between one and `most` slots, waiting until there is one."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._free > 0)
            taken = min(most, self._free)
            self._free -= taken
            return taken

    async def free(self, count: int = 1) -> None:
        """Give slots back."""
        async with self._freed:
            self._free += count
            self._freed.notify(count)


class Loop:
    """Receives and works deliveries until told to stop."""

    def __init__(self, queue: JobQueue, steps: Steps, metrics: WorkerMetrics, clock: Clock, *, slots: int, receivers: int) -> None:
        self._queue = queue
        self._steps = steps
        self._metrics = metrics
        self._clock = clock
        self._slots = Slots(slots)
        # A receiver waits with its slots taken: few slots must not all sit in receivers that got nothing.
        self._receivers = min(receivers, slots)
        self._per_receive = max(1, min(_RECEIVE_MAX, slots // self._receivers))
        self._working: set[asyncio.Task[None]] = set()
        metrics.slots.set(slots)
        metrics.slots_in_use.set_function(lambda: len(self._working))

    @property
    def in_flight(self) -> int:
        """Deliveries being worked."""
        return len(self._working)

    async def run(self) -> None:
        """Receive for ever. Cancelling it stops receiving; what is in flight goes on: see `finish`."""
        async with asyncio.TaskGroup() as receivers:
            for _ in range(self._receivers):
                receivers.create_task(self._receive_for_ever())

    async def finish(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False where that took longer than `seconds`."""
        if self._working:
            await asyncio.wait(self._working, timeout=seconds)
        return not self._working

    async def _receive_for_ever(self) -> None:
        failures = 0
        while True:
            taken = await self._slots.take(self._per_receive)
            deliveries: list[Delivery] = []
            try:
                deliveries = await self._receive(taken)
                failures = 0
            except QueueUnavailable as error:
                failures += 1
                _log.warning(Event.RECEIVE_FAILED, error=str(error))
            finally:
                await self._slots.free(taken - len(deliveries))
            if failures:
                await self._clock.sleep(_QUEUE_AWAY.wait(failures, self._steps.draw()).total_seconds())

    async def _receive(self, limit: int) -> list[Delivery]:
        """Receive and start; shielded, since a poll that is cut off may have taken messages that nobody would then work."""
        receiving = asyncio.ensure_future(self._queue.receive(limit, timedelta(seconds=LONG_POLL_MAX_SECONDS)))
        try:
            deliveries = await asyncio.shield(receiving)
        except asyncio.CancelledError:
            await self._hand_back(receiving)
            raise
        for delivery in deliveries:
            self._start(delivery)
        return deliveries

    async def _hand_back(self, receiving: "asyncio.Future[list[Delivery]]") -> None:
        """What a last poll brings is not started: it goes back at once."""
        await asyncio.wait({receiving}, timeout=_LAST_POLL_SECONDS)
        if not receiving.done():
            receiving.cancel()
            return
        if receiving.exception() is None:
            now = timedelta(0)
            await asyncio.gather(*(self._queue.release(each, now) for each in receiving.result()), return_exceptions=True)

    def _start(self, delivery: Delivery) -> None:
        self._metrics.received.inc()
        if delivery.receive_count == 1:
            self._metrics.delivery_wait.observe(max((self._clock.now() - delivery.sent_at).total_seconds(), 0))
        task = asyncio.create_task(self._work(delivery))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, delivery: Delivery) -> None:
        try:
            await process(delivery, self._steps)
        except Exception as error:  # noqa: BLE001 - one delivery must not end the loop
            # A bug. The delivery is left unsettled: it comes again after its visibility timeout.
            _log.exception(Event.DELIVERY_FAILED, error=type(error).__name__)
        finally:
            await self._slots.free()
