"""The port of erasing in memory, over the rows of a `MemoryStore`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from quarry.erasure.tombstone import Tombstone, again
from quarry.errors import JobChanged, StoreUnavailable
from quarry.job import Job
from quarry.testing.faults import Fallible
from quarry.testing.store import MemoryStore

Operation: TypeAlias = Literal[
    "promise", "tombstone", "write", "hide", "remove", "remove_unread", "clear", "deliver", "postpone", "over", "due"
]


class MemoryErasures(Fallible[Operation]):
    """Tombstones as a dictionary: `tombstones` by tenant and request id, for a test to look at."""

    def __init__(self, store: MemoryStore, kept_for: Callable[[Job], timedelta] = lambda _: timedelta(days=14)) -> None:
        super().__init__(StoreUnavailable)
        self._kept_for = kept_for
        self._erase_at: dict[tuple[str, str], datetime] = {}
        self._store = store
        self.tombstones: dict[tuple[str, str], Tombstone] = {}
        self._spoiled: set[tuple[str, str]] = set()

    def spoil(self, tenant: str, request_id: str) -> None:
        """Let nobody read a tombstone, until it is written anew."""
        self._spoiled.add((tenant, request_id))

    async def promise(self, tombstone: Tombstone) -> Tombstone:
        with self._strike("promise"):
            pointer = tombstone.tenant, tombstone.request_id
            if pointer in self._spoiled:
                self._put(tombstone)
            return self.tombstones.setdefault(pointer, tombstone)

    async def tombstone(self, tenant: str, request_id: str) -> Tombstone | None:
        with self._strike("tombstone"):
            return None if (tenant, request_id) in self._spoiled else self.tombstones.get((tenant, request_id))

    async def write(self, tombstone: Tombstone) -> None:
        with self._strike("write"):
            self._put(tombstone)

    async def hide(self, job: Job) -> None:
        with self._strike("hide"):
            self._store.change(job, lambda seen: replace(seen, erasing=True))

    async def remove(self, job: Job, now: datetime) -> None:
        with self._strike("remove"):
            seen = self._store.found(job.tenant, job.request_id)
            if seen is None or seen.revision != job.revision or seen.is_held(now):
                raise JobChanged("the job was changed by somebody else")
            self._store.forget(job.tenant, job.request_id)

    async def remove_unread(self, tenant: str, request_id: str, now: datetime) -> bool:
        with self._strike("remove_unread"):
            seen = self._store.found(tenant, request_id)
            if seen is not None and seen.is_held(now):
                return False
            self._store.forget(tenant, request_id)
            return True

    async def clear(self, tombstone: Tombstone) -> int:
        with self._strike("clear"):
            return self._store.forget_beside(tombstone.tenant, tombstone.request_id, tombstone.key_digest)

    async def deliver(self, job: Job, now: datetime, erase_at: datetime) -> None:
        with self._strike("deliver"):
            seen = self._store.found(job.tenant, job.request_id)
            if seen and seen.brief and seen.status.is_terminal and seen.delivered_at is None:
                self._store.change(seen, lambda each: replace(each, delivered_at=now))
                self._erase_at[job.tenant, job.request_id] = erase_at

    async def postpone(self, job: Job, erase_at: datetime) -> None:
        with self._strike("postpone"):
            self._erase_at[job.tenant, job.request_id] = erase_at

    async def over(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        with self._strike("over"):
            ends = {
                (job.tenant, job.request_id): job.finished_at + self._kept_for(job)
                for job in self._store.jobs
                if job.brief and job.finished_at
            } | self._erase_at
            found = sorted((at, pointer) for pointer, at in ends.items() if at <= before and self._store.found(*pointer))
            return [pointer for _, pointer in found[:limit]]

    async def due(self, before: datetime, limit: int) -> Sequence[Tombstone]:
        with self._strike("due"):
            found = [(each.check_at, each) for each in self.tombstones.values() if each.check_at and each.check_at <= before]
            return [self._readable(each, before) for _, each in sorted(found, key=lambda pair: pair[0])[:limit]]

    def _readable(self, tombstone: Tombstone, now: datetime) -> Tombstone:
        pointer = tombstone.tenant, tombstone.request_id
        return again(*pointer, now) if pointer in self._spoiled else tombstone

    def _put(self, tombstone: Tombstone) -> None:
        pointer = tombstone.tenant, tombstone.request_id
        self.tombstones[pointer] = tombstone
        self._spoiled.discard(pointer)
