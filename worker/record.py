"""Recording what became of a job: before any settlement, shielded from cancellation, repeated until it is known to be done."""

import asyncio
from typing import Final

from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.errors import CancelRequested, ClaimRefused, JobChanged, LeaseLost, StoreUnavailable
from quarry.job import Job, abandoned, advance
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from worker.lease import HeldLease
from worker.outcome import LEASE_LOST, Release, Verdict, of_record_refusal, of_refusal

_log = get_logger(__name__)
#: While the table is away: an answer in hand was paid for, so there is no last try.
_PATIENCE: Final = Backoff(base_seconds=0.1, ceiling_seconds=5)


class Recorder:
    """Writes verdicts into the table."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def record(self, verdict: Verdict, held: HeldLease) -> tuple[Job, Verdict]:
        """Write a verdict on a held job; returns the job as written, and the verdict that stands.

        The write goes on where the caller is cancelled meanwhile; the cancellation is passed on afterwards.
        """
        writing = asyncio.ensure_future(self._until_known(verdict, held))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing
            raise

    async def record_refusal(self, refusal: ClaimRefused) -> tuple[Job | None, Verdict]:
        """Write what a refused claim means for its job (a passed deadline, say), which nobody holds.

        Where it has changed meanwhile, the delivery comes again at once and is judged anew.
        """
        now = self._clock.now()
        verdict, seen = of_refusal(refusal, now), refusal.job
        if verdict.record is None or seen is None:
            return seen, verdict
        job = advance(abandoned(seen), verdict.record, now)
        try:
            await self._store.replace(job, seen, now)
        except (JobChanged, StoreUnavailable) as error:
            return seen, Verdict(None, Release(now, f"record_refused_{type(error).__name__.lower()}"))
        return job, verdict

    async def _until_known(self, verdict: Verdict, held: HeldLease) -> tuple[Job, Verdict]:
        tries = 0
        while verdict.record is not None:
            job = advance(held.job, verdict.record, self._clock.now())
            try:
                await self._store.record(job, held.token)
            except CancelRequested:
                verdict = of_record_refusal(held.call_started)
            except LeaseLost:
                return held.job, LEASE_LOST
            except StoreUnavailable as error:
                tries += 1
                _log.warning(Event.RECORD_FAILED, error=str(error), tries=tries)
                await self._clock.sleep(_PATIENCE.wait(tries, 1.0).total_seconds())
            else:
                return job, verdict
        return held.job, verdict
