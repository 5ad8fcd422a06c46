"""Submitting: the record first, then the message, then the answer. A `202` means durable.

    put ✗                                          refused: nothing points to what may have been stored, and it expires
    create ✓ ─ send ✓                              accepted
    create ✓ ─ send known refused ─ withdraw ✓     refused: nothing is left
    create ?, send ? or withdraw ?                 undecided: the caller gets the request_id, and where there is a record,
                                                   the sweep makes it run

A keyed submission may meet its own replay on the way. The replay *touches* a job that nobody has taken yet before it answers,
so that the first submission, should its send be refused, cannot withdraw what the replay has promised.

A large payload is put into the store of objects before anything else. A replay of such a submission needs nothing put: its key is
looked up first.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from producer import admission, idempotency
from producer.admission import NOBODY, Telling
from producer.body import Body
from producer.limiting import Limiter
from producer.problems import kind_of, whereabouts
from producer.replays import Replays
from quarry.clock import Clock
from quarry.errors import (
    IdempotencyConflict,
    JobChanged,
    RateLimited,
    StoreUnavailable,
    SubmissionError,
    SubmissionUndecided,
    TransportError,
)
from quarry.ids import new_request_id
from quarry.inference.routes import Routes
from quarry.invocation import Invocation
from quarry.job import Job, JobStatus
from quarry.queue.base import Lanes
from quarry.queue.lanes import announce
from quarry.settings import JobSettings
from quarry.store.base import IdempotencyKey, JobStore, KeyHolder
from quarry.store.expressions import digest
from quarry.store.payloads import INLINE_MAX_BYTES, Payloads
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import ProducerMetrics
from quarry.telemetry.tracing import OFF, Tracing
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants

_log = get_logger(__name__)

#: How often a key that is in somebody's hands is looked at again.
_KEY_TRIES: Final = 4
#: Bulk: the event loop gets a turn after this many submissions were checked.
_CHECKS_PER_TURN: Final = 20
#: Instructions of RE2's at worst, which others wait for: a tenth of a second. Our own choice.
_SEARCH_MAX: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable job. `replayed` where an earlier submission with the same key had made it."""

    job: Job
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose the key of a submission was that was not let in: it may be answered with that job, and makes none."""

    holder: KeyHolder
    refusal: RateLimited


class Submitter:
    """Takes submissions."""

    def __init__(
        self,
        store: JobStore,
        payloads: Payloads,
        lanes: Lanes,
        routes: Routes,
        tenants: Tenants,
        limits: JobSettings,
        clock: Clock,
        metrics: ProducerMetrics,
        tracing: Tracing = OFF,
        limiter: Limiter | None = None,
        telling: Telling = NOBODY,
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._lanes = lanes
        self._routes = routes
        self.tenants = tenants
        self._keeping = Keeping(tenants, timedelta(days=limits.retention_days))
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self.limiter = limiter or Limiter(store, tenants, clock)
        self._telling = telling
        self._replays = Replays(clock)
        # One at a time: what it needs of memory on the way is needed once.
        self._reading = asyncio.Semaphore(1)

    async def submit(self, tenant: str, body: object, header_key: str | None = None, *, large: bool = False) -> Accepted:
        """Make a job durable and put it on the queue.

        Args:
            tenant: whose job it is.
            body: JSON, or a `Body`, which is read once.
            header_key: an idempotency key given beside the body.
            large: whether to check it in a thread, while others are served; a `Body` knows.

        Raises:
            SubmissionError: the caller's fault; nothing was stored.
            TransportError: nothing was stored, except with SubmissionUndecided.
        """
        try:
            accepted = await self._submit(tenant, body, header_key, large)
        except Exception as error:
            self._metrics.submissions.labels(kind_of(error).code).inc()
            raise
        self._metrics.submissions.labels("replayed" if accepted.replayed else "accepted").inc()
        return accepted

    async def submit_many(self, tenant: str, bodies: Sequence[object], *, large: bool = False) -> list[Accepted | Exception]:
        """Each submission by itself, in order: accepted, or what was wrong with it. They share batches to AWS."""
        tasks: list[asyncio.Task[Accepted]] = []
        for i, body in enumerate(bodies, start=1):
            tasks.append(asyncio.create_task(self.submit(tenant, body, large=large)))
            if i % _CHECKS_PER_TURN == 0:
                await asyncio.sleep(0)
        return [_verdict(each) for each in await asyncio.gather(*tasks, return_exceptions=True)]

    async def _submit(self, tenant: str, body: object, header_key: str | None, large: bool) -> Accepted:
        read = partial(self._read, tenant, body, header_key)
        if large or self._takes_long(tenant, body):
            async with self._reading:
                job, content, key = await asyncio.to_thread(read)
        else:
            job, content, key = read()
        known = await self._let_in(job, key)
        with self._in_its_place(tenant, is_new=known is None):
            if known is None:
                job = await self._put_on_a_lane(job)
            with self._tracing.creation(job) as span:
                job = replace(job, traceparent=span.traceparent) if span.traceparent else job
                accepted = await self._made_durable(job, content, key, known)
                if accepted.replayed:
                    if known is None:
                        self.limiter.leave(tenant, job.priority)
                    span.tell({"quarry.request_id": accepted.job.request_id, "quarry.replayed": True})
                return accepted

    async def _let_in(self, job: Job, key: IdempotencyKey | None) -> _Known | None:
        """Hold a submission against the tenant's limits; returns whose its key is, where it passes them since that made a job."""
        try:
            await self.limiter.enter(job.tenant)
        except RateLimited as refusal:
            if key is None or not self._replays.may_look(job.tenant):
                raise
            if (holder := await self._store.key_holder(key, job.created_at)) is None:
                raise
            return _Known(holder, refusal)
        return None

    @contextmanager
    def _in_its_place(self, tenant: str, *, is_new: bool) -> Iterator[None]:
        """What has failed and certainly made no job is not under way. As a request it counts."""
        try:
            yield
        except SubmissionUndecided:
            raise
        except Exception:
            if is_new:
                self.limiter.give_up(tenant)
            raise

    async def _put_on_a_lane(self, job: Job) -> Job:
        """The job with the priority that its tenant's limits leave it."""
        lane = await self.limiter.lane(job.tenant, job.priority)
        return job if lane is job.priority else replace(job, priority=lane, demoted_from=job.priority)

    def _takes_long(self, tenant: str, body: object) -> bool:
        """Whether a body is worth a thread: it is large, or long to be searched. One that is parsed has come with others."""
        weight = self.tenants.of(tenant).guard.weight
        return (body.large or body.size_bytes * weight > _SEARCH_MAX) if isinstance(body, Body) else bool(weight)

    async def _made_durable(self, job: Job, content: bytes, key: IdempotencyKey | None, known: _Known | None) -> Accepted:
        if key is not None:
            return await self._submit_keyed(job, content, key, known)
        job = await self._set_apart(job, content)
        with _decided(job):
            await self._store.create(job)
        return await self._announce(job, None)

    def _read(self, tenant: str, body: object, header_key: str | None) -> tuple[Job, bytes, IdempotencyKey | None]:
        """A job, its invocation as it is stored, and its key. Of a large invocation, nothing else is left."""
        value, now = body.parse() if isinstance(body, Body) else body, self._clock.now()
        policy = self.tenants.of(tenant)
        admitted = admission.read(value, self._limits, self._routes, policy, self._telling)
        name = idempotency.agreed(header_key, admitted.submission.idempotency_key)
        key = None
        if name is not None and isinstance(value, dict):
            key = idempotency.made(tenant, name, idempotency.fingerprint(value), now)
        request_id, told = new_request_id(now), self._telling
        job = admission.job_of(
            admitted, tenant=tenant, request_id=request_id, limits=self._limits, now=now, policy=policy, telling=told
        )
        if key is not None:
            job = replace(job, key_digest=digest(key.key))
        return job if _stays(job, admitted.content) else replace(job, invocation=Invocation()), admitted.content, key

    async def _set_apart(self, job: Job, content: bytes) -> Job:
        """The job as its record has it, a large payload being where the record says."""
        if job.payload or _stays(job, content):
            return job
        return replace(job, payload=await self._payloads.put(job.tenant, job.request_id, "payload", content))

    async def _submit_keyed(self, job: Job, content: bytes, key: IdempotencyKey, known: _Known | None) -> Accepted:
        holder = known.holder if known else None
        # The transaction tells as well, but only once the payload is put, and by a write.
        if holder is None and (not _stays(job, content) or self._replays.is_recent(key)):
            holder = await self._store.key_holder(key, job.created_at)
        for _ in range(_KEY_TRIES):
            if holder is None:
                job = await self._set_apart(job, content)
                with _decided(job):
                    holder = await self._store.create_with_key(job, key, job.created_at)
            if holder is None:
                return await self._announce(job, key)
            if holder.fingerprint != key.fingerprint:
                raise IdempotencyConflict("the idempotency key is in use for a submission with another body")
            held = await self._store.get(job.tenant, holder.request_id)
            if held is not None and (held.erasing or self._keeping.is_over(held, self._clock.now())):
                break
            if held is not None and (held.revision > job.revision or await self._touched(held)):
                return await self._replay(held, key)
            holder = None  # it was withdrawn or touched meanwhile: look again
            if known and (holder := await self._store.key_holder(key, job.created_at)) is None:
                raise known.refusal  # this would be a new job
        raise IdempotencyConflict("the job that this idempotency key stands for is gone; use another key")

    async def _touched(self, job: Job) -> bool:
        """Make sure that nobody withdraws a job which is as it was created. False where it moved meanwhile."""
        try:
            await self._store.replace(replace(job, revision=job.revision + 1), job, self._clock.now())
        except JobChanged:
            return False
        return True

    async def _replay(self, job: Job, key: IdempotencyKey) -> Accepted:
        """A job that a key already stands for. Where nobody has taken it yet, its message may be lost: another one now and then
        costs little.
        """
        if not self._replays.is_recent(key):
            with self._replays.noted(key):
                if job.status is JobStatus.QUEUED and job.started_at is None:
                    [failure] = await announce(self._lanes, job)
                    if failure:
                        raise SubmissionUndecided(job.request_id) from failure
        _log.info(Event.JOB_REPLAYED, request_id=job.request_id, tenant=job.tenant)
        return Accepted(job, replayed=True)

    async def _announce(self, job: Job, key: IdempotencyKey | None) -> Accepted:
        with self._tracing.sending(job) as span:
            [failure] = await announce(self._lanes, job)
            if failure:
                span.fail(type(failure).__name__)
        if failure is None:
            _log.info(
                Event.JOB_SUBMITTED, request_id=job.request_id, tenant=job.tenant, model=job.model, priority=job.priority.value
            )
            return Accepted(job)
        if key is not None:
            self._replays.forget(key)  # what is known of it is of an earlier job: the next replay sends
        if failure.applied is False and await self._withdraw(job, key):
            _log.warning(Event.JOB_WITHDRAWN, request_id=job.request_id, error=str(failure))
            raise failure
        raise SubmissionUndecided(job.request_id) from failure

    async def _withdraw(self, job: Job, key: IdempotencyKey | None) -> bool:
        try:
            return await self._store.withdraw(job, key)
        except StoreUnavailable:
            return False


def _stays(job: Job, content: bytes) -> bool:
    """Whether the record carries it."""
    return job.store_content and len(content) <= INLINE_MAX_BYTES


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
