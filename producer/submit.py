"""Submitting: the record first, then the message, then the answer. A `202` means durable.

    create ✓ ─ send ✓                              accepted
    create ✓ ─ send known refused ─ withdraw ✓     refused: nothing is left
    create ?, send ? or withdraw ?                 undecided: the caller gets the request_id, and where there is a record,
                                                   the sweep makes it run

A keyed submission may meet its own replay on the way. The replay *touches* a job that nobody has taken yet before it answers,
so that the first submission, should its send be refused, cannot withdraw what the replay has promised.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from producer import admission, idempotency
from producer.problems import kind_of, whereabouts
from quarry.clock import Clock
from quarry.envelope import Envelope
from quarry.errors import (
    IdempotencyConflict,
    JobChanged,
    StoreUnavailable,
    SubmissionError,
    SubmissionUndecided,
    TransportError,
)
from quarry.ids import new_request_id
from quarry.inference.routes import Routes
from quarry.job import Job, JobStatus
from quarry.queue.base import JobQueue
from quarry.settings import JobSettings
from quarry.store.base import IdempotencyKey, JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import ProducerMetrics

_log = get_logger(__name__)

#: How often a key that is in somebody's hands is looked at again.
_KEY_TRIES: Final = 4
#: Bulk: the event loop gets a turn after this many submissions were checked.
_CHECKS_PER_TURN: Final = 20


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable job. `replayed` where an earlier submission with the same key had made it."""

    job: Job
    replayed: bool = False


class Submitter:
    """Takes submissions."""

    def __init__(
        self, store: JobStore, queue: JobQueue, routes: Routes, limits: JobSettings, clock: Clock, metrics: ProducerMetrics
    ) -> None:
        self._store = store
        self._queue = queue
        self._routes = routes
        self._limits = limits
        self._clock = clock
        self._metrics = metrics

    async def submit(self, tenant: str, body: object, header_key: str | None = None) -> Accepted:
        """Make a job durable and put it on the queue. `header_key` is an idempotency key given beside the body.

        Raises:
            SubmissionError: the caller's fault; nothing was stored.
            TransportError: nothing was stored, except with SubmissionUndecided.
        """
        try:
            accepted = await self._submit(tenant, body, header_key)
        except Exception as error:
            self._metrics.submissions.labels(kind_of(error).code).inc()
            raise
        self._metrics.submissions.labels("replayed" if accepted.replayed else "accepted").inc()
        return accepted

    async def submit_many(self, tenant: str, bodies: Sequence[object]) -> list[Accepted | Exception]:
        """Each submission by itself, in order: accepted, or what was wrong with it. They share batches to AWS."""
        tasks: list[asyncio.Task[Accepted]] = []
        for i, body in enumerate(bodies, start=1):
            tasks.append(asyncio.create_task(self.submit(tenant, body)))
            if i % _CHECKS_PER_TURN == 0:
                await asyncio.sleep(0)
        return [_verdict(each) for each in await asyncio.gather(*tasks, return_exceptions=True)]

    async def _submit(self, tenant: str, body: object, header_key: str | None) -> Accepted:
        submission, invocation = admission.read(body, self._limits, self._routes)
        key = idempotency.agreed(header_key, submission.idempotency_key)
        now = self._clock.now()
        job = admission.job_of(submission, invocation, tenant=tenant, request_id=new_request_id(now), limits=self._limits, now=now)
        if key is not None:
            assert isinstance(body, dict)  # noqa: S101 - it was read
            return await self._submit_keyed(job, idempotency.made(tenant, key, body, now))
        with _decided(job):
            await self._store.create(job)
        return await self._announce(job, None)

    async def _submit_keyed(self, job: Job, key: IdempotencyKey) -> Accepted:
        for _ in range(_KEY_TRIES):
            with _decided(job):
                holder = await self._store.create_with_key(job, key, job.created_at)
            if holder is None:
                return await self._announce(job, key)
            if holder.fingerprint != key.fingerprint:
                raise IdempotencyConflict("the idempotency key is in use for a submission with another body")
            held = await self._store.get(job.tenant, holder.request_id)
            if held is not None and (held.revision > job.revision or await self._touched(held)):
                return await self._replay(held)
            # It was withdrawn or touched meanwhile: look again.
        raise IdempotencyConflict("the job that this idempotency key stands for is gone; use another key")

    async def _touched(self, job: Job) -> bool:
        """Make sure that nobody withdraws a job which is as it was created. False where it moved meanwhile."""
        try:
            await self._store.replace(replace(job, revision=job.revision + 1), job, self._clock.now())
        except JobChanged:
            return False
        return True

    async def _replay(self, job: Job) -> Accepted:
        """A job that a key already stands for. Where nobody has taken it yet, its message may be lost: another one costs little."""
        if job.status is JobStatus.QUEUED and job.started_at is None:
            [failure] = await self._queue.send([Envelope(job.request_id, job.tenant, job.generation)])
            if failure:
                raise SubmissionUndecided(job.request_id) from failure
        _log.info(Event.JOB_REPLAYED, request_id=job.request_id, tenant=job.tenant)
        return Accepted(job, replayed=True)

    async def _announce(self, job: Job, key: IdempotencyKey | None) -> Accepted:
        [failure] = await self._queue.send([Envelope(job.request_id, job.tenant, job.generation)])
        if failure is None:
            _log.info(Event.JOB_SUBMITTED, request_id=job.request_id, tenant=job.tenant, model=job.model)
            return Accepted(job)
        if failure.applied is False and await self._withdraw(job, key):
            _log.warning(Event.JOB_WITHDRAWN, request_id=job.request_id, error=str(failure))
            raise failure
        raise SubmissionUndecided(job.request_id) from failure

    async def _withdraw(self, job: Job, key: IdempotencyKey | None) -> bool:
        try:
            return await self._store.withdraw(job, key)
        except StoreUnavailable:
            return False


@contextmanager
def _decided(job: Job) -> Iterator[None]:
    """A write that may or may not have happened leaves the job undecided."""
    try:
        yield
    except StoreUnavailable as error:
        if error.applied is False:
            raise
        raise SubmissionUndecided(job.request_id) from error


def _verdict(outcome: Accepted | BaseException) -> Accepted | Exception:
    if isinstance(outcome, Accepted):
        return outcome
    if not isinstance(outcome, Exception):
        raise outcome
    if not isinstance(outcome, SubmissionError | TransportError):
        # A bug. The other items have been accepted, and their callers must learn their ids.
        _log.error(Event.REQUEST_FAILED, route="/v1/jobs/bulk", error=whereabouts(outcome))
    return outcome
