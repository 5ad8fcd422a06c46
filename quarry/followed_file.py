"""Configuration files that are followed while the process runs: what has changed in them holds from then on.

A file that has become wrong is told of, in the log and by a metric, and changes nothing: what it said before goes on holding.
"""

import asyncio
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from prometheus_client import Counter, Gauge

from quarry.clock import Clock
from quarry.errors import QuarryError

#: Our own choices. Between looks at the file: a change need not wait long, and a look is one read.
LOOK_SECONDS: Final = 5.0
#: A file that is being written is left alone until it is the same twice, this far apart.
SETTLED_SECONDS: Final = 1.0


class Changing(Protocol):
    """What a file says. Everybody shares it, and it is changed in place."""

    def become(self, other: Any) -> None:
        """Say from now on what `other` says."""


_T = TypeVar("_T", bound=Changing)


class FollowedFile(ABC, Generic[_T]):
    """A file, and what it says: `current`.

    Args:
        path: where it is; None: there is none, and what `load` returns stays.
        reloads: counts by `outcome`.
        refused: 1 while the file is wrong.

    Raises:
        ConfigurationError: the file is wrong.
    """

    def __init__(self, path: str | None, load: Callable[[], _T], reloads: Counter, refused: Gauge, clock: Clock) -> None:
        self._path = Path(path) if path else None
        self._load = load
        self._reloads = reloads
        self._wrong = refused
        self._clock = clock
        # Read before it is loaded: what is written between the two is seen as a change.
        self._seen = self._contents()
        self._refused: str | None = None
        self.current = load()
        #: Awaited before what is new holds; what it raises refuses it.
        self.prepare: Callable[[_T], Awaitable[None]] | None = None

    @abstractmethod
    def tell_reloaded(self) -> None:
        """Log that what the file says now holds."""

    @abstractmethod
    def tell_refused(self, error: str) -> None:
        """Log that the file has become wrong."""

    async def keep(self, beside: "Sequence[FollowedFile[Any]]" = ()) -> None:
        """Look every few seconds, and at once on SIGHUP (away from a terminal), until cancelled; at files `beside` it as well."""
        hung_up = asyncio.Event()
        # At a terminal it says that the terminal is gone, and nobody wants what was started there to outlive it.
        if not (sys.stdin and sys.stdin.isatty()):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
        while True:
            await self._wait(hung_up)
            asked = hung_up.is_set()
            hung_up.clear()
            await self.look(asked=asked)
            for each in beside:
                await each.look(asked=asked)

    async def _wait(self, hung_up: asyncio.Event) -> None:
        waiting = {asyncio.create_task(self._clock.sleep(LOOK_SECONDS)), asyncio.create_task(hung_up.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def look(self, *, asked: bool = False) -> None:
        """Take over what the file says now, where it has changed, was refused before, or somebody asks for it."""
        found = await asyncio.to_thread(self._contents)
        if found == self._seen and self._refused is None and not asked:
            return
        while found != self._seen:
            self._seen = found
            await self._clock.sleep(SETTLED_SECONDS)
            found = await asyncio.to_thread(self._contents)
        try:
            new = await asyncio.to_thread(self._load)
            if self.prepare:
                await self.prepare(new)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was said before goes on holding
            self._refuse(str(error) if isinstance(error, QuarryError) else repr(error), asked=asked)
        else:
            self._take(new)

    def _take(self, new: _T) -> None:
        self.current.become(new)
        self._refused = None
        self._wrong.set(0)
        self._reloads.labels("reloaded").inc()
        self.tell_reloaded()

    def _refuse(self, error: str, *, asked: bool) -> None:
        """Tell of it once, and again to whoever asks."""
        if error != self._refused or asked:
            self._reloads.labels("refused").inc()
            self.tell_refused(error)
        self._refused = error
        self._wrong.set(1)

    def _contents(self) -> bytes | None:
        """What is in the file; None where it cannot be read, or there is none to read."""
        try:
            return self._path.read_bytes() if self._path else None
        except OSError:
            return None
