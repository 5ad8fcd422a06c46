"""The loop: take slots → receive → start `process` → free the slots; and its end, the drain.

A slot is taken *before* a message is received: what is received can be worked at once. `turns.py` says where the one exception is,
and which lane is next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Final

from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.errors import QueueUnavailable
from quarry.job import Priority
from quarry.queue.base import Delivery, Lanes
from quarry.telemetry.events import Event
from quarry.telemetry.logs import bind_trace, get_logger
from quarry.telemetry.metrics import WorkerMetrics
from quarry.telemetry.tracing import OFF, Tracing
from worker.fairness import Fairness
from worker.front import Fronts
from worker.isolation import Isolation
from worker.outcome import STORE_UNAVAILABLE, Ack, Settlement
from worker.process import Steps, process
from worker.shares import Shares
from worker.turns import Poll, Turns

_log = get_logger(__name__)
#: While queue or table are away. Receiving on would count receipts for nothing, until SQS gives a message up.
_AWAY: Final = Backoff(base_seconds=0.2, ceiling_seconds=4)
_POLL_AWAY: Final = timedelta(seconds=2)


async def always_open() -> None:
    """The gate where nothing holds us up."""


class Loop:
    """Receives and works deliveries until told to stop. Nothing is received before `gate` allows it: targets may be full."""

    def __init__(
        self,
        lanes: Lanes,
        steps: Steps,
        metrics: WorkerMetrics,
        clock: Clock,
        fronts: Fronts,
        isolation: Isolation,
        turns: Turns,
        shares: Shares,
        *,
        poll: timedelta,
        gate: Callable[[], Awaitable[None]] = always_open,
        tracing: Tracing = OFF,
    ) -> None:
        self._lanes = lanes
        self._steps = steps
        self._clock = clock
        self._poll = poll
        self._gate = gate
        self._fronts = fronts
        self._isolation = isolation
        self._turns = turns
        self.shares = shares
        self._fairness = Fairness(shares, turns, steps.settler, fronts, clock, steps.draw)
        self._tracing = tracing
        #: Set by whatever may make it somebody's turn.
        self._changed = asyncio.Event()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self._stopping = False
        #: While something is in hand.
        self._keeping: asyncio.Task[None] | None = None
        #: Tries in a row that met a table which is away.
        self._failures = 0
        self._receiving: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._received = {lane: metrics.received.labels(lane) for lane in lanes}
        self._returned = {lane: metrics.returned.labels(lane) for lane in lanes}
        metrics.slots.set(turns.slots)
        self._in_use = 0
        metrics.slots_in_use.set_function(lambda: self.slots_in_use)

    @property
    def in_flight(self) -> int:
        """Deliveries that are worked, or being settled."""
        return len(self._working)

    @property
    def slots_in_use(self) -> int:
        """Deliveries that are worked."""
        return self._in_use

    async def run(self) -> None:
        """Receive until `stop`; what is in flight then goes on: see `finish`."""
        try:
            async with asyncio.TaskGroup() as polls:
                while not self._stopping:
                    await self._isolation.opened()
                    await self._gate()
                    if self._stopping:
                        break
                    if self._isolation.is_open and (delivery := self._fairness.give()):
                        self._start(delivery)
                    elif poll := self._next():
                        task = polls.create_task(self._receive(poll))
                        self._receiving.add(task)
                        task.add_done_callback(self._receiving.discard)
                    else:
                        await self._something()
        finally:
            if self._alarm:
                self._alarm.cancel()

    def stop(self) -> None:
        """Receive no more. A poll under way is left to end: one that is cut off may take messages that nobody then works."""
        self._stopping = True
        self._changed.set()

    async def finish(self, seconds: float) -> bool:
        """Wait until no poll is under way and nothing is in flight; False where that took longer than `seconds`."""
        end = self._clock.monotonic() + seconds
        for delivery in self._fairness.drop():
            task = asyncio.create_task(self._refuse(delivery.lane, [delivery]))
            self._receiving.add(task)
            task.add_done_callback(self._receiving.discard)
        while pending := {task for task in self._receiving | self._working if not task.done()}:
            left = end - self._clock.monotonic()
            if left <= 0:
                return False
            await asyncio.wait(pending, timeout=left)
        return True

    def _next(self) -> Poll | None:
        now = self._clock.monotonic()
        probes, cautious = self._fairness.probes, self._failures > 0
        return self._turns.next(now, lambda lane: self._fronts[lane].seconds(now), probes=probes, cautious=cautious)

    async def _something(self) -> None:
        """Wait until it may be somebody's turn."""
        now = self._clock.monotonic()
        seconds = self._turns.look_again_in(now)
        if seconds is not None and not (self._alarm and self._alarm_at <= now + seconds):
            if self._alarm:
                self._alarm.cancel()
            self._alarm_at, self._alarm = now + seconds, asyncio.create_task(self._clock.sleep(seconds))
            self._alarm.add_done_callback(self._rung)
        await self._changed.wait()
        self._changed.clear()

    def _rung(self, alarm: "asyncio.Task[None]") -> None:
        if alarm is self._alarm:
            self._alarm = None
            self._changed.set()

    async def _receive(self, poll: Poll) -> None:
        """Receive what a poll brings, and start it. Where a service is away, the lane is then left alone for a while."""
        # While a service is away the polls are short: its return should be noticed soon.
        wait = min(self._poll, _POLL_AWAY) if poll.cautious else self._poll
        failures = 0
        try:
            deliveries = [] if self._stopping else await self._lanes[poll.lane].receive(poll.asked, wait)
        except QueueUnavailable as error:
            failures = self._turns.failed(poll)
            _log.warning(Event.RECEIVE_FAILED, error=str(error))
        else:
            await self._take_in(poll, deliveries)
        if failures := failures or self._failures:
            self._changed.set()
            await self._clock.sleep(_AWAY.wait(failures, self._steps.draw()).total_seconds())
        self._turns.over(poll)
        self._changed.set()

    async def _take_in(self, poll: Poll, deliveries: list[Delivery]) -> None:
        """Start what there are slots for. The rest goes back at once, and so does what comes when the door is shut."""
        now = self._clock.monotonic()
        admitted, others = self._fairness.sorted(deliveries)
        granted = self._turns.answered(poll, len(admitted), now, held=len(others))
        if not deliveries:
            self._fronts[poll.lane].empty(now)
            if not self._turns.any_work:
                self._failures = 0
        if shut := self._stopping or not self._isolation.is_open:
            self._turns.free(poll.lane, granted)
            granted = 0
        for delivery in admitted[:granted]:
            self._start(delivery)
        surplus = admitted[granted:]
        for delivery in surplus:
            self._fairness.leave(delivery)
        await self._refuse(poll.lane, surplus, others if shut else [])
        if others and not shut:
            await self._hold(poll.lane, others)

    async def _hold(self, lane: Priority, deliveries: list[Delivery]) -> None:
        """Keep what may have no slot in hand, or put it back."""
        rest = self._fairness.take(deliveries)
        self._keeping = self._keeping or asyncio.create_task(self._keep_hand())
        back = [each for each in rest if self._fairness.must_wait(each)]
        await asyncio.gather(
            self._fairness.put_back(back), self._refuse(lane, [each for each in rest if not self._fairness.must_wait(each)])
        )

    async def _refuse(self, lane: Priority, *deliveries: list[Delivery]) -> None:
        """Give back at once what somebody else may have a slot for."""
        if surplus := [each for some in deliveries for each in some]:
            self._returned[lane].inc(len(surplus))
            queue = self._lanes[lane]
            # One that cannot be released comes again after its visibility timeout.
            await asyncio.gather(*(queue.release(each, timedelta(0)) for each in surplus), return_exceptions=True)

    async def _keep_hand(self) -> None:
        """Put back what is in hand for too long, until nothing is."""
        try:
            while (due := self._fairness.next_expiry()) is not None:
                await self._clock.sleep(max(due - self._clock.monotonic(), 0.0))
                if expired := self._fairness.expired():
                    await self._fairness.put_back(expired)
        finally:
            self._keeping = None

    def _start(self, delivery: Delivery) -> None:
        self._received[delivery.lane].inc()
        self._isolation.enter()
        self._in_use += 1
        task = asyncio.create_task(self._work(delivery))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, delivery: Delivery) -> None:
        slot = ExitStack()
        slot.callback(self._free, delivery, self._clock.monotonic())

        def decided(settlement: Settlement) -> None:
            self._failures = self._failures + 1 if settlement.reason == STORE_UNAVAILABLE else 0
            # Acks gather, and need no slot; but a queue that is slow to delete must not be outrun.
            if isinstance(settlement, Ack) and len(self._working) - self._in_use < self._turns.slots:
                slot.close()

        told = delivery.body, delivery.lane, delivery.message_id, delivery.receive_count
        try:
            with self._tracing.delivery(*told) as span:
                bind_trace(span.trace_id)
                settlement = await process(delivery, self._steps, decided)
                span.tell({"quarry.settlement": type(settlement).__name__.lower(), "quarry.settlement.reason": settlement.reason})
        except Exception as error:  # noqa: BLE001 - one delivery must not end the loop
            # A bug. The delivery is left unsettled: it comes again after its visibility timeout.
            _log.exception(Event.DELIVERY_FAILED, error=type(error).__name__)
        finally:
            self._isolation.leave()
            slot.close()

    def _free(self, delivery: Delivery, began: float) -> None:
        self._in_use -= 1
        self._turns.free(delivery.lane)
        self._fairness.leave(delivery, self._clock.monotonic() - began)
        self._changed.set()
