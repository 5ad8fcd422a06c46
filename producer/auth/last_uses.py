"""When keys were last used: kept in memory, and written now and then. A lost note is no harm, and no request waits for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

from quarry.clock import Clock
from quarry.errors import StoreUnavailable
from quarry.keys.base import KeyStore
from quarry.keys.key import ApiKey

#: Our own choices. How old a note may be in the table, and how often this process writes.
NOTED_EVERY: Final = timedelta(minutes=1)
#: Keys whose use is noted in a minute: more are not, and look unused for longer than they are.
_NOTES_MAX: Final = 10_000
_WRITES_AT_ONCE: Final = 8
#: What stopping waits for the last notes.
_LAST_SECONDS: Final = 1.0


class LastUses:
    """Notes uses. Of one key, a process writes one a minute, and the whole fleet hardly more."""

    def __init__(self, keys: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._noted: dict[str, datetime] = {}
        #: What was written, which may not have been read again yet.
        self._written: dict[str, datetime] = {}

    def note(self, key: ApiKey, at: datetime) -> None:
        """A key, as it was lately in the table, has opened something."""
        last = max(filter(None, (key.last_used_at, self._written.get(key.key_id))), default=None)
        if last and at - last < NOTED_EVERY:
            return
        if key.key_id in self._noted or len(self._noted) < _NOTES_MAX:
            self._noted[key.key_id] = at

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Write within the block, and once more at its end."""
        writing = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            await self._write_the_last()

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(NOTED_EVERY.total_seconds())
            await self.write()

    async def write(self) -> None:
        """Write what was noted."""
        left, self._noted = list(self._noted.items()), {}
        if len(self._written) >= _NOTES_MAX:
            self._written.clear()

        async def write() -> None:
            while left:
                key_id, at = left.pop()
                # What is not written now is noted again when the key is used again.
                with suppress(StoreUnavailable):
                    await self._keys.touch(key_id, at)
                    self._written[key_id] = at

        await asyncio.gather(*(write() for _ in range(_WRITES_AT_ONCE)))

    async def _write_the_last(self) -> None:
        tasks = [asyncio.ensure_future(each) for each in (self.write(), self._clock.sleep(_LAST_SECONDS))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)
