"""The loop: take slots → receive → start `process` → free the slots; and its end, the drain.

A slot is taken *before* a message is received: nothing is ever received that cannot be worked at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.errors import QueueUnavailable
from quarry.queue.base import Delivery, JobQueue
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from worker.front import Front
from worker.isolation import Isolation
from worker.outcome import STORE_UNAVAILABLE
from worker.process import Steps, process

_log = get_logger(__name__)
#: SQS gives at most this many at once.
_RECEIVE_MAX: Final = 10
#: While queue or table are away. Receiving on would count receipts for nothing, until SQS gives a message up.
_AWAY: Final = Backoff(base_seconds=0.2, ceiling_seconds=4)
_POLL_AWAY: Final = timedelta(seconds=2)
#: Receivers begin one after the other within this time. SQS answers a long poll at once; an emulator may look now and then only
#: (ministack 1.5.33 each 0.1 s, `services/sqs.py`), and then one of several polls that are out of step is soon due.
_OUT_OF_STEP_SECONDS: Final = 0.1


async def always_open() -> None:
    """The gate where nothing holds us up."""


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
    """Receives and works deliveries until told to stop. Nothing is received before `gate` allows it: targets may be full."""

    def __init__(
        self,
        queue: JobQueue,
        steps: Steps,
        metrics: WorkerMetrics,
        clock: Clock,
        front: Front,
        isolation: Isolation,
        *,
        slots: int,
        receivers: int,
        poll: timedelta,
        gate: Callable[[], Awaitable[None]] = always_open,
    ) -> None:
        self._queue = queue
        self._steps = steps
        self._metrics = metrics
        self._clock = clock
        self._poll = poll
        self._gate = gate
        self._slots = Slots(slots)
        # A receiver waits with its slots taken: few slots must not all sit in receivers that got nothing.
        self._receivers = min(receivers, slots)
        self._per_receive = max(1, min(_RECEIVE_MAX, slots // self._receivers))
        self._front = front
        self._isolation = isolation
        self._stopping = False
        #: Tries in a row that met a queue or a table which is away.
        self._failures = 0
        self._receiving: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        metrics.slots.set(slots)
        metrics.slots_in_use.set_function(lambda: len(self._working))

    @property
    def in_flight(self) -> int:
        """Deliveries being worked."""
        return len(self._working)

    async def run(self) -> None:
        """Receive until `stop`; what is in flight then goes on: see `finish`."""
        async with asyncio.TaskGroup() as receivers:
            self._receiving = {
                receivers.create_task(self._receive_repeatedly(after=i / self._receivers * _OUT_OF_STEP_SECONDS))
                for i in range(self._receivers)
            }

    def stop(self) -> None:
        """Receive no more. A poll under way is left to end: one that is cut off may take messages that nobody then works."""
        self._stopping = True

    async def finish(self, seconds: float) -> bool:
        """Wait until no poll is under way and nothing is in flight; False where that took longer than `seconds`."""
        end = self._clock.monotonic() + seconds
        while pending := {task for task in self._receiving | self._working if not task.done()}:
            left = end - self._clock.monotonic()
            if left <= 0:
                return False
            await asyncio.wait(pending, timeout=left)
        return True

    async def _receive_repeatedly(self, after: float) -> None:
        if after:
            await self._clock.sleep(after)
        while not self._stopping:
            await self._gate()
            taken, started = await self._slots.take(1 if self._failures else self._per_receive), 0
            try:
                started = await self._receive(taken)
            except QueueUnavailable as error:
                self._failures += 1
                _log.warning(Event.RECEIVE_FAILED, error=str(error))
            finally:
                await self._slots.free(taken - started)
            if self._failures:
                await self._clock.sleep(_AWAY.wait(self._failures, self._steps.draw()).total_seconds())

    async def _receive(self, limit: int) -> int:
        """Receive and start up to `limit` deliveries; returns how many. What comes once the door is shut goes back at once."""
        await self._isolation.opened()
        if self._stopping:
            return 0
        # While a service is away the polls are short: its return should be noticed soon.
        deliveries = await self._queue.receive(limit, min(self._poll, _POLL_AWAY) if self._failures else self._poll)
        if not deliveries:
            self._failures = 0
            self._front.empty(self._clock.monotonic())
        if self._stopping or not self._isolation.is_open:
            await asyncio.gather(*(self._queue.release(each, timedelta(0)) for each in deliveries))
            return 0
        for delivery in deliveries:
            self._start(delivery)
        return len(deliveries)

    def _start(self, delivery: Delivery) -> None:
        self._metrics.received.inc()
        self._isolation.enter()
        task = asyncio.create_task(self._work(delivery))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, delivery: Delivery) -> None:
        try:
            settlement = await process(delivery, self._steps)
            self._failures = self._failures + 1 if settlement.reason == STORE_UNAVAILABLE else 0
        except Exception as error:  # noqa: BLE001 - one delivery must not end the loop
            # A bug. The delivery is left unsettled: it comes again after its visibility timeout.
            _log.exception(Event.DELIVERY_FAILED, error=type(error).__name__)
        finally:
            self._isolation.leave()
            await self._slots.free()
