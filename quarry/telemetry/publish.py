"""Writes the lines of which CloudWatch makes metrics into the log's stream, while a process runs."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from quarry.clock import Clock, to_rfc3339
from quarry.settings import EmfSettings
from quarry.telemetry.cloudwatch import Reader
from quarry.telemetry.emf import lines

_MS: Final = 1000
#: So that every line of the log says what it is. It is none of the events: nobody logs it, at no level.
_EVENT: Final = "metrics.written"
#: CloudWatch's own periods are full minutes.
_MINUTE: Final = 60
#: So much of a period a line comes before its end: it is of that period, also where it is written a little late.
_EARLY: Final = 1 / 30


class Publisher:
    """Writes them, where a namespace is named; else does nothing.

    A line is written whatever the log's level: it is the measurement, and no remark.
    """

    def __init__(
        self,
        settings: EmfSettings,
        service: str,
        catalogues: Sequence[object],
        clock: Clock,
        write: Callable[[str], object] | None = None,
    ) -> None:
        self._namespace = settings.namespace
        self._service = service
        self._seconds = settings.seconds
        self._reader = Reader(service, catalogues)
        self._clock = clock
        self._write = write or _to_stderr
        self._told_at = clock.monotonic()

    def flush(self) -> None:
        """Write what came since the last time."""
        if self._namespace is None:
            return
        now, monotonic = self._clock.now(), self._clock.monotonic()
        seconds, self._told_at = monotonic - self._told_at, monotonic
        fields = {"event": _EVENT, "service": self._service, "level": "info", "at": to_rfc3339(now)}
        for line in lines(self._reader.data(seconds), self._namespace, int(now.timestamp() * _MS), **fields):
            self._write(f"{line}\n")

    async def told(self) -> None:
        """As `flush`, after a request, where nothing goes on between requests."""
        self.flush()

    async def keep(self) -> None:
        """Write now and then, for ever.

        At the end of full minutes (of full periods, where they are shorter), and every process with the others: so each tells of
        a minute once, what it had at the same moment as all, and sums and averages over processes are right.
        """
        while True:
            await self._clock.sleep(self._until_next())
            self.flush()

    def _until_next(self) -> float:
        grid = min(self._seconds, _MINUTE)
        early = grid * _EARLY
        wait = self._seconds - (self._clock.now().timestamp() + early) % grid
        # Who woke a trifle too early has just written.
        return wait if wait > early / 2 else wait + self._seconds


def _to_stderr(line: str) -> None:
    # Whoever cannot measure works all the same, be its stderr closed or none.
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line)
        sys.stderr.flush()
