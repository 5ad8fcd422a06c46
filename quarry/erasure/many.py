"""Erasing many jobs of one tenant: chosen by what lists carry, so that no content is read.

Run again, it finds what is left: an erased job is in no list. One that a worker had to be stopped for is in none either, from the
moment when that was promised: the sweep removes it, whether this waits for it or not.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from quarry.clock import Clock
from quarry.deadletters.redrive import UNREADABLE, Done, Report, take
from quarry.erasure.eraser import Erased, Eraser
from quarry.errors import RecordUnreadable
from quarry.job import Job
from quarry.store.base import JobStore

#: Erased at once; each is a handful of writes. Our own choice.
_AT_ONCE: Final = 16
_PAGE: Final = 250
#: Between two looks at jobs whose workers have to stop.
_LOOK_SECONDS: Final = 1.0
#: The index that lists are read from lags by moments: what it still shows, and what it did not show yet. Our own choice.
_LAG_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs of a tenant are meant: made before `before`, and with all of this metadata."""

    tenant: str
    before: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)

    def takes(self, job: Job) -> bool:
        """Whether a job is meant."""
        return job.created_at < self.before and self.metadata.items() <= job.metadata.items()


async def chosen(store: JobStore, choice: Choice, clock: Clock) -> AsyncGenerator[str | RecordUnreadable]:
    """The ids of the jobs that are meant, newest first, of whatever status, a page in memory at a time; and after those of each
    page what of it cannot be read, and so may be meant.
    """
    after: str | None = None
    while True:
        page = await store.list(choice.tenant, status=None, created_after=None, limit=_PAGE, after=after, now=clock.now())
        for job in page.jobs:
            if choice.takes(job):
                yield job.request_id
        for request_id in page.unreadable:
            yield RecordUnreadable(request_id)
        after = page.next_after
        if after is None:
            return


class ManyEraser:
    """Erases jobs of one tenant, and tells of each once."""

    def __init__(self, eraser: Eraser, report: Report, tenant: str, *, dry_run: bool) -> None:
        self._eraser = eraser
        self._report = report
        self._tenant = tenant
        self._dry_run = dry_run
        #: Promised, and somebody has to let go of them first.
        self._promised: set[str] = set()

    async def run(self, meant: AsyncIterator[str | RecordUnreadable]) -> None:
        """Erase them, as far as that can be done at once. What could not be read when it was chosen is told of and left, though
        it may be readable by now: nobody has seen that it is meant.

        Raises:
            StoreUnavailable: what was told stands; a later run goes on.
        """
        request_ids = self._readable(meant)
        while chunk := await take(request_ids, _AT_ONCE):
            if self._dry_run:
                found = await self._eraser.store.get_many(self._tenant, chunk)
                for each in chunk:
                    self._tell(each, Erased.ERASED if each in found or each in found.unreadable else Erased.UNKNOWN)
                continue
            erased = await asyncio.gather(*(self._eraser.erase(self._tenant, each) for each in chunk))
            for each, became in zip(chunk, erased, strict=True):
                if became is Erased.ERASING:
                    self._promised.add(each)
                else:
                    self._tell(each, became)

    async def _readable(self, meant: AsyncIterator[str | RecordUnreadable]) -> AsyncGenerator[str]:
        """The others are told of."""
        async for each in meant:
            if isinstance(each, RecordUnreadable):
                self._tell(each.request_id, None)
            else:
                yield each

    async def wait(self, patience: timedelta) -> None:
        """Wait for those that somebody had to let go of, for so long; the others are told of as `erasing`.

        Raises:
            StoreUnavailable: they are erased all the same.
        """
        clock = self._eraser.clock
        end = clock.monotonic() + patience.total_seconds()
        while self._promised and clock.monotonic() < end:
            await clock.sleep(_LOOK_SECONDS)
            for each in sorted(self._promised):
                if await self._eraser.erase(self._tenant, each) is Erased.ERASED:
                    self._promised.discard(each)
                    self._tell(each, Erased.ERASED)
        for each in sorted(self._promised):
            self._tell(each, Erased.ERASING)

    async def verify(self, choice: Choice) -> None:
        """Read the list anew: what it shows is erased too, and what it shows after that is told of as `left`.

        Raises:
            StoreUnavailable: it is not known.
        """
        if self._dry_run:
            return
        for is_last in (False, True):
            await self._eraser.clock.sleep(_LAG_SECONDS)
            async for each in chosen(self._eraser.store, choice, self._eraser.clock):
                if isinstance(each, RecordUnreadable):
                    continue  # told of before
                try:
                    is_gone = await self._eraser.store.get(self._tenant, each) is None
                except RecordUnreadable:
                    continue  # told of before
                if is_gone:
                    continue  # and the list does not know it yet
                if is_last:
                    self._report.add(Done(each, "left"))
                else:
                    self._tell(each, await self._eraser.erase(self._tenant, each))

    def _tell(self, request_id: str, became: Erased | None) -> None:
        if became is None:
            self._report.add(Done(request_id, "left", UNREADABLE))
            return
        note = {
            Erased.ERASING: "a worker has to stop, or the bucket to answer: it is promised",
            Erased.UNKNOWN: "there is no such job",
        }
        self._report.add(Done(request_id, became.value, note.get(became, "")))
