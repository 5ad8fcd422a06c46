"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from quarry.clock import from_epoch_ms, to_epoch_ms

T = TypeVar("T")

START: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
#: Turns of the event loop that tasks get to react to a change. Our own choice: the longest chain of tasks in Quarry takes a
#: dozen, and a hundred turns take about a millisecond.
_TURNS: Final = 100


@dataclass(order=True, slots=True)
class _Sleeper:
    due: timedelta
    number: int
    woken: "asyncio.Future[None]" = field(compare=False)


class ClockView:
    """A `FakeClock` as one machine sees it: time passes alike for all, but this wall clock is off, and may jump."""

    def __init__(self, clock: "FakeClock", offset_seconds: float) -> None:
        self._clock = clock
        #: How far this wall clock is ahead of the true time. Setting it is a jump, of which nobody wakes.
        self.offset_seconds = offset_seconds

    def now(self) -> datetime:
        return from_epoch_ms(to_epoch_ms(self._clock.now() + timedelta(seconds=self.offset_seconds)))

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class FakeClock:
    """Time as the test tells it. Only one task at a time may move it."""

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._elapsed = timedelta(0)
        self._sleepers: list[_Sleeper] = []
        self._slept = 0

    def now(self) -> datetime:
        return from_epoch_ms(to_epoch_ms(self._wall + self._elapsed))

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._slept += 1
        # At least a tick: a loop that waits for "the rest" would else wait for less than the clock can show, for ever.
        due = self._elapsed + max(timedelta(seconds=seconds), timedelta.resolution)
        sleeper = _Sleeper(due, self._slept, asyncio.get_running_loop().create_future())
        heapq.heappush(self._sleepers, sleeper)
        await sleeper.woken

    @property
    def sleepers(self) -> int:
        """How many tasks wait for time to pass."""
        return sum(not sleeper.woken.done() for sleeper in self._sleepers)

    def view(self, offset_seconds: float = 0.0) -> ClockView:
        """This time by another machine's clock, which is `offset_seconds` ahead."""
        return ClockView(self, offset_seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock alone, forward or back, as a correction of a machine's time does. Nobody wakes."""
        self._wall += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Let time pass. Sleepers wake in the order in which they are due, each at its own instant, and act before the next."""
        end = self._elapsed + timedelta(seconds=seconds)
        await self.settle()
        while self._next_due(end):
            await self._wake_next()
        self._elapsed = end
        await self.settle()

    async def run(self, awaitable: Awaitable[T]) -> T:
        """What `awaitable` gives, while time skips from wake to wake as far as it needs.

        Raises:
            AssertionError: it waits for something that time does not bring.
        """
        task = asyncio.ensure_future(awaitable)
        try:
            await self.settle()
            while not task.done():
                if not self._next_due(timedelta.max):
                    raise AssertionError("nobody sleeps, and it is not done: it waits for something that time does not bring")
                await self._wake_next()
            return await task
        finally:
            task.cancel()

    async def settle(self) -> None:
        """Let tasks run until they wait, without letting time pass."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _next_due(self, end: timedelta) -> bool:
        while self._sleepers and self._sleepers[0].woken.done():
            heapq.heappop(self._sleepers)  # cancelled
        return bool(self._sleepers) and self._sleepers[0].due <= end

    async def _wake_next(self) -> None:
        sleeper = heapq.heappop(self._sleepers)
        self._elapsed = max(self._elapsed, sleeper.due)
        sleeper.woken.set_result(None)
        await self.settle()
