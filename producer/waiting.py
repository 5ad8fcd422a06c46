"""Long-polls: however many callers wait, one task asks the store for all of them, up to a hundred jobs a request, for no more
than their statuses.

Each job is asked for again after a two-hundredth of the time that has already been waited for it, but for bounds: so an answer is
seen within a two-hundredth of its time, and a wait of 30 s costs some 600 reads (of half a read unit for each 4 KB of the item).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from quarry.clock import Clock
from quarry.errors import StoreUnavailable
from quarry.job import Job
from quarry.store.base import JobStore
from quarry.telemetry.metrics import ProducerMetrics

#: How often the poller looks who is due, and the shortest time between two reads of a job. Our own choice.
TICK_SECONDS: Final = 0.02
_INTERVAL_MAX_SECONDS: Final = 0.5
_INTERVAL_OF_WAITED: Final = 0.005
#: A job that is not there after this long is gone. Our own choice: such reads lag by less than a second, as a rule.
_LAG_MAX_SECONDS: Final = 1.0
#: What the store's `statuses` takes.
_BATCH_MAX: Final = 100


@dataclass(eq=False, slots=True)
class _Waiter:
    tenant: str
    request_id: str
    since: float
    due: float
    #: Done when the job should be looked at: it is over or gone, or the process stops.
    news: "asyncio.Future[None]"


class Waiters:
    """Those who wait for jobs, at most `limit` at a time."""

    def __init__(self, store: JobStore, clock: Clock, limit: int, metrics: ProducerMetrics) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._metrics = metrics
        self._waiting: set[_Waiter] = set()
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, job: Job, seconds: float, gone: Callable[[], Awaitable[None]]) -> None:
        """Return once the job is terminal, after `seconds`, when `gone` returns, or at once where there is no room."""
        if self._closed or len(self._waiting) >= self._limit:
            return
        since = self._clock.monotonic()
        waiter = _Waiter(job.tenant, job.request_id, since, since + TICK_SECONDS, asyncio.get_running_loop().create_future())
        self._waiting.add(waiter)
        self._metrics.waiters.set(len(self._waiting))
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        timers: list[asyncio.Future[None]] = [asyncio.ensure_future(each) for each in (self._clock.sleep(seconds), gone())]
        ends: list[asyncio.Future[Any]] = [waiter.news, *timers]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in timers:
                each.cancel()
            self._waiting.discard(waiter)
            self._metrics.waiters.set(len(self._waiting))

    def close(self) -> None:
        """Let everybody go: the process stops."""
        self._closed = True
        for waiter in self._waiting:
            _tell(waiter)

    async def _poll(self) -> None:
        while self._waiting:
            await self._clock.sleep(TICK_SECONDS)
            now = self._clock.monotonic()
            due = [waiter for waiter in self._waiting if waiter.due <= now and not waiter.news.done()]
            for waiter in due:
                waited = now - waiter.since
                waiter.due = now + min(max(waited * _INTERVAL_OF_WAITED, TICK_SECONDS), _INTERVAL_MAX_SECONDS)
            await asyncio.gather(*(self._look(batch) for batch in _batches(due)))

    async def _look(self, batch: Sequence[_Waiter]) -> None:
        try:
            ids = [waiter.request_id for waiter in batch]
            statuses = await self._store.statuses(batch[0].tenant, ids, self._clock.now())
        except StoreUnavailable:
            return  # asked again when due; the read at the end of the wait tells the caller
        now = self._clock.monotonic()
        for waiter in batch:
            status = statuses.get(waiter.request_id)
            # One that is not there was erased, or written a moment ago: what is read here need not be fresh.
            is_gone = status is None and now - waiter.since >= _LAG_MAX_SECONDS
            if is_gone or (status and status.is_terminal):
                _tell(waiter)


def _batches(waiters: Sequence[_Waiter]) -> list[list[_Waiter]]:
    """By tenant, and no more in each than one read takes."""
    by_tenant: dict[str, list[_Waiter]] = {}
    for waiter in waiters:
        by_tenant.setdefault(waiter.tenant, []).append(waiter)
    return [group[i : i + _BATCH_MAX] for group in by_tenant.values() for i in range(0, len(group), _BATCH_MAX)]


def _tell(waiter: _Waiter) -> None:
    if not waiter.news.done():
        waiter.news.set_result(None)
