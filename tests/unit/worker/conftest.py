"""A worker in memory: real verbs, fake queue, store, model and clock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quarry.erasure.eraser import Eraser
from quarry.inference.engine import Engine
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Job, Priority
from quarry.queue.base import Delivery, visibility_for
from quarry.queue.lanes import announce
from quarry.settings import WorkerSettings
from quarry.telemetry.metrics import InferenceMetrics, WorkerMetrics
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.testing.builders import a_job
from quarry.testing.clock import FakeClock
from quarry.testing.erasures import MemoryErasures
from quarry.testing.payloads import MemoryPayloads
from quarry.testing.provider import Hold, ScriptedProvider
from quarry.testing.queue import MemoryQueue
from quarry.testing.store import MemoryStore
from worker.budget import Budget
from worker.claim import Claimer
from worker.front import Fronts
from worker.health import Health
from worker.invoke import Invoker
from worker.isolation import Isolation
from worker.lease import Leases
from worker.loop import Loop, always_open
from worker.outcome import Settlement
from worker.process import Steps, process
from worker.record import Recorder
from worker.report import Reporter
from worker.settle import Settler
from worker.shares import Shares
from worker.speech import Speech
from worker.sweep import Sweep
from worker.turns import Turns

LEASE_SECONDS = 60
SWEEP_SECONDS = 30
BUDGET_BYTES = 2**20
ROUTES = Routes([Route.of("default", Target("bedrock", "us-east-1", "model")), Route.of("echo", Target("echo", "", "echo"))])


@dataclass(frozen=True, slots=True)
class Call:
    """A job whose call is under way; `working` ends with how its delivery was settled."""

    job: Job
    hold: Hold
    working: asyncio.Task[Settlement]

    async def answered(self) -> Settlement:
        """Let the model answer, and the worker do the rest."""
        self.hold.release.set()
        return await self.working


@dataclass
class Bench:
    """One worker and everything around it."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    payloads: MemoryPayloads = field(default_factory=MemoryPayloads)
    provider: ScriptedProvider = field(default_factory=ScriptedProvider)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    routes: Routes = ROUTES
    tenants: Tenants = field(default_factory=Tenants)

    def __post_init__(self) -> None:
        self.queue = self._lane(Priority.NORMAL)
        self.high, self.low = (self._lane(lane) for lane in (Priority.HIGH, Priority.LOW))
        self.lanes = {Priority.HIGH: self.high, Priority.NORMAL: self.queue, Priority.LOW: self.low}
        self.metrics = WorkerMetrics(self.registry)
        self.health = Health(self.metrics, self.clock)
        self.leases = Leases(self.store, self.lanes, self.clock, self.metrics, owner="me", lease_seconds=LEASE_SECONDS)
        self.budget = Budget(BUDGET_BYTES)
        self.isolation, self.fronts = Isolation(), Fronts(self.lanes, self.clock.monotonic())
        self.front = self.fronts[Priority.NORMAL]
        engine = Engine({"bedrock": self.provider}, InferenceMetrics(self.registry), self.clock)
        self.steps = Steps(
            claimer=Claimer(self.store, self.leases, self.clock),
            leases=self.leases,
            invoker=Invoker(
                engine,
                self.routes,
                self.tenants,
                self.payloads,
                self.leases,
                self.isolation,
                Speech(self.store, self.clock, self.metrics),
            ),
            recorder=Recorder(self.store, self.payloads, self.clock),
            settler=Settler(self.lanes, self.store, self.clock, self.metrics),
            reporter=Reporter(self.metrics, self.health, self.fronts, self.clock),
            budget=self.budget,
            clock=self.clock,
            draw=lambda: 0.5,
        )
        self.keeping = Keeping(self.tenants)
        self.erasures = MemoryErasures(self.store, self.keeping.kept_for)
        self.sweep = Sweep(
            self.store,
            self.lanes,
            self.steps.recorder,
            self.steps.reporter,
            self.fronts,
            self.clock,
            self.metrics,
            Eraser(self.store, self.erasures, self.payloads, self.clock),
            self.keeping,
            owner="me",
            interval_seconds=SWEEP_SECONDS,
        )

    def nothing_waits(self) -> None:
        """Every lane was just found empty."""
        for lane in self.lanes:
            self.fronts[lane].empty(self.clock.monotonic())

    def waits(self, seconds: float) -> None:
        """A job of the normal lane was just received that had waited so long; the other lanes are empty."""
        for lane in (Priority.HIGH, Priority.LOW):
            self.fronts[lane].empty(self.clock.monotonic())
        self.front.waited(seconds, self.clock.monotonic())

    def _lane(self, lane: Priority) -> MemoryQueue:
        return MemoryQueue(self.clock, visibility=visibility_for(LEASE_SECONDS), lane=lane)

    def loop(
        self,
        slots: int = 10,
        receivers: int = 1,
        lanes: Iterable[Priority] = (Priority.NORMAL,),
        reserved: int = 0,
        gate: Callable[[], Awaitable[None]] = always_open,
    ) -> Loop:
        """A loop over lanes of this bench."""
        weights = {lane: weight for lane, weight in WorkerSettings().weights.items() if lane in set(lanes)}
        turns = Turns(weights, slots=slots, receivers=receivers, reserved=reserved)
        own, poll = {lane: self.lanes[lane] for lane in weights}, timedelta(seconds=20)
        return Loop(
            own,
            self.steps,
            self.metrics,
            self.clock,
            self.fronts,
            self.isolation,
            turns,
            Shares(Tenants(), slots=slots),
            poll=poll,
            gate=gate,
        )

    def count(self, name: str, **labels: str) -> float:
        """A metric's value."""
        return self.registry.get_sample_value(name, labels) or 0.0

    async def submitted(self, **changes: object) -> Job:
        """A job in the store, with its envelope on the queue."""
        job = a_job(**changes)
        await self.store.create(job)
        assert await announce(self.lanes, job) == [None]
        return job

    async def delivery(self) -> Delivery:
        """The next delivery."""
        [delivery] = await self.queue.receive(1, timedelta(0))
        return delivery

    async def work(self) -> Settlement:
        """Work the next delivery to its settlement."""
        return await process(await self.delivery(), self.steps)

    async def call(self, then: str | Exception = "answer", **changes: object) -> Call:
        """Submit a job and work it as far as into its call, which ends in `then`."""
        job, hold = await self.submitted(**changes), Hold(then)
        self.provider.play(hold)
        working = asyncio.create_task(self.work())
        await hold.reached.wait()
        return Call(job, hold, working)

    @asynccontextmanager
    async def beside(self, side: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run one of the worker's side tasks while the block runs. It must not end by itself."""
        task = asyncio.create_task(side)
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()


@pytest.fixture
def bench() -> Bench:
    return Bench()
