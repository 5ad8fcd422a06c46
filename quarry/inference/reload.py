"""`routes.toml` is followed while the process runs: what has changed in it holds for the jobs that begin from then on.

A file that has become wrong is told of, in the log and by a metric, and changes nothing: the earlier routes go on serving. A job in
flight keeps the route with which it began.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from quarry.clock import Clock
from quarry.errors import QuarryError
from quarry.inference.routes import Routes
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import RoutesMetrics

_log = get_logger(__name__)

#: Our own choices. Between looks at the file: a change need not wait long, and a look is one read.
LOOK_SECONDS: Final = 5.0
#: A file that is being written is left alone until it is the same twice, this far apart.
SETTLED_SECONDS: Final = 1.0


class RoutesFile:
    """The routes of this process, and the file that says them. Everybody shares `routes`, which is changed in place."""

    def __init__(self, path: str | None, load: Callable[[], Routes], metrics: RoutesMetrics, clock: Clock) -> None:
        """Load them.

        Raises:
            ConfigurationError: the file is wrong.
        """
        self._path = Path(path) if path else None
        self._load = load
        self._metrics = metrics
        self._clock = clock
        # Read before it is loaded: what is written between the two is seen as a change.
        self._seen = self._contents()
        self._refused: str | None = None
        self.routes = load()

    async def keep(self, prepare: Callable[[Routes], Awaitable[None]] | None = None) -> None:
        """Look every few seconds, and at once on SIGHUP (away from a terminal), until cancelled.

        `prepare` is awaited before new routes hold; what it raises refuses them.
        """
        hung_up = asyncio.Event()
        # At a terminal it says that the terminal is gone, and nobody wants what was started there to outlive it.
        if not (sys.stdin and sys.stdin.isatty()):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
        while True:
            await self._wait(hung_up)
            asked = hung_up.is_set()
            hung_up.clear()
            await self._look(prepare, asked=asked)

    async def _wait(self, hung_up: asyncio.Event) -> None:
        waiting = {asyncio.create_task(self._clock.sleep(LOOK_SECONDS)), asyncio.create_task(hung_up.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _look(self, prepare: Callable[[Routes], Awaitable[None]] | None, *, asked: bool) -> None:
        """Take over what the file says now, where it has changed, was refused before, or somebody asks for it."""
        found = await asyncio.to_thread(self._contents)
        if found == self._seen and self._refused is None and not asked:
            return
        while found != self._seen:
            self._seen = found
            await self._clock.sleep(SETTLED_SECONDS)
            found = await asyncio.to_thread(self._contents)
        try:
            routes = await asyncio.to_thread(self._load)
            if prepare:
                await prepare(routes)
        except Exception as error:  # noqa: BLE001 - whatever it is, the earlier routes go on serving
            self._refuse(str(error) if isinstance(error, QuarryError) else repr(error), asked=asked)
        else:
            self._take(routes)

    def _take(self, routes: Routes) -> None:
        self.routes.become(routes)
        self._refused = None
        self._metrics.refused.set(0)
        self._metrics.reloads.labels("reloaded").inc()
        _log.info(Event.ROUTES_RELOADED, routes=len(list(routes)), targets=sum(len(route.targets) for route in routes))

    def _refuse(self, error: str, *, asked: bool) -> None:
        """Tell of it once, and again to whoever asks."""
        if error != self._refused or asked:
            self._metrics.reloads.labels("refused").inc()
            _log.error(Event.ROUTES_REFUSED, error=error)
        self._refused = error
        self._metrics.refused.set(1)

    def _contents(self) -> bytes | None:
        """What is in the file; None where it cannot be read, or there is none to read."""
        try:
            return self._path.read_bytes() if self._path else None
        except OSError:
            return None
