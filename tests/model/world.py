"""A whole Quarry in one event loop: the real verbs of an API and of several workers, on the fakes, under a clock of our own.

Its methods are the steps that the model takes. Nothing here decides what happens: equal steps give equal runs.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast

import pytest
import structlog
from prometheus_client import CollectorRegistry

from producer.cancel import Canceller
from producer.lookup import Lookup
from producer.submit import Submitter
from quarry import ids
from quarry.deadletters.discard import discard
from quarry.deadletters.redrive import Redriver, Report, Terms
from quarry.envelope import Envelope
from quarry.errors import (
    AccessDenied,
    InvocationError,
    InvocationRejected,
    InvocationTimedOut,
    ModelFailed,
    PayloadsUnavailable,
    ProviderUnavailable,
    QuarryError,
    QueueUnavailable,
    StoreUnavailable,
    Throttled,
)
from quarry.job import CLOCK_MARGIN, JobStatus, Priority
from quarry.queue.base import JobQueue, Lanes, visibility_for
from quarry.settings import JobSettings
from quarry.store.base import JobStore
from quarry.store.payloads import INLINE_MAX_BYTES, Payloads
from quarry.telemetry.metrics import ProducerMetrics
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.testing import MemoryErasures, MemoryPayloads, MemoryQueue, MemoryStore, a_completion
from tests.model.fleet import ROUTES, Worker
from tests.model.promises import LEASE_SECONDS, Call, Promises
from tests.model.rest import can_wait, check_the_end, unfinished
from tests.model.wire import Actor, Mishap, QuickClock, What, Wire, note_tasks
from worker.outcome import Interruption

T = TypeVar("T")
#: More than the record holds.
LARGE: Final = "large " * (INLINE_MAX_BYTES // 5)
#: Errors that a call can end in, by name.
ERRORS: Final[dict[str, type[InvocationError]]] = {
    "throttled": Throttled,
    "unavailable": ProviderUnavailable,
    "failed": ModelFailed,
    "timed out": InvocationTimedOut,
    "rejected": InvocationRejected,
    "denied": AccessDenied,
}


class _Numbers:
    """In the place of what makes ids and tokens: equal runs have equal ones. The functions are named as in the libraries."""

    def __init__(self) -> None:
        self._made = 0

    def token_hex(self, size_bytes: int) -> str:
        """A token."""
        self._made += 1
        return f"{self._made:0{2 * size_bytes}x}"

    def uuid7(self, nanoseconds: int) -> Any:
        """A request id."""
        self._made += 1
        return SimpleNamespace(hex=f"{nanoseconds // 1_000_000:012x}70008{self._made:015x}")


class World:
    """One run."""

    def __init__(self, seed: int, workers: int = 3, skew_seconds: float = 2.4) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(ids, "secrets", numbers := _Numbers())
        self._patch.setattr(ids, "uuid_utils", numbers)
        self._loop = asyncio.new_event_loop()
        note_tasks(self._loop)
        self.clock = QuickClock()
        self.queue = MemoryQueue(self.clock, visibility=visibility_for(LEASE_SECONDS), seed=seed)
        self.store = MemoryStore()
        self.erasures = MemoryErasures(self.store)
        self.payloads = MemoryPayloads()
        self.promises = Promises(self.store, self.clock)
        #: Every worker that ever was, the dead and the drained too.
        self.workers: list[Worker] = []
        #: Ids of the jobs that a 202 was given for.
        self.accepted: set[str] = set()
        #: Calls are answered at once.
        self.calm = False
        self.mishaps: list[Mishap] = []
        self.start_api()
        self._skew_seconds = skew_seconds
        self.promises.clocks_agree = 2 * skew_seconds <= CLOCK_MARGIN.total_seconds()
        self._step(self._start_workers(workers))

    # --- steps --------------------------------------------------------------------------------------------------------

    def start_api(self) -> None:
        """A new API process."""
        self.api = api = Actor("api", self.clock, lambda: None, self.mishaps)
        store, payloads, lanes = self.wires(api)
        self._submitter = Submitter(
            store, payloads, lanes, ROUTES, Tenants(), JobSettings(), api.view, ProducerMetrics(CollectorRegistry())
        )
        # A cancel reads one job, and waits for none.
        self._canceller = Canceller(store, Lookup(store, cast("Any", None), cast("Any", None), api.view), api.view)

    def submit(self, max_attempts: int, deadline_seconds: int, large: bool, key: str | None = None) -> None:
        """A caller submits; whether anything comes of it depends on what is arranged."""
        body = {"prompt": LARGE if large else "small", "max_attempts": max_attempts, "deadline_seconds": deadline_seconds}

        async def submit() -> None:
            try:
                accepted = await self._submitter.submit("default", body, key)
            except QuarryError:
                return
            self.accepted.add(accepted.job.request_id)

        self._request(submit())

    def cancel(self, number: int) -> None:
        """A caller cancels a job."""
        if jobs := self.store.jobs:
            self._request(_try(self._canceller.cancel("default", jobs[number % len(jobs)].request_id)))

    def submit_with_key(self, key: str) -> None:
        """A caller submits under a key: one key, one body."""
        self.submit(3, 86_400, key == "b", key)

    def submit_twice(self, key: str, mishap: Mishap) -> None:
        """A caller does not wait for the first answer, to which something happens; the workers are busy meanwhile."""
        awake = [worker.actor for worker in self.alive if worker.actor.running.is_set()]
        for actor in awake:
            actor.running.clear()
        self.arrange(mishap)
        self.submit_with_key(key)
        self.submit_with_key(key)
        self.arrive()
        for actor in awake:
            actor.running.set()
        self._step(self.clock.settle())

    def cancel_slowly(self, number: int) -> None:
        """Between the read and the write of a cancel, anything may happen."""
        self.arrange(Mishap("replace", What.STALL_BEFORE))
        self.cancel(number)

    def redrive(self, number: int) -> None:
        """An operator puts a job back to work that is over."""
        if over := [job for job in self.store.jobs if job.status.is_terminal]:
            report, terms = Report(lambda done: None), Terms(timedelta(days=1))
            redriver = Redriver(*self.wires(self.api), self.api.view, report, "default", terms, Keeping(), rate=1000, dry_run=False)
            self._request(_try(redriver.run(_one(over[number % len(over)].request_id), 0, timedelta(0))))

    def discard(self, number: int) -> None:
        """An operator gives a job up."""
        if over := [job for job in self.store.jobs if job.status.is_terminal]:
            store, report = self.wires(self.api)[0], Report(lambda done: None)
            one = _one(over[number % len(over)].request_id)
            self._request(_try(discard(store, self.api.view, report, "default", one, dry_run=False)))

    def answer(self, number: int, how: str) -> None:
        """A model call ends: in an answer, in a large one, or in an error of that name."""
        calls = [call for call in self.promises.calls if call.is_open]
        if calls:
            self._step(self._answer(calls[number % len(calls)], how))

    def arrange(self, mishap: Mishap) -> None:
        """Let something happen, some time."""
        self.mishaps.append(mishap)

    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self._step(self.clock.advance(seconds))

    def cut_off(self, renewals: int, seconds: float) -> None:
        """So many renewals get lost, while time passes."""
        self.arrange(Mishap("renew", What.LOSE_REQUEST, times=renewals))
        self.pass_time(seconds)

    def crash(self, number: int) -> None:
        """A worker is killed, and started anew."""
        if self.alive:
            self._step(self._kill(self.alive[number % len(self.alive)]))

    def pause(self, number: int, seconds: float) -> None:
        """A worker stands still, and will for so long at least; time goes on."""
        if self.alive:
            self.alive[number % len(self.alive)].actor.running.clear()
        self.pass_time(seconds)

    def resume(self) -> None:
        """Whoever stands still goes on."""
        for actor in self._actors:
            actor.running.set()
        self._step(self.clock.settle())

    def arrive(self) -> None:
        """What is long under way arrives."""
        for actor in self._actors:
            for stalled in actor.stalled:
                stalled.set()
            actor.stalled.clear()
        self._step(self.clock.settle())

    def overtake(self, number: int, seconds: float) -> None:
        """A worker stands still for so long, while the messages in flight come once more."""
        self.pause(number, seconds)
        self.deliver_again()

    def drain(self, number: int, cut: bool) -> None:
        """A worker receives no more; it may finish what it has, or is cut."""
        if self.alive:
            worker = self.alive[number % len(self.alive)]
            if cut:
                worker.leases.interrupt_all(Interruption.DRAINING)
            worker.draining = True
            worker.loop.stop()
            self._step(self.clock.settle())

    def jump(self, number: int, direction: int) -> None:
        """A worker's wall clock is set: ahead, behind, or right."""
        if self.alive:
            self.alive[number % len(self.alive)].actor.view.offset_seconds = direction * self._skew_seconds

    def send_again(self, number: int, generation: int) -> None:
        """An envelope comes from nowhere: a replay, a tool, a copy that SQS kept."""
        if jobs := self.store.jobs:
            job = jobs[number % len(jobs)]
            self.queue.put(Envelope(job.request_id, job.tenant, min(generation, job.generation)).to_wire())
        else:
            self.queue.put("no envelope")
        self._step(self.clock.settle())

    def deliver_again(self) -> None:
        """Everything in flight comes once more."""
        self.queue.deliver_again()
        self._step(self.clock.settle())

    def purge(self) -> None:
        """An operator drops every message."""
        self.queue.purge()

    def weather(self, rate: float, seed: int) -> None:
        """Calls of both services fail by chance, and messages come twice."""
        self.queue.fail_at_random(rate, seed)
        self.store.fail_at_random(rate, seed + 1)
        self.payloads.fail_at_random(rate, seed + 2)
        self.queue.duplicates = rate

    def outage(self, hours: float, times: int = 1) -> None:
        """Every worker dies, and the next ones come after so long; so many times."""
        for _ in range(times):
            self._step(self._outage(hours * 3600))

    # --- the end ------------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Nothing goes wrong any more; then every promise must be kept."""
        self.weather(0, 0)
        self.mishaps.clear()
        for worker in self.alive:
            worker.actor.view.offset_seconds = 0.0
        self.calm, began = True, self.clock.now()
        patient = {job.request_id for job in unfinished(self.store) if can_wait(job, began)}
        self.resume()
        self.arrive()
        for call in self.promises.calls:
            if call.is_open:
                self._step(self._answer(call, "answer"))
        for round_ in range(12):
            self.pass_time(60)
            if not unfinished(self.store) and not self.queue.bodies:
                break
            if round_ >= 8:  # what was looked at long ago is looked at again after as long
                self.outage(13)
        if any(job.request_id in patient and job.status is JobStatus.EXPIRED for job in self.store.jobs):
            self.promises.breach("P1", "a job was forgotten until it expired")
        check_the_end(self)
        self._raise()

    def close(self) -> None:
        """Forget everything."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()
        self._patch.undo()
        structlog.reset_defaults()

    # --- how it is done -----------------------------------------------------------------------------------------------

    @property
    def alive(self) -> list[Worker]:
        """The workers that run."""
        return [worker for worker in self.workers if not worker.actor.dead]

    @property
    def _actors(self) -> list[Actor]:
        return [self.api, *(worker.actor for worker in self.alive)]

    def wires(self, actor: Actor) -> tuple[JobStore, Payloads, Lanes]:
        """A process's connections. There is one lane."""
        return (
            cast("JobStore", Wire(actor, self.store, StoreUnavailable, self.promises)),
            cast("Payloads", Wire(actor, self.payloads, PayloadsUnavailable, self.promises)),
            {Priority.NORMAL: cast("JobQueue", Wire(actor, self.queue, QueueUnavailable, self.promises))},
        )

    def gone(self, worker: Worker) -> None:
        """A worker died: another one takes its place."""
        self.promises.died(worker.actor.name)
        self._start(worker.actor.view.offset_seconds)

    def _start(self, offset_seconds: float) -> None:
        self.workers.append(Worker(self, f"worker-{len(self.workers)}", offset_seconds))

    async def _start_workers(self, number: int) -> None:
        # The first to receive is behind the next: with the usual skew, by nearly the margin.
        for direction in (-1, 1, 0)[:number]:
            self._start(direction * self._skew_seconds)
        await self.clock.settle()

    async def _kill(self, worker: Worker) -> None:
        worker.actor.crash()
        await self.clock.settle()

    async def _outage(self, seconds: float) -> None:
        offsets = [worker.actor.view.offset_seconds for worker in self.alive]
        for worker in self.alive:
            self.promises.died(worker.actor.name)
            worker.actor.on_crash = lambda: None
            worker.actor.crash()
        await self.clock.settle()
        await self.clock.advance(seconds)
        for offset in offsets:
            self._start(offset)
        await self.clock.settle()

    async def _answer(self, call: Call, how: str) -> None:
        if how in ("answer", "large answer"):
            call.answer.set_result(a_completion(LARGE if how == "large answer" else "Yes."))
        else:
            call.answer.set_exception(ERRORS[how](how))
            call.answer.exception()  # seen, should its caller be dead
        await self.clock.settle()

    def _request(self, coroutine: Any) -> None:
        if self.api.dead:
            self.start_api()

        async def serve() -> None:
            self.api.start(coroutine)
            await self.clock.settle()

        self._step(serve())

    def _step(self, awaitable: Any) -> None:
        try:
            self._loop.run_until_complete(awaitable)
        except AssertionError:
            self._raise()  # the cause
            raise
        for worker in self.alive:
            if worker.draining and worker.mains[0].done() and not worker.loop.in_flight:
                self.promises.drained(worker.actor.name)
                self._loop.run_until_complete(self._kill(worker))
            elif dead := [task for task in worker.mains[1:] if task.done()]:
                self.promises.breach("worker", f"a task died: {dead}")
        self._raise()

    def _raise(self) -> None:
        assert not self.promises.broken, "\n".join(self.promises.broken)


async def _try(awaitable: Awaitable[Any]) -> None:
    with suppress(QuarryError):
        await awaitable


async def _one(request_id: str) -> AsyncIterator[str]:
    yield request_id
