"""Submitting: record first, then message, then the answer. A `202` means durable."""

from dataclasses import replace
from datetime import timedelta

from producer.schemas import Submission
from quarry.clock import Clock
from quarry.envelope import Envelope
from quarry.ids import new_request_id
from quarry.inference.routes import DEFAULT_ROUTE, Routes
from quarry.invocation import Invocation
from quarry.job import CHECK_AFTER, Job
from quarry.queue.base import JobQueue
from quarry.settings import JobSettings
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)


class Submitter:
    """Takes submissions of one tenant or another."""

    def __init__(self, store: JobStore, queue: JobQueue, routes: Routes, settings: JobSettings, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._routes = routes
        self._settings = settings
        self._clock = clock

    async def submit(self, tenant: str, submission: Submission) -> Job:
        """Make a job durable and put it on the queue.

        Raises:
            ModelNotAllowed: no route and no target has that model.
            QueueUnavailable: no message was sent, and the record was taken back, or will be made to run by the sweep.
            StoreUnavailable: the job could not be recorded.
        """
        job = self._job(tenant, submission)
        self._routes.resolve(job.model)
        await self._store.create(job)
        [failure] = await self._queue.send([Envelope(job.request_id, tenant, job.generation)])
        if failure:
            raise failure
        _log.info(Event.JOB_SUBMITTED, request_id=job.request_id, tenant=tenant, model=job.model)
        return job

    def _job(self, tenant: str, submission: Submission) -> Job:
        now, limits = self._clock.now(), self._settings
        invocation = Invocation(
            messages=({"role": "user", "content": [{"text": submission.prompt}]},),
            max_tokens=submission.max_tokens or limits.max_tokens,
        )
        job = Job(
            request_id=new_request_id(now),
            tenant=tenant,
            invocation=invocation,
            model=submission.model or DEFAULT_ROUTE,
            created_at=now,
            deadline_at=now + timedelta(seconds=submission.deadline_seconds or limits.deadline_seconds),
            available_at=now,
            max_attempts=submission.max_attempts or limits.max_attempts,
            custom_id=submission.custom_id,
            metadata=submission.metadata or {},
        )
        return replace(job, check_at=now + CHECK_AFTER)
