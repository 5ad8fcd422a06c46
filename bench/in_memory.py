"""API and worker in one process, over the fakes of `quarry.testing` instead of AWS: as fast as Quarry's own code is.

    python -m bench.in_memory PORT

The fakes are held to the ports by the same suites as the adapters on AWS. Models echo. `GET /count` gives the number of jobs.
"""

import asyncio
import sys
from datetime import timedelta

from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from producer.auth.gate import Gate
from producer.auth.witness import Witness
from producer.body import Bodies
from producer.cancel import Canceller
from producer.connection import Limits
from producer.following import Following
from producer.health import Health
from producer.lookup import Lookup
from producer.results import Results
from producer.routes.context import Context
from producer.server import bind, serve
from producer.submit import Submitter
from producer.waiting import Waiters
from producer.web import create_app, refusals
from quarry import eventloop
from quarry.clock import SystemClock
from quarry.erasure.eraser import Eraser
from quarry.inference.engine import Engine
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Priority
from quarry.queue.base import Lanes
from quarry.settings import Settings, load_settings
from quarry.telemetry.audit import AuditLog
from quarry.telemetry.logs import configure
from quarry.telemetry.metrics import InferenceMetrics, ProducerMetrics, WorkerMetrics
from quarry.tenants.policy import Tenants
from quarry.testing import MemoryErasures, MemoryPayloads, MemoryQueue, MemoryStore
from worker.app import Ports, parts
from worker.health import Health as WorkerHealth

_ROUTES = Routes([Route.of("default", Target("echo", "", "echo"))])


async def run(settings: Settings, port: int) -> None:
    """Until SIGTERM."""
    clock, registry = SystemClock(), CollectorRegistry()
    store, payloads = MemoryStore(), MemoryPayloads()
    lanes = {lane: MemoryQueue(clock, lane=lane) for lane in Priority}
    metrics = WorkerMetrics(registry)
    engine = Engine({"echo": EchoProvider()}, InferenceMetrics(registry), clock)
    health = WorkerHealth(metrics, clock, lambda: 0.0)
    ports = Ports(store, MemoryErasures(store), lanes, payloads, dict.fromkeys(Priority, "memory"))
    loop, leases, sweep = parts(ports, settings, engine, _ROUTES, Tenants(), metrics, health, clock, "bench")
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(each) for each in (loop.run(), leases.keep(), leases.listen(), sweep.keep())]
        await _serve(settings, port, store, lanes, payloads, ProducerMetrics(registry))
        for each in working:
            each.cancel()


async def _serve(
    settings: Settings, port: int, store: MemoryStore, lanes: Lanes, payloads: MemoryPayloads, metrics: ProducerMetrics
) -> None:
    clock = SystemClock()
    lookup = Lookup(store, Results(payloads, clock, timedelta(hours=1)), Waiters(store, clock, 10, metrics), clock)
    submitter = Submitter(store, payloads, lanes, _ROUTES, Tenants(), settings.job, clock, metrics)
    bodies = Bodies(settings.api.inflight_body_bytes)
    witness = Witness(AuditLog(None, clock), 0)
    app = create_app(
        Context(
            Gate([], witness), witness, submitter, lookup, Following(store, lookup, clock, 10, metrics),
            Canceller(store, lookup, clock), Eraser(store, MemoryErasures(store), payloads, clock), bodies,
            Health({}, clock), settings.api, clock,
        ),
        metrics,
    )  # fmt: skip

    async def count(_request: Request) -> JSONResponse:
        return JSONResponse({"jobs": len(store.jobs)})

    # Not FastAPI's: it would be asked for a rule.
    app.add_route("/count", count)
    with bind("127.0.0.1", port) as bound:
        await serve(app, bound, Limits(settings.api.connections), refusals(authenticating=False), lambda: None)


if __name__ == "__main__":
    configure("warning", service="in-memory")
    eventloop.run(run(load_settings(), int(sys.argv[1])))
