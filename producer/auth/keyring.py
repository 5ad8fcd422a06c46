"""The keys that this process knows: read when they are needed, and again before they are relied on for too long.

Two kinds of reads, which never wait for each other. A key that was there is read *again* once what is known of it is old. An id
that nobody knows is *searched*: anybody can make such ids up, a million of them, so they leave together in batches, one batch at a
time, and when too many wait the next is turned away: not as wrong, for nobody has looked, but to come again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from quarry.batching import Batcher
from quarry.clock import Clock
from quarry.errors import Overloaded
from quarry.keys.base import KEYS_AT_ONCE, KeyStore
from quarry.keys.key import ApiKey

#: Our own choices. Keys that are remembered: some 50 MB at most.
_KNOWN_MAX: Final = 50_000
#: Ids that are remembered as nobody's, and for how long: so soon a key works that was tried before it was made.
_UNKNOWN_MAX: Final = 10_000
UNKNOWN_SECONDS: Final = 3.0
#: Ids that wait for a search: a tenth of a second's, where a batch takes 10 ms.
SEARCHED_MAX: Final = 1000
_READS_AGAIN: Final = 4


_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class _Known:
    key: ApiKey
    #: On the monotonic clock.
    until: float


class Keyring:
    """Finds keys by their ids, of which any number may be nobody's.

    Args:
        keys: where they are kept.
        clock: by its monotonic time what was read grows old.
        fresh_seconds: for how long what was read is relied on, from before the read.
    """

    def __init__(self, keys: KeyStore, clock: Clock, fresh_seconds: float) -> None:
        self._keys = keys
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._again = _Reads(self._read, concurrency=_READS_AGAIN, most=_KNOWN_MAX)
        self._search = _Reads(self._read, concurrency=1, most=SEARCHED_MAX)

    async def find(self, key_id: str) -> ApiKey | None:
        """The key, as it was at most `fresh_seconds` ago; None where there is none.

        Raises:
            StoreUnavailable: nobody can tell now.
            Overloaded: too many unknown ids are being searched for.
        """
        now = self._clock.monotonic()
        if known := self._known.get(key_id):
            return known.key if now < known.until else await self._again.of(key_id)
        if now < self._unknown.get(key_id, now):
            return None
        return await self._search.of(key_id)

    async def _read(self, key_ids: Sequence[str]) -> Sequence[ApiKey | None]:
        asked_at = self._clock.monotonic()
        found = await self._keys.get_many(key_ids)
        for key_id in key_ids:
            if key := found.get(key_id):
                _put(self._known, key_id, _Known(key, asked_at + self._fresh_seconds), _KNOWN_MAX)
            else:
                _put(self._unknown, key_id, asked_at + UNKNOWN_SECONDS, _UNKNOWN_MAX)
                self._known.pop(key_id, None)
        return [found.get(key_id) for key_id in key_ids]


class _Reads:
    """Reads under way, of each id one: whoever else wants it waits for the same."""

    def __init__(
        self, read: Callable[[Sequence[str]], Awaitable[Sequence[ApiKey | None | Exception]]], *, concurrency: int, most: int
    ) -> None:
        self._batches: Batcher[str, ApiKey | None] = Batcher(read, limit=KEYS_AT_ONCE, concurrency=concurrency)
        self._most = most
        self._under_way: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def of(self, key_id: str) -> ApiKey | None:
        """What the read of this id gives, or raises."""
        reading = self._under_way.get(key_id)
        if reading is None:
            if len(self._under_way) >= self._most:
                raise Overloaded("too many keys that nobody knows are being searched for")
            reading = self._under_way[key_id] = asyncio.create_task(self._batches.submit(key_id))
            reading.add_done_callback(lambda _: self._under_way.pop(key_id, None))
        # A caller who goes away takes nothing from the others.
        return await asyncio.shield(reading)


def _put(kept: OrderedDict[str, _Kept], key_id: str, value: _Kept, most: int) -> None:
    """Keep it, as the newest; what was put longest ago makes room."""
    kept[key_id] = value
    kept.move_to_end(key_id)
    if len(kept) > most:
        kept.popitem(last=False)
