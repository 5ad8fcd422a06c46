"""Lets a tenant's submissions in, or says when to come again; and says which of them keep their priority. A tenant without limits
costs nothing here.

Where the table does not answer while a share is needed, the submission fails as it would have a moment later: it needs the table
itself. Nobody is let in unasked.
"""

from math import ceil
from typing import Final

from producer.leasing import Leasing
from producer.queued import Queues
from producer.shares import Bucket
from quarry.clock import Clock
from quarry.errors import Quota, RateLimited
from quarry.job import Priority
from quarry.store.base import JobStore
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Tenants

REQUESTS: Final = "requests"
_MINUTE: Final = 60


class Limiter:
    """Counts the submissions of tenants that have limits.

    Args:
        hoards: whether a share may be of more than what waits; not where a process is stopped between requests.
    """

    def __init__(self, store: JobStore, tenants: Tenants, clock: Clock, *, hoards: bool = True) -> None:
        self._tenants = tenants
        self._queues = Queues(store, clock)
        self._leasing = Leasing(store, clock, hoards=hoards)

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

    async def lane(self, tenant: str, priority: Priority) -> Priority:
        """On which lane a submission waits that was let in: `low` for what a tenant submits beyond what keeps its priority.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        if priority is Priority.LOW or (bucket := self._undemoted(tenant)) is None:
            return priority
        return Priority.LOW if await self._leasing.spend(_undemoted_name(tenant), bucket) else priority

    def leave(self, tenant: str, lane: Priority) -> None:
        """What was let in last, on this lane, was no new submission: it costs nothing."""
        self._queues.leave(tenant)
        if bucket := self._requests(tenant):
            self._leasing.return_one(tenant, bucket)
        if lane is not Priority.LOW and (bucket := self._undemoted(tenant)):
            self._leasing.return_one(_undemoted_name(tenant), bucket)

    def give_up(self, tenant: str) -> None:
        """What was let in last has failed and made no job: it is not under way."""
        self._queues.leave(tenant)

    def quotas(self, tenant: str) -> tuple[Quota, ...]:
        """How a tenant stands, as far as this process knows."""
        bucket, limit = self._requests(tenant), self._tenants.of(tenant).limits.queued_jobs
        requests = () if bucket is None else (self._quota(tenant, bucket),)
        return (*requests, *self._queues.quotas(tenant, limit)) if limit else requests

    @property
    def known_count(self) -> int:
        """How many buckets it keeps something of."""
        return len(self._leasing.known)

    async def tidy(self) -> None:
        """Give back the shares that rest."""
        await self._leasing.tidy()

    async def keep(self) -> None:
        """Tidy, for ever. Supervised: if this ends, the process stops."""
        await self._leasing.keep()

    async def _spend(self, tenant: str) -> None:
        """One of the tenant's requests a minute."""
        bucket = self._requests(tenant)
        if bucket is not None and (seconds := await self._leasing.spend(tenant, bucket)):
            raise RateLimited(
                f"{bucket.per_minute:,} requests a minute are allowed, and no more now; there is room for one in {seconds} s",
                retry_after_seconds=seconds,
                quotas=(Quota(REQUESTS, bucket.per_minute, 0, _MINUTE, seconds),),
            )

    def _quota(self, tenant: str, bucket: Bucket) -> Quota:
        left = self._leasing.left(tenant, bucket)
        more = None if left >= bucket.depth else max(ceil(1 / bucket.per_second), 1)
        return Quota(REQUESTS, bucket.per_minute, left, _MINUTE, more)

    def _requests(self, tenant: str) -> Bucket | None:
        """What a tenant may submit, by what the file says now; None where that is not limited."""
        if (bucket := bucket_of(self._tenants.of(tenant).limits)) is None:
            self._leasing.forget(tenant)
        return bucket

    def _undemoted(self, tenant: str) -> Bucket | None:
        """What of it keeps its priority."""
        rate = self._tenants.of(tenant).limits.demote_over_per_minute
        if rate is None:
            self._leasing.forget(_undemoted_name(tenant))
        return Bucket(rate, rate) if rate else None


def bucket_of(limits: Limits) -> Bucket | None:
    """The bucket of these limits, if they have one."""
    rate = limits.requests_per_minute
    return Bucket(rate, limits.burst_requests or rate) if rate else None


def _undemoted_name(tenant: str) -> str:
    """What the bucket is called in the table. No tenant's name has a dot."""
    return f"{tenant}.undemoted"
