"""How many jobs a tenant has under way, as far as one process knows: what the workers counted last, and what this process has let
in since then. What other processes let in meanwhile it does not know; by so much the limit may be passed.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from quarry.clock import Clock
from quarry.errors import Quota, RateLimited, StoreUnavailable
from quarry.store.base import JobStore, Tally

NAME: Final = "queued-jobs"
#: Between looks at the tally, which is one row for all tenants. Our own choice.
LOOK_SECONDS: Final = 3.0
#: The index from which is counted may lag by this: what was let in so long before a count is taken not to be in it. Our own choice.
_LAG: Final = timedelta(seconds=1)
#: What a refusal asks callers to wait, by how fast the tenant's jobs end, or where that is not known. Our own choices.
_LEAST_SECONDS, _MOST_SECONDS, _UNKNOWN_SECONDS = 1, 60, 10


class Queues:
    """What is known of tenants' queues."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tally: Tally | None = None
        self._looked_at = float("-inf")
        self._since: dict[str, deque[datetime]] = {}

    async def enter(self, tenant: str, limit: int) -> None:
        """Let one job in.

        Raises:
            RateLimited: the tenant has as many as it may.
        """
        await self._look()
        if self._count(tenant) >= limit:
            seconds = self._wait(tenant)
            raise RateLimited(
                f"{limit:,} jobs may be under way, and as many are; one may be over in {seconds} s, by an estimate",
                retry_after_seconds=seconds,
                quotas=(Quota(NAME, limit, 0, more_in_seconds=seconds),),
            )
        self._since.setdefault(tenant, deque()).append(self._clock.now())

    def leave(self, tenant: str) -> None:
        """What was let in last made no job."""
        if since := self._since.get(tenant):
            since.pop()

    def quotas(self, tenant: str, limit: int) -> Iterator[Quota]:
        """How the tenant stands."""
        yield Quota(NAME, limit, max(limit - self._count(tenant), 0))

    def _count(self, tenant: str) -> int:
        counted = self._tally.queued.get(tenant, 0) if self._tally else 0
        return counted + len(self._since.get(tenant, ()))

    def _wait(self, tenant: str) -> int:
        rate = self._tally.falling.get(tenant, 0.0) if self._tally else 0.0
        return min(max(ceil(1 / rate), _LEAST_SECONDS), _MOST_SECONDS) if rate else _UNKNOWN_SECONDS

    async def _look(self) -> None:
        """Read the tally, if that was a while ago. Where the table does not answer, the last one stands."""
        if self._clock.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._clock.monotonic()
        with suppress(StoreUnavailable):
            self._tally = await self._store.tally()
        if self._tally is None:
            return
        for tenant, since in list(self._since.items()):
            while since and since[0] <= self._tally.at - _LAG:
                since.popleft()
            if not since:
                del self._since[tenant]
