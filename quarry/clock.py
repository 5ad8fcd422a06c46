"""Time as a parameter, so that a test can hold it still.

Instants are aware UTC datetimes with millisecond precision: what the store keeps is what was compared.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


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


def to_epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970, as the store keeps an instant."""
    return (instant - EPOCH) // _MILLISECOND


def from_epoch_ms(value: int) -> datetime:
    """The instant of `to_epoch_ms`."""
    return EPOCH + timedelta(milliseconds=value)


def to_rfc3339(instant: datetime) -> str:
    """`2026-11-21T06:15:50.123Z`, as the API writes an instant."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
