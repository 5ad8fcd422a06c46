"""The workers of the model: each is built of the real verbs, as a worker's composition root builds them."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from quarry.erasure.eraser import Eraser
from quarry.inference.engine import Engine
from quarry.inference.providers.base import Heard
from quarry.inference.routes import Route, Routes
from quarry.invocation import Completion, Invocation, Json, Target
from quarry.telemetry.metrics import InferenceMetrics, WorkerMetrics
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.testing import a_completion
from tests.model.promises import LEASE_SECONDS, TOKEN, Call
from tests.model.wire import Actor, draws
from worker.budget import Budget
from worker.claim import Claimer
from worker.front import Fronts
from worker.health import Health
from worker.invoke import Invoker
from worker.isolation import Isolation
from worker.lease import Leases
from worker.loop import Loop
from worker.process import Steps
from worker.record import Recorder
from worker.report import Reporter
from worker.settle import Settler
from worker.shares import Shares
from worker.speech import Speech
from worker.sweep import Sweep
from worker.turns import Turns

if TYPE_CHECKING:
    from tests.model.world import World

ROUTES: Final = Routes([Route.of("default", Target("bedrock", "us-east-1", "model"))])
SLOTS: Final = 3
#: Room for two large jobs: the third waits.
BUDGET_BYTES: Final = 1_200_000


class Model:
    """The provider of one worker: each call waits until the world answers it."""

    def __init__(self, world: "World", actor: Actor) -> None:
        self._world = world
        self._actor = actor

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        call = Call(str(labels["quarry_request_id"]), TOKEN.get(), self._actor.name, asyncio.get_running_loop().create_future())
        self._world.promises.started(call, self._actor.view.now())
        if self._world.calm:
            call.answer.set_result(a_completion())
        await asyncio.wait({call.answer})
        await self._actor.ready()
        return call.answer.result()


class Worker:
    """One incarnation of a worker process."""

    def __init__(self, world: "World", name: str, offset_seconds: float) -> None:
        self.actor = Actor(name, world.clock, partial(world.gone, self), world.mishaps, offset_seconds)
        clock, self.registry = self.actor.view, CollectorRegistry()
        store, payloads, lanes = world.wires(self.actor)
        metrics, draw = WorkerMetrics(self.registry), draws(len(world.workers))
        fronts, self.isolation = Fronts(lanes, clock.monotonic()), Isolation()
        health = Health(metrics, clock, lambda: 0.0)
        self.leases = Leases(store, lanes, clock, metrics, owner=name, lease_seconds=LEASE_SECONDS)
        engine = Engine({"bedrock": Model(world, self.actor)}, InferenceMetrics(self.registry), clock)
        steps = Steps(
            claimer=Claimer(store, self.leases, clock),
            leases=self.leases,
            invoker=Invoker(engine, ROUTES, Tenants(), payloads, self.leases, self.isolation, Speech(store, clock, metrics)),
            recorder=Recorder(store, payloads, clock),
            settler=Settler(lanes, store, clock, metrics),
            reporter=Reporter(metrics, health, fronts, clock),
            budget=Budget(BUDGET_BYTES),
            clock=clock,
            draw=draw,
        )
        poll = timedelta(seconds=20)
        turns = Turns(dict.fromkeys(lanes, 1), slots=SLOTS, receivers=1)
        self.loop = Loop(lanes, steps, metrics, clock, fronts, self.isolation, turns, Shares(Tenants(), slots=SLOTS), poll=poll)
        eraser = Eraser(store, world.erasures, payloads, clock)
        sweep = Sweep(
            store, lanes, steps.recorder, steps.reporter, fronts, clock, metrics, eraser, Keeping(), owner=name, interval_seconds=30
        )
        sides = (self.loop.run(), self.leases.keep(), self.leases.listen(), sweep.keep())
        self.mains = [self.actor.start(side) for side in sides]
        self.draining = False

    def repeated(self) -> float:
        """Calls that this worker says may be paid again."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "quarry_calls_repeated_total"
        )
