"""Reading jobs: one, one once it is over, several by id, a page of all."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from producer.answers import job_out, summary_out
from producer.problems import item_error
from producer.requests import ListQuery
from producer.results import SHOWN_MAX_BYTES, Results
from producer.waiting import Waiters
from quarry.clock import Clock
from quarry.erasure.base import Erasures
from quarry.errors import FieldFault, InvalidSubmission, JobNotFound, PayloadLost, QuarryError, RecordUnreadable, StoreUnavailable
from quarry.explanation import explanation
from quarry.ids import is_request_id
from quarry.job import Job, effective_status
from quarry.store.base import JobStore
from quarry.store.json_forms import result_json
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.tenants.keeping import Keeping
from quarry.tenants.privacy import GRACE

_log = get_logger(__name__)
#: Results of one lookup, together.
LOOKUP_RESULTS_MAX_BYTES: Final = 5 * 1024 * 1024
_NOT_FOUND: Final = "no such job"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Reads jobs of one tenant or another. `results_max_bytes`: of one lookup, together. A job whose time is over is none, wherever
    it still lies; `erasures` are told of answers that were read for the first time, where content is not stored.
    """

    store: JobStore
    results: Results
    waiters: Waiters
    clock: Clock
    results_max_bytes: int = LOOKUP_RESULTS_MAX_BYTES
    keeping: Keeping = field(default_factory=Keeping)
    erasures: Erasures | None = None

    async def get(self, tenant: str, request_id: str) -> Job:
        """One job, at every stage.

        Raises:
            JobNotFound: the id is malformed, unknown, erased, or another tenant's; which of them is not told.
            StoreUnavailable: try again.
        """
        job = await self.store.get(tenant, request_id) if is_request_id(request_id) else None
        if job is None or self._is_hidden(job):
            raise no_such_job()
        return job

    async def show(self, job: Job) -> dict[str, Any]:
        """A job as callers see it, with its result wherever that lies.

        Raises:
            PayloadLost: its result is gone.
            PayloadsUnavailable: try again.
        """
        now, until = self.clock.now(), self.keeping.ends_at(job)
        if not job.store_content and job.finished_at and not job.delivered_at:
            until = await self._delivered(job, now)
        stored = await self.results.show(job.result_object, until) if job.result_object else None
        return job_out(job, now, stored)

    async def _delivered(self, job: Job, now: datetime) -> datetime:
        """Note that the answer is read; returns until when it can be read again."""
        if self.erasures:
            # Should that fail, it is erased when its time is over all the same.
            with suppress(StoreUnavailable):
                await self.erasures.deliver(job, now, now + GRACE)
        return now + GRACE

    def _is_hidden(self, job: Job) -> bool:
        return job.erasing or self.keeping.is_over(job, self.clock.now())

    async def explain(self, tenant: str, request_id: str) -> dict[str, Any]:
        """The story of one job.

        Raises:
            JobNotFound, StoreUnavailable: as for `get`.
        """
        return explanation(await self.get(tenant, request_id), self.clock.now())

    async def wait(self, tenant: str, request_id: str, seconds: float, gone: Callable[[], Awaitable[None]]) -> Job:
        """One job, as soon as it is terminal, or as it stands when `seconds` are over or `gone` returns.

        Raises:
            JobNotFound, StoreUnavailable: as for `get`.
        """
        job = await self.get(tenant, request_id)
        if seconds <= 0 or effective_status(job, self.clock.now()).is_terminal:
            return job
        await self.waiters.wait(job, seconds, gone)
        return await self.get(tenant, request_id)

    async def list(self, tenant: str, query: ListQuery) -> dict[str, Any]:
        """A page of jobs, newest first.

        Raises:
            InvalidSubmission: the cursor is none of ours.
            StoreUnavailable: try again.
        """
        now, after = self.clock.now(), query.cursor and from_cursor(query.cursor)
        if query.created_after and query.created_after >= now:
            return {"jobs": [], "next_cursor": None}
        page = await self.store.list(
            tenant, status=query.status, created_after=query.created_after, limit=query.limit, after=after, now=now
        )
        for each in page.unreadable:
            _log.error(Event.RECORD_UNREADABLE, request_id=each, tenant=tenant)
        return {
            "jobs": [summary_out(job, now) for job in await self._readable(tenant, page.jobs, now)],
            "next_cursor": page.next_after and to_cursor(page.next_after),
        }

    async def _readable(self, tenant: str, jobs: Sequence[Job], now: datetime) -> Sequence[Job]:
        """Those whose time is not over. A list does not tell whose content is not stored: of jobs that would be over if theirs were
        not, the records are asked. Those are all that ended more than `keep_hours` ago: one batch read for such a page.
        """
        jobs = [job for job in jobs if not self.keeping.is_over(job, now)]
        doubtful = {job.request_id for job in jobs if self.keeping.is_over(replace(job, store_content=False), now)}
        stored = await self.store.storing_content(tenant, sorted(doubtful)) if doubtful else frozenset[str]()
        return [job for job in jobs if job.request_id in stored or job.request_id not in doubtful]

    async def look_up(self, tenant: str, request_ids: Sequence[str]) -> dict[str, Any]:
        """Jobs by id, in order, unknown ones with an `error`; results inline until they have as much as they may.

        Raises:
            StoreUnavailable, PayloadsUnavailable: try again.
        """
        found = await self.store.get_many(tenant, [each for each in request_ids if is_request_id(each)])
        left = self.results_max_bytes
        rows: list[Awaitable[dict[str, Any]]] = []
        for request_id in request_ids:
            if request_id in found.unreadable:
                rows.append(_unreadable(tenant, request_id))
                continue
            job = found.get(request_id)
            job = None if job and self._is_hidden(job) else job
            size = _shown_bytes(job) if job else 0
            rows.append(self._row(request_id, job, with_result=size <= left))
            left -= size if size <= left else 0
        return {"jobs": await asyncio.gather(*rows)}

    async def _row(self, request_id: str, job: Job | None, *, with_result: bool) -> dict[str, Any]:
        if job is None:
            return _failed(request_id, no_such_job())
        if not with_result:
            return job_out(job, self.clock.now()) | {"result": None, "result_omitted": True}
        try:
            return await self.show(job) | {"result_omitted": False}
        except PayloadLost as error:
            return _failed(request_id, error)


