"""Giving up: the record says so first, then its dead letter can go. The job stays failed."""

import asyncio
from collections.abc import AsyncIterator

from quarry.clock import Clock
from quarry.deadletters.redrive import CHUNK, UNREADABLE, Done, Report, take
from quarry.errors import JobChanged
from quarry.job import Job, JobStatus, StatusReason, discarded
from quarry.store.base import JobStore


async def discard(
    store: JobStore, clock: Clock, report: Report, tenant: str, request_ids: AsyncIterator[str], *, dry_run: bool
) -> None:
    """Give up failed jobs.

    Raises:
        StoreUnavailable: what was told stands; a later run goes on.
    """
    while chunk := await take(request_ids, CHUNK):
        found = await store.get_many(tenant, chunk)
        notes = await asyncio.gather(*(_discard(store, clock, found.get(each), dry_run) for each in chunk))
        for request_id, note in zip(chunk, notes, strict=True):
            if request_id in found.unreadable:
                report.add(Done(request_id, "skipped", UNREADABLE))
            elif request_id not in found:
                report.add(Done(request_id, "unknown", "there is no such job"))
            else:
                report.add(Done(request_id, "skipped" if note else "discarded", note))


async def _discard(store: JobStore, clock: Clock, job: Job | None, dry_run: bool) -> str:
    """Why it was not done; empty where it was."""
    if job is None:
        return ""
    if job.status is not JobStatus.FAILED or job.status_reason is StatusReason.DISCARDED:
        return "it was discarded before" if job.status is JobStatus.FAILED else f"it is {job.status.value}"
    if not dry_run:
        try:
            await store.replace(discarded(job), job, clock.now())
        except JobChanged:
            return "it changed meanwhile"
    return ""
