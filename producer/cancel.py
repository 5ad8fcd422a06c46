"""Cancelling: at once where nobody works the job, else by leaving word for the worker that holds it."""

from dataclasses import dataclass
from typing import Final

from producer.lookup import Lookup
from quarry.clock import Clock
from quarry.errors import JobChanged, NotCancellable, StoreUnavailable
from quarry.job import Cancelled, Job, JobStatus, abandoned, advance, effective_status
from quarry.queue.base import JobQueue
from quarry.queue.reminders import remind
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

#: How often a job that moves under our hands is read again. It moves a few times in its life.
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Canceller:
    """Carries out the wish to stop a job."""

    store: JobStore
    lookup: Lookup
    clock: Clock
    reminders: JobQueue | None = None

    async def cancel(self, tenant: str, request_id: str) -> tuple[Job, bool]:
        """Cancel a job; (the job, whether it was cancelled already). Repeating it is harmless.

        Raises:
            JobNotFound: as for a read.
            NotCancellable: the job is over, and was not cancelled.
            StoreUnavailable: try again.
        """
        for _ in range(_TRIES):
            job, now = await self.lookup.get(tenant, request_id), self.clock.now()
            status = effective_status(job, now)
            if status is JobStatus.CANCELLED:
                return job, True
            if status.is_terminal:
                raise NotCancellable(f"the job is {status.value}")
            try:
                return await self._cancel(job), False
            except JobChanged:
                continue
        raise StoreUnavailable("the job keeps changing", applied=False)

    async def _cancel(self, job: Job) -> Job:
        now = self.clock.now()
        if job.is_held(now):
            asked = await self.store.request_cancel(job)
            _log.info(Event.CANCEL_REQUESTED, request_id=job.request_id, tenant=job.tenant)
            return asked
        cancelled = advance(abandoned(job), Cancelled(), now)
        await self.store.replace(cancelled, job, now)
        _log.info(Event.JOB_CANCELLED, request_id=job.request_id, tenant=job.tenant)
        await remind(self.reminders, cancelled, now)
        return cancelled
