"""Counts the jobs that tenants have under way, so that the API can hold them to their limit; while any tenant has one.

One worker at a time counts. It reads an index that has nothing but those jobs, all of it: so the more there are, the more seldom it
does. Nothing is written for a job.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from quarry.clock import Clock
from quarry.errors import TransportError
from quarry.ids import new_token
from quarry.job import Lease
from quarry.store.base import JobStore, Tally
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.tenants.policy import Tenants

_log = get_logger(__name__)

ROLE: Final = "tally"
#: Between counts, at least. Our own choice.
COUNT_SECONDS: Final = 5.0
#: So many jobs are read in a second, on average: at 100 bytes or so each, some 13 read units. Our own choice.
JOBS_PER_SECOND: Final = 1_000
#: How long the role lasts after a count was to come. Our own choice.
_GRACE: Final = timedelta(seconds=30)
#: Of tenants in one row, which has room for more: those with the most jobs. Our own choice.
_TENANTS_MAX: Final = 5_000


def limited(queued: Mapping[str, int], tenants: Tenants) -> dict[str, int]:
    """Of these counts, those of tenants who have a limit."""
    found = sorted((-count, tenant) for tenant, count in queued.items() if tenants.of(tenant).limits.queued_jobs)
    return {tenant: -count for count, tenant in found[:_TENANTS_MAX]}


def next_tally(last: Tally | None, at_now: Tally) -> Tally:
    """A count, with what it says beside the one before."""
    if last is None or at_now.at <= last.at:
        return at_now
    seconds = (at_now.at - last.at).total_seconds()
    fallen = {tenant: (count - at_now.queued.get(tenant, 0)) / seconds for tenant, count in last.queued.items()}
    return Tally(at_now.at, at_now.queued, {tenant: rate for tenant, rate in fallen.items() if rate > 0})


class Counting:
    """Counts, while it has the role."""

    def __init__(self, store: JobStore, tenants: Tenants, clock: Clock, *, owner: str) -> None:
        self._store = store
        self._tenants = tenants
        self._clock = clock
        self._owner = owner
        self._token = new_token()
        self._last: Tally | None = None

    async def keep(self) -> None:
        """Count now and then, for ever. Supervised: if this ends, the worker stops."""
        pause = COUNT_SECONDS
        while True:
            await self._clock.sleep(pause)
            try:
                pause = await self.once(pause)
            except TransportError as error:
                _log.warning(Event.TALLY_FAILED, error=str(error))

    async def once(self, pause: float = COUNT_SECONDS) -> float:
        """One count, where there is a limit and nobody else counts; returns the seconds until the next.

        Raises:
            TransportError: nothing is known.
        """
        if not self._tenants.any_queue_is_limited:
            return COUNT_SECONDS
        now = self._clock.now()
        lease = Lease(self._token, self._owner, now + timedelta(seconds=pause) + _GRACE)
        if not await self._store.take_role(ROLE, lease, now):
            self._last = None
            return _GRACE.total_seconds()
        found = await self._store.unfinished()
        self._last = next_tally(self._last, Tally(now, limited(found, self._tenants)))
        await self._store.put_tally(self._last)
        return max(COUNT_SECONDS, sum(found.values()) / JOBS_PER_SECOND)
