"""Lets a tenant's submissions in, or says when to come again. A tenant without limits costs nothing here.

Where the table does not answer while a share is needed, the submission fails as it would have a moment later: it needs the table
itself. Nobody is let in unasked.
"""

import asyncio
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from producer.queued import Queues
from producer.shares import REFUSAL_SECONDS, Bucket, Share
from quarry.clock import Clock
from quarry.errors import Quota, RateLimited, StoreUnavailable
from quarry.store.base import JobStore
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Tenants

REQUESTS: Final = "requests"
_MINUTE: Final = 60
#: Between looks for shares that rest. Our own choice.
_TIDY_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Tenant:
    """What this process knows of one tenant's requests."""

    share: Share
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Limiter:
    """Counts the submissions of tenants that have limits.

    Args:
        hoards: whether a share may be of more than what waits; not where a process is stopped between requests.
    """

    def __init__(self, store: JobStore, tenants: Tenants, clock: Clock, *, hoards: bool = True) -> None:
        self._store = store
        self._tenants = tenants
        self._clock = clock
        self._hoards = hoards
        self._queues = Queues(store, clock)
        self._known: dict[str, _Tenant] = {}

    async def enter(self, tenant: str) -> None:
        """Let one submission in.

        Raises:
            RateLimited: not now.
            StoreUnavailable: nobody can tell.
        """
        if limit := self._tenants.of(tenant).limits.queued_jobs:
            await self._queues.enter(tenant, limit)
        try:
            await self._spend(tenant)
        except Exception:
            self._queues.leave(tenant)
            raise

    async def _spend(self, tenant: str) -> None:
        """One of the tenant's requests a minute."""
        if (known := self._of(tenant)) is None or known.share.spend(self._clock.monotonic()):
            return
        known.waiting += 1
        try:
            async with known.asking:
                await self._enter(tenant, known)
        finally:
            known.waiting -= 1

    def leave(self, tenant: str) -> None:
        """What was let in last was no new submission: it costs nothing."""
        self._queues.leave(tenant)
        if known := self._of(tenant):
            known.share.return_one(self._clock.monotonic())

    def quotas(self, tenant: str) -> tuple[Quota, ...]:
        """How a tenant stands, as far as this process knows."""
        known, limit = self._of(tenant), self._tenants.of(tenant).limits.queued_jobs
        requests = () if known is None else (self._quota(known.share),)
        return (*requests, *self._queues.quotas(tenant, limit)) if limit else requests

    @property
    def known_count(self) -> int:
        """How many tenants it keeps something of."""
        return len(self._known)

    async def tidy(self) -> None:
        """Give back the shares that rest."""
        for tenant, known in list(self._known.items()):
            if not known.waiting and known.share.is_forgotten(self._clock.monotonic()):
                del self._known[tenant]
            elif rests := known.share.resting(self._clock.monotonic()):
                known.share.let_go()
                await self._give_back(tenant, known.share, rests)

    async def keep(self) -> None:
        """Tidy, for ever. Supervised: if this ends, the process stops."""
        while True:
            await self._clock.sleep(_TIDY_SECONDS)
            await self.tidy()

    async def _enter(self, tenant: str, known: _Tenant) -> None:
        share, now, at = known.share, self._clock.now(), self._clock.monotonic()
        if share.spend(at):
            return  # of a share that somebody before us took
        if at >= share.refused_until:
            requests = share.wanted(known.waiting, share.bucket.level(share.until, now), at) if self._hoards else 1
            for count in dict.fromkeys((requests, 1)):
                booking = await self._store.book(tenant, share.bucket.stretch(count), share.bucket.latest(now), now, share.until)
                share.until = booking.until
                if booking.booked:
                    share.take(count, booking.until, now, at)
                    share.spend(at)
                    return
            share.refused_until = at + REFUSAL_SECONDS
        seconds = max(ceil(share.bucket.seconds_until_one(share.until, now)), 1)
        raise RateLimited(
            f"{share.bucket.per_minute:,} requests a minute are allowed, and no more now; there is room for one in {seconds} s",
            retry_after_seconds=seconds,
            quotas=(Quota(REQUESTS, share.bucket.per_minute, 0, _MINUTE, seconds),),
        )

    async def _give_back(self, tenant: str, share: Share, requests: int) -> None:
        now = self._clock.now()
        try:
            booking = await self._store.book(tenant, -share.bucket.stretch(requests), share.bucket.latest(now), now, share.until)
        except StoreUnavailable:
            return  # it fills again
        share.until = booking.until

    def _quota(self, share: Share) -> Quota:
        now, at = self._clock.now(), self._clock.monotonic()
        left = share.held(at) + max(int(share.bucket.level(share.until, now)), 0)
        more = None if left >= share.bucket.depth else max(ceil(1 / share.bucket.per_second), 1)
        return Quota(REQUESTS, share.bucket.per_minute, min(left, share.bucket.depth), _MINUTE, more)

    def _of(self, tenant: str) -> _Tenant | None:
        """A tenant that has such a limit, by what the file says now; None where it has none."""
        bucket = bucket_of(self._tenants.of(tenant).limits)
        if bucket is None:
            self._known.pop(tenant, None)
            return None
        known = self._known.get(tenant)
        if known is None or known.share.bucket != bucket:
            known = self._known[tenant] = _Tenant(Share(bucket, self._clock.monotonic()))
        return known


def bucket_of(limits: Limits) -> Bucket | None:
    """The bucket of these limits, if they have one."""
    rate = limits.requests_per_minute
    return Bucket(rate, limits.burst_requests or rate) if rate else None
