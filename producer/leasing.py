"""Spends requests of buckets that all API processes share, by shares that are leased from the table. Pure rules: `shares.py`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from producer.shares import REFUSAL_SECONDS, Bucket, Share
from quarry.clock import Clock
from quarry.errors import StoreUnavailable
from quarry.store.base import JobStore

#: Between looks for shares that rest. Our own choice.
_TIDY_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Known:
    """What this process knows of one bucket."""

    share: Share
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Leasing:
    """The buckets of one process, by their names in the table.

    Args:
        hoards: whether a share may be of more than what waits; not where a process is stopped between requests.
    """

    def __init__(self, store: JobStore, clock: Clock, *, hoards: bool = True) -> None:
        self._store = store
        self._clock = clock
        self._hoards = hoards
        self._known: dict[str, _Known] = {}

    @property
    def known(self) -> Mapping[str, object]:
        """What something is kept of."""
        return self._known

    async def spend(self, name: str, bucket: Bucket) -> int:
        """Spend one request: 0, or in how many seconds there is room for one.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        known = self._of(name, bucket)
        if known.share.spend(self._clock.monotonic()):
            return 0
        known.waiting += 1
        try:
            async with known.asking:
                return await self._lease(name, known)
        finally:
            known.waiting -= 1

    def return_one(self, name: str, bucket: Bucket) -> None:
        """What was spent last was not needed."""
        self._of(name, bucket).share.return_one(self._clock.monotonic())

    def left(self, name: str, bucket: Bucket) -> int:
        """How many may be spent now, as far as this process knows."""
        share, now, at = self._of(name, bucket).share, self._clock.now(), self._clock.monotonic()
        return min(share.held(at) + max(int(bucket.level(share.until, now)), 0), bucket.depth)

    def forget(self, name: str) -> None:
        """There is no such bucket any more."""
        self._known.pop(name, None)

    async def tidy(self) -> None:
        """Give back the shares that rest."""
        for name, known in list(self._known.items()):
            if not known.waiting and known.share.is_forgotten(self._clock.monotonic()):
                self.forget(name)
            elif rests := known.share.resting(self._clock.monotonic()):
                known.share.let_go()
                await self._give_back(name, known.share, rests)

    async def keep(self) -> None:
        """Tidy, for ever. Supervised: if this ends, the process stops."""
        while True:
            await self._clock.sleep(_TIDY_SECONDS)
            await self.tidy()

    def _of(self, name: str, bucket: Bucket) -> _Known:
        """One bucket; what was known of it as it was before is of no use."""
        known = self._known.get(name)
        if known is None or known.share.bucket != bucket:
            known = self._known[name] = _Known(Share(bucket, self._clock.monotonic()))
        return known

    async def _lease(self, name: str, known: _Known) -> int:
        share, now, at = known.share, self._clock.now(), self._clock.monotonic()
        if share.spend(at):
            return 0  # of a share that somebody before us took
        if share.may_ask(at):
            requests = share.wanted(known.waiting, share.bucket.level(share.until, now), at) if self._hoards else 1
            for count in dict.fromkeys((requests, 1)):
                booking = await self._store.book(name, share.bucket.stretch(count), share.bucket.latest(now), now, share.until)
                share.until = booking.until
                if booking.booked:
                    share.take(count, booking.until, now, at)
                    share.spend(at)
                    return 0
            share.refused_until = at + REFUSAL_SECONDS
        return max(ceil(share.bucket.seconds_until_one(share.until, now)), 1)

    async def _give_back(self, name: str, share: Share, requests: int) -> None:
        now = self._clock.now()
        try:
            booking = await self._store.book(name, -share.bucket.stretch(requests), share.bucket.latest(now), now, share.until)
        except StoreUnavailable:
            return  # it fills again
        share.until = booking.until