def no_such_job() -> JobNotFound:
    """There is none, or it is not the caller's: which of them is not told."""
    return JobNotFound(_NOT_FOUND)


def to_cursor(request_id: str) -> str:
    """Where a page begins, as callers carry it."""
    return base64.urlsafe_b64encode(bytes.fromhex(request_id)).rstrip(b"=").decode()


def from_cursor(cursor: str) -> str:
    """The reverse.

    Raises:
        InvalidSubmission: it was not made by `to_cursor`.
    """
    try:
        request_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).hex()
    except (binascii.Error, ValueError):
        request_id = ""
    # The decoder overlooks foreign characters.
    if not is_request_id(request_id) or to_cursor(request_id) != cursor:
        raise InvalidSubmission(FieldFault("cursor", "is not the `next_cursor` of a page"))
    return request_id


async def _unreadable(tenant: str, request_id: str) -> dict[str, Any]:
    _log.error(Event.RECORD_UNREADABLE, request_id=request_id, tenant=tenant)
    return _failed(request_id, RecordUnreadable(request_id))


def _failed(request_id: str, error: QuarryError) -> dict[str, Any]:
    told = item_error(error)
    return {"request_id": request_id, "error": {"code": told["code"], "message": told["message"]}}


def _shown_bytes(job: Job) -> int:
    """What a job's result adds to an answer; a URL does not count."""
    if job.result_object:
        return job.result_object.size_bytes if job.result_object.size_bytes <= SHOWN_MAX_BYTES else 0
    if job.result:
        return len(result_json(job.result).encode())
    return 0
