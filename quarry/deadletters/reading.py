"""Going through what failed, in records and in the queue, without keeping it."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import groupby
from typing import Final

from quarry.clock import Clock
from quarry.deadletters.fates import Letter, envelope_of, judged
from quarry.deadletters.selection import Selection
from quarry.errors import QueueUnavailable, RecordUnreadable
from quarry.job import Job, JobStatus
from quarry.queue.base import DeadDelivery, DeadLetters
from quarry.store.base import JobStore

#: Our own choice: some 350 bytes each, and as many again for each shard of the index are read and dropped.
_PAGE: Final = 250
_LOOK_MAX: Final = 10


async def failed_jobs(store: JobStore, selection: Selection, clock: Clock) -> AsyncGenerator[Job | RecordUnreadable]:
    """The failed jobs that are meant, newest first, without content, a page in memory at a time; and after those of each page what
    of it cannot be read, and so may be meant.
    """
    after: str | None = None
    while True:
        page = await store.list(
            selection.tenant, status=JobStatus.FAILED, created_after=None, limit=_PAGE, after=after, now=clock.now()
        )
        for job in page.jobs:
            if selection.takes_job(job):
                yield job
        for request_id in page.unreadable if selection.takes_unreadable else ():
            yield RecordUnreadable(request_id)
        after = page.next_after
        if after is None:
            return


class Look:
    """One walk through the dead-letter queue. What is not removed on the way is remembered, without its body."""

    def __init__(self, dead: DeadLetters, store: JobStore) -> None:
        self._dead = dead
        self._store = store
        self._seen: dict[str, DeadDelivery] = {}

    async def more(self) -> list[Letter]:
        """The next messages; empty when all were seen.

        A queue that takes longer to walk through than its messages stay out of sight begins to repeat itself: that is the end,
        too.
        """
        looked = await self._dead.look(_LOOK_MAX)
        found = [each for each in looked if each.message_id not in self._seen]
        # Those seen before, too: it is their latest receipt by which they can be put back.
        self._seen |= {each.message_id: replace(each, body="") for each in looked}
        envelopes = {each.message_id: envelope_of(each) for each in found}
        pointers = sorted({(envelope.tenant, envelope.request_id) for envelope in envelopes.values() if envelope})
        jobs: dict[tuple[str, str], Job] = {}
        unreadable: set[tuple[str, str]] = set()
        for tenant, theirs in groupby(pointers, key=lambda pointer: pointer[0]):
            read = await self._store.get_many(tenant, [request_id for _, request_id in theirs])
            jobs |= {(tenant, request_id): job for request_id, job in read.items()}
            unreadable |= {(tenant, request_id) for request_id in read.unreadable}
        return [judged(each, envelopes[each.message_id], jobs, unreadable) for each in found]

    async def remove(self, letters: Sequence[Letter]) -> None:
        """Remove messages for good."""
        await self._dead.remove([letter.delivery for letter in letters])
        for letter in letters:
            self._seen.pop(letter.delivery.message_id, None)

    async def end(self) -> None:
        """Bring what is left back into sight."""
        with suppress(QueueUnavailable):  # then they come back by themselves, later
            await self._dead.put_back(list(self._seen.values()))


@asynccontextmanager
async def looking(dead: DeadLetters, store: JobStore) -> AsyncIterator[Look]:
    """A walk whose messages are in sight again after the block, however it ends."""
    look = Look(dead, store)
    try:
        yield look
    finally:
        await look.end()
