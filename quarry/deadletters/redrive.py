"""Putting failed jobs back to work: the record first, then the envelope; a dead letter goes when its record has gone on.

    replace ✓ ─ send ✓             redriven
    replace ✓ ─ crash, or send ?   redriven: the sweep sends it
    replace ?                      read again: it went through where the generation moved

Run again, it finds what is still failed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from quarry.clock import Clock
from quarry.errors import JobChanged, PayloadLost, QuarryError, StoreUnavailable
from quarry.job import Expired, Job, JobStatus, Redriven, advance, effective_status
from quarry.queue.base import Lanes
from quarry.queue.lanes import announce
from quarry.store.base import JobStore
from quarry.store.payloads import Payloads
from quarry.tenants.keeping import Keeping

#: How many jobs are under way at once, whatever the rate. Our own choice; one `get_many` of them stays small.
CHUNK: Final = 25
#: How often the canaries are looked at. Our own choice.
_WATCH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What a redriven job gets: time for it, and, where they are given, another budget and another route."""

    deadline: timedelta
    max_attempts: int | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one job (or would, in a dry run)."""

    request_id: str
    #: `redriven`, `skipped`, `discarded`.
    what: str
    note: str = ""


@dataclass(slots=True)
class Report:
    """What a run has done so far; `tell` is called with each step."""

    tell: Callable[[Done], None]
    counts: Counter[str] = field(default_factory=Counter)
    #: What became of jobs → the first and the last id of those.
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, done: Done) -> None:
        """Count it and tell."""
        self.counts[done.what] += 1
        self.ends[done.what] = self.ends.get(done.what, (done.request_id,))[0], done.request_id
        self.tell(done)


#: Why nothing is done with some jobs.
UNREADABLE: Final = "its record cannot be read by this version"


class CanaryFailed(QuarryError):
    """The first few failed again, or did not end in time: the others were left alone."""


def redriven(job: Job, terms: Terms, now: datetime) -> Job | str:
    """The job as it is put back to work, or why it is not."""
    if job.erasing:
        return "it is being erased, and cannot be put back to work"
    seen = effective_status(job, now)
    if seen is JobStatus.EXPIRED and seen is not job.status:
        job = advance(job, Expired(), now)  # as a worker would have written by and by
    if not job.store_content:
        return "its content is not stored: what it asked is gone"
    if job.status is JobStatus.COMPLETED or not job.status.is_terminal:
        return f"it is {job.status.value}" + (", redriven before" if job.generation else "")
    return advance(job, Redriven(now + terms.deadline, terms.max_attempts or job.max_attempts, terms.model), now)


class Redriver:
    """Redrives jobs of one tenant, at most `rate` a second."""

    def __init__(
        self,
        store: JobStore,
        payloads: Payloads,
        lanes: Lanes,
        clock: Clock,
        report: Report,
        tenant: str,
        terms: Terms,
        keeping: Keeping,
        *,
        rate: float,
        dry_run: bool,
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._lanes = lanes
        self._clock = clock
        self._report = report
        self._tenant = tenant
        self._terms = terms
        self._keeping = keeping
        self._rate = rate
        self._dry_run = dry_run
        self._next_at = clock.monotonic()

    async def run(self, request_ids: AsyncIterator[str], canary: int, patience: timedelta) -> None:
        """Redrive all, the first `canary` (0: none) before the others, which follow only if those do not fail again.

        Raises:
            CanaryFailed: they did, or had not ended when `patience` was over.
            TransportError: AWS does not answer. What was told stands; a later run goes on.
        """
        probes: list[Job] = []
        while not self._dry_run and len(probes) < canary and (chunk := await take(request_ids, canary - len(probes))):
            probes += await self._redrive(chunk)
        if (first := await anext(request_ids, None)) is None:
            return
        if probes:
            await self._watch(probes, patience)
        await self._redrive([first])
        while chunk := await take(request_ids, max(1, min(CHUNK, int(self._rate)))):
            await self._redrive(chunk)

    async def _redrive(self, request_ids: Sequence[str]) -> list[Job]:
        """Those of them that were put back to work."""
        await self._clock.sleep(self._next_at - self._clock.monotonic())
        self._next_at = max(self._next_at, self._clock.monotonic()) + len(request_ids) / self._rate
        found = await self._store.get_many(self._tenant, request_ids)
        for each in request_ids:
            if each in found.unreadable:
                self._report.add(Done(each, "skipped", UNREADABLE))
        readable = [each for each in request_ids if each not in found.unreadable]
        written = await asyncio.gather(*(self._write(each, found.get(each)) for each in readable))
        jobs = [job for job in written if job]
        if self._dry_run:
            return jobs
        failures = await announce(self._lanes, *jobs)
        for failure in filter(None, failures):
            raise failure
        return jobs

    async def _write(self, request_id: str, seen: Job | None) -> Job | None:
        """The successor of a job, on record; None where it is skipped."""
        now = self._clock.now()
        job = redriven(seen, self._terms, now) if seen else "there is no such job"
        if seen and self._keeping.is_over(seen, now):
            job = "its time is over: it is erased, or will be"
        if seen and isinstance(job, Job) and not self._dry_run:
            job = await self._replace(job, seen)
        if isinstance(job, str):
            self._report.add(Done(request_id, "unknown" if seen is None else "skipped", job))
            return None
        reason = seen.status_reason.value if seen and seen.status_reason else seen.status.value if seen else ""
        self._report.add(Done(request_id, "redriven", f"{reason}, generation {job.generation}"))
        return job

    async def _replace(self, job: Job, seen: Job) -> Job | str:
        try:
            if job.payload:
                # It was to expire some time after the first deadline.
                await self._payloads.refresh(job.payload)
            await self._store.replace(job, seen, self._clock.now())
        except PayloadLost:
            return "its payload is gone"
        except (JobChanged, StoreUnavailable) as error:
            fresh = await self._store.get(job.tenant, job.request_id)
            if fresh and fresh.generation >= job.generation:
                return fresh  # by our own first try, whose answer was lost, or by somebody else: its message does no harm
            if isinstance(error, StoreUnavailable):
                raise
            return f"it changed meanwhile, and is {fresh.status.value}" if fresh else "it is gone"
        return job

    async def _watch(self, probes: Iterable[Job], patience: timedelta) -> None:
        """Wait until all have ended well."""
        end = self._clock.monotonic() + patience.total_seconds()
        ids = [job.request_id for job in probes]
        while True:
            jobs = (await self._store.get_many(self._tenant, ids)).values()
            bad = [job.request_id for job in jobs if effective_status(job, self._clock.now()) in _BAD]
            if bad:
                raise CanaryFailed(f"{len(bad)} of the first {len(ids)} failed again ({bad[0]}); the others were left alone")
            if all(job.status.is_terminal for job in jobs):
                return
            if self._clock.monotonic() >= end:
                open_ = sum(not job.status.is_terminal for job in jobs)
                raise CanaryFailed(f"{open_} of the first {len(ids)} have not ended yet; the others were left alone")
            await self._clock.sleep(_WATCH_SECONDS)


_BAD: Final = frozenset({JobStatus.FAILED, JobStatus.EXPIRED})


async def take(ids: AsyncIterator[str], count: int) -> list[str]:
    """Up to `count` of what comes next."""
    taken: list[str] = []
    while len(taken) < count and (each := await anext(ids, None)) is not None:
        taken.append(each)
    return taken
