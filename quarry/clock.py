"""Time as a parameter, so that a test can hold it still.

Instants are aware UTC datetimes with millisecond precision: what the store keeps is what was compared.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: Of a date that is cut to the second and was some time on its way. Our own choice, below the margin that leases allow for.
_UNCERTAINTY = timedelta(seconds=2)


class Clock(Protocol):
    """Where a service reads the time and waits.

    Rules never take a clock: they take `now`.
    """

    def now(self) -> datetime:
        """The wall-clock instant, aware, UTC, whole milliseconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, at once when it is zero or less."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return from_epoch_ms(time.time_ns() // 1_000_000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))


class CorrectedClock:
    """A wall clock that goes by AWS's: leases are judged by the clocks of several machines.

    It counts on from an anchor by the monotonic clock, so that a correction of the machine's time moves nothing; the anchor is the
    machine's own time until an answer of AWS says otherwise. AWS dates its answers to the second: a difference of a second or two
    may be nothing, and is left alone.
    """

    def __init__(self, machine: Clock | None = None) -> None:
        self._machine = machine or SystemClock()
        self._anchor = self._machine.now(), self.monotonic()

    def now(self) -> datetime:
        wall, monotonic = self._anchor
        return from_epoch_ms(to_epoch_ms(wall + timedelta(seconds=self.monotonic() - monotonic)))

    def monotonic(self) -> float:
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._machine.sleep(seconds)

    def offset_seconds(self) -> float:
        """How far this is ahead of the machine's own wall clock."""
        return (self.now() - self._machine.now()).total_seconds()

    def observe(self, date: str, asked_at: float) -> None:
        """Take note of the `Date` of an answer (RFC 9110, such as `Sat, 21 Nov 2026 06:15:50 GMT`) to a question of `asked_at`.

        An answer that took long says too little: it may have lain here while this process was stopped.
        """
        if self.monotonic() - asked_at > _UNCERTAINTY.total_seconds():
            return
        try:
            theirs = parsedate_to_datetime(date)
        except ValueError:
            return
        # The date was cut to the second: on average half a second is missing.
        theirs += timedelta(seconds=0.5)
        if theirs.tzinfo is not None and abs(theirs - self.now()) > _UNCERTAINTY:
            self._anchor = theirs, self.monotonic()


def to_epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970, as the store keeps an instant."""
    return (instant - EPOCH) // _MILLISECOND


def from_epoch_ms(value: int) -> datetime:
    """The instant of `to_epoch_ms`."""
    return EPOCH + timedelta(milliseconds=value)


def seconds_between(start: str, end: str) -> float:
    """Seconds from one of the API's instants to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def to_rfc3339(instant: datetime) -> str:
    """`2026-11-21T06:15:50.123Z`, as the API writes an instant."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
