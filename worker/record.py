"""Recording what became of a job: before any settlement, shielded from cancellation, repeated until it is known to be done."""

import asyncio
from dataclasses import replace
from typing import Final

from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.errors import CancelRequested, ClaimRefused, JobChanged, LeaseLost, PayloadsUnavailable, StoreUnavailable
from quarry.job import Job, Succeeded, abandoned, advance, wordless
from quarry.queue.base import JobQueue
from quarry.queue.reminders import remind
from quarry.store.base import JobStore
from quarry.store.payloads import Payloads
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.tracing import OFF, Tracing
from worker.lease import HeldLease
from worker.outcome import LEASE_LOST, Release, Verdict, of_record_refusal, of_refusal, of_unavailable_store, of_unrecordable
from worker.payload import set_apart, to_set_apart

_log = get_logger(__name__)
#: While the table or the bucket is away: an answer in hand was paid for, so there is no last try.
_PATIENCE: Final = Backoff(base_seconds=0.1, ceiling_seconds=5)


class Recorder:
    """Writes verdicts into the table."""

    def __init__(
        self, store: JobStore, payloads: Payloads, clock: Clock, tracing: Tracing = OFF, reminders: JobQueue | None = None
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._clock = clock
        self._tracing = tracing
        self._reminders = reminders

    async def record(self, verdict: Verdict, held: HeldLease) -> tuple[Job, Verdict]:
        """Write a verdict on a held job; returns the job as written, and the verdict that stands.

        The write goes on where the caller is cancelled meanwhile; the cancellation is passed on afterwards.
        """
        with self._tracing.step("record"):
            writing = asyncio.ensure_future(self._until_known(verdict, held))
            try:
                return await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise

    async def record_refusal(self, refusal: ClaimRefused) -> tuple[Job | None, Verdict]:
        """Write what a refused claim means for its job (a passed deadline, say), which nobody holds.

        Where it has changed meanwhile, the delivery comes again at once and is judged anew; where the table is away, later.
        """
        now = self._clock.now()
        verdict, seen = of_refusal(refusal, now), refusal.job
        if verdict.record is None or seen is None:
            return seen, verdict
        job = advance(abandoned(seen), verdict.record, now)
        try:
            await self._store.replace(job, seen, now)
        except JobChanged:
            return seen, Verdict(None, Release(now, "job_changed"))
        except StoreUnavailable:
            return seen, of_unavailable_store(now, 1.0)
        if job.status.is_terminal and not job.store_content:
            await self._forget(job)
        await remind(self._reminders, job, now)
        return job, verdict

    async def _until_known(self, verdict: Verdict, held: HeldLease) -> tuple[Job, Verdict]:
        tries, held.answered = 0, isinstance(verdict.record, Succeeded)
        while verdict.record is not None:
            try:
                verdict = await self._set_apart(verdict, held)
                return await self._write(verdict, held), verdict
            except CancelRequested:
                verdict = of_record_refusal(verdict.record)
            except LeaseLost:
                return held.job, LEASE_LOST
            except (PayloadsUnavailable, StoreUnavailable) as error:
                if held.lost and isinstance(error, PayloadsUnavailable):
                    return held.job, LEASE_LOST  # while the bucket is away the table is not asked, but its renewals were
                tries += 1
                _log.warning(Event.RECORD_FAILED, error=str(error), tries=tries)
                await self._wait(tries, verdict)
            except Exception as error:
                # The table will never take it, or a bug of ours: what was paid for once must not be paid for again.
                _log.exception(Event.RECORD_REFUSED, error=type(error).__name__, outcome=type(verdict.record).__name__)
                if verdict == of_unrecordable():
                    raise  # not even that; the delivery comes again
                verdict = of_unrecordable()
        return held.job, verdict

    async def _set_apart(self, verdict: Verdict, held: HeldLease) -> Verdict:
        """The verdict as its record can hold it: with the content of a large answer in the bucket."""
        content = to_set_apart(verdict.record, store_content=held.job.store_content)
        if content is None or not isinstance(verdict.record, Succeeded):
            return verdict
        stored = await self._payloads.put(held.job.tenant, held.job.request_id, "result", content)
        return replace(verdict, record=set_apart(verdict.record, stored))

    async def _write(self, verdict: Verdict, held: HeldLease) -> Job:
        assert verdict.record is not None  # noqa: S101 - for the type checker
        job = advance(held.job, verdict.record, self._clock.now())
        job = job if job.store_content else wordless(job)
        await self._store.record(job, held.token)
        if job.status.is_terminal and not job.store_content:
            await self._forget(job)
        await remind(self._reminders, job, self._clock.now())
        return job

    async def _forget(self, job: Job) -> None:
        """What was asked goes at once; where that fails, with the rest, when the job's time is over."""
        try:
            await self._payloads.erase(job.tenant, job.request_id, "payload")
        except PayloadsUnavailable as error:
            _log.warning(Event.PAYLOAD_LEFT, error=str(error))

    async def _wait(self, tries: int, verdict: Verdict) -> None:
        try:
            await self._clock.sleep(_PATIENCE.wait(tries, 1.0).total_seconds())
        except asyncio.CancelledError:
            _log.error(Event.RECORD_ABANDONED, outcome=type(verdict.record).__name__)
            raise
