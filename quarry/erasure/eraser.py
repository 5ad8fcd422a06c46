"""Erasing one job, in an order that keeps the promise whatever crashes:

    promise ✓ ─ remove ✓ ─ clear ✓ ─ objects ✓ ─ tombstone ✓      erased
    promise ✓ ─ crash, or anything ✗                             the sweep goes on from there
    promise ✓ ─ held: hide ✓ ─ cancel asked                      no reader sees it; the sweep removes it once its worker let go

A record that cannot be read is erased like any other, but for the row of its idempotency key, which nobody can tell: it expires by
itself.
A worker that finds a message of it finds no record, and lets the message go. Where it is not known whether the promise was written,
nothing was promised.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quarry.clock import Clock
from quarry.erasure.base import Erasures
from quarry.erasure.tombstone import Tombstone, cleared, postponed, promised
from quarry.errors import JobChanged, PayloadsUnavailable, RecordUnreadable, StoreUnavailable
from quarry.ids import is_request_id
from quarry.job import Job
from quarry.store.base import JobStore
from quarry.store.payloads import Payloads
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

#: How often a job that moves under our hands is read again.
_TRIES: Final = 5


class Erased(StrEnum):
    """What became of the wish."""

    #: Nothing of it is left.
    ERASED = "erased"
    #: It is promised: a worker has to stop first, or the bucket to answer.
    ERASING = "erasing"
    #: There is no such job, and none was erased lately.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases jobs."""

    store: JobStore
    erasures: Erasures
    payloads: Payloads
    clock: Clock

    async def erase(self, tenant: str, request_id: str) -> Erased:
        """Erase a job, whatever its status; one that is worked is stopped first. Repeating it is harmless.

        Raises:
            StoreUnavailable: it may be promised; repeat it.
        """
        if not is_request_id(request_id):
            return Erased.UNKNOWN
        try:
            job = await self.store.get(tenant, request_id)
        except RecordUnreadable:
            return await self._promised(promised(tenant, request_id, None, self.clock.now()))
        if job is None:
            tombstone = await self.erasures.tombstone(tenant, request_id)
            if tombstone is None or tombstone.gone_at:
                return Erased.ERASED if tombstone else Erased.UNKNOWN
            return await self._kept(tombstone)
        return await self._promised(promised(tenant, request_id, job.key_digest, self.clock.now()))

    async def keep(self, tombstone: Tombstone) -> Erased:
        """Do what was promised, as far as it can be done now.

        Raises:
            StoreUnavailable, PayloadsUnavailable: the sweep goes on.
        """
        for _ in range(_TRIES):
            try:
                job = await self.store.get(tombstone.tenant, tombstone.request_id)
            except RecordUnreadable:
                return await self._remove_unread(tombstone)
            try:
                if job is not None and job.is_held(self.clock.now()):
                    return await self._stop(job, tombstone)
                if job is not None:
                    await self.erasures.remove(job, self.clock.now())
            except JobChanged:
                continue
            return await self._clear(tombstone)
        raise StoreUnavailable("the job keeps changing", applied=False)

    async def _promised(self, promise: Tombstone) -> Erased:
        _log.info(Event.ERASURE_REQUESTED, request_id=promise.request_id, tenant=promise.tenant)
        return await self._kept(await self.erasures.promise(promise))

    async def _kept(self, tombstone: Tombstone) -> Erased:
        try:
            return await self.keep(tombstone)
        except PayloadsUnavailable:
            return Erased.ERASING

    async def _remove_unread(self, tombstone: Tombstone) -> Erased:
        if await self.erasures.remove_unread(tombstone.tenant, tombstone.request_id, self.clock.now()):
            return await self._clear(tombstone)
        await self.erasures.write(postponed(tombstone, self.clock.now()))
        return Erased.ERASING

    async def _stop(self, job: Job, tombstone: Tombstone) -> Erased:
        if not (job.erasing and job.cancel_requested):
            await self.erasures.hide(job)
            await self.store.request_cancel(job)
        await self.erasures.write(postponed(tombstone, self.clock.now()))
        return Erased.ERASING

    async def _clear(self, tombstone: Tombstone) -> Erased:
        rows = await self.erasures.clear(tombstone)
        try:
            objects = await self.payloads.erase(tombstone.tenant, tombstone.request_id)
        except PayloadsUnavailable:
            # One whose objects the bucket does not let go must not be in front of the others for ever.
            await self.erasures.write(postponed(tombstone, self.clock.now()))
            raise
        await self.erasures.write(cleared(tombstone, self.clock.now()))
        if tombstone.gone_at is None or rows or objects:
            _log.info(Event.JOB_ERASED, request_id=tombstone.request_id, tenant=tombstone.tenant, rows=rows, objects=objects)
        return Erased.ERASED
