"""The worker's composition root: reads settings, builds everything, runs it, and stops loudly when a part dies."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from quarry import __version__, eventloop
from quarry.aws import new_session
from quarry.clock import Clock, CorrectedClock
from quarry.erasure.base import Erasures
from quarry.erasure.eraser import Eraser
from quarry.inference.board import Board
from quarry.inference.breaker import Limits
from quarry.inference.engine import Engine
from quarry.inference.governor import Governor
from quarry.inference.reload import RoutesFile
from quarry.inference.routes import Routes
from quarry.inference.routes_file import load_routes
from quarry.job import Priority
from quarry.opening import Connections, opened
from quarry.queue.base import JobQueue, Lanes
from quarry.settings import BreakerSettings, Settings, WorkerSettings, ecs_endpoints, is_set, variable_name
from quarry.store.base import JobStore
from quarry.store.payloads import Payloads
from quarry.telemetry.events import Event
from quarry.telemetry.logs import configure, get_logger
from quarry.telemetry.metrics import FilesMetrics, InferenceMetrics, WorkerMetrics
from quarry.telemetry.probes import serve_probes
from quarry.telemetry.publish import Publisher
from quarry.telemetry.traced import opened_tracing
from quarry.telemetry.tracing import OFF, Tracing
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.tenants.reload import TenantsFile
from worker.budget import Budget
from worker.claim import Claimer
from worker.content_log import ContentLog
from worker.front import Front, Fronts
from worker.health import Health
from worker.heartbeat import Heart
from worker.invoke import Invoker
from worker.isolation import Isolation
from worker.lease import Leases
from worker.loop import Loop, always_open
from worker.notify.opening import opened_consumer
from worker.process import Steps
from worker.protection import gated, opened_protection
from worker.providers import opened_providers
from worker.record import Recorder
from worker.report import Reporter
from worker.settle import Settler
from worker.shares import Shares
from worker.shutdown import drain, poll_for, stop_on_signals
from worker.speech import Speech
from worker.succession import Succession
from worker.sweep import Sweep
from worker.tally import Counting
from worker.turns import Turns

_log = get_logger(__name__)


def main(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code."""
    configure(settings.log_level, service="worker")
    return eventloop.run(run(settings))


@dataclass(frozen=True, slots=True)
class Ports:
    """What the worker needs of the world."""

    store: JobStore
    erasures: Erasures
    lanes: Lanes
    payloads: Payloads
    queue_urls: Mapping[Priority, str]
    #: Where the ends of jobs are told from; None where nobody is told.
    reminders: JobQueue | None = None


async def run(settings: Settings) -> int:
    """Build the worker, run it, drain it.

    Raises:
        ConfigurationError: the settings do not lead to a queue, a table, a bucket and routes.
    """
    clock, registry = CorrectedClock(), CollectorRegistry()
    metrics = WorkerMetrics(registry)
    health = Health(metrics, clock, clock.offset_seconds)
    load = partial(load_routes, settings.routes_file, settings.region, is_set)
    files = FilesMetrics(registry)
    file, tenants_file = RoutesFile(settings.routes_file, load, files, clock), TenantsFile(settings.tenants_file, files, clock)
    tenants = tenants_file.tenants
    slots, drain_seconds = settings.worker.slots, settings.worker.drain_seconds
    most = slots + settings.worker.spare_slots
    async with AsyncExitStack() as stack:
        tracing = await stack.enter_async_context(opened_tracing(settings, "worker"))
        session = new_session()
        # Each job has at most one write to the table under way, plus a renewal, plus one of its text.
        connections = Connections(table=3 * most, bucket=most, queues=most + len(Priority) * settings.worker.receivers + 16)
        backing = await stack.enter_async_context(opened(settings, clock, session, connections, tenants))
        ports = Ports(backing.store, backing.erasures, backing.lanes, backing.payloads, backing.queue_urls, backing.reminders)
        providers = await stack.enter_async_context(opened_providers(file.routes, settings, session, clock, tenants))
        file.prepare, tenants_file.prepare = providers.follow, providers.follow_tenants
        inference, owner = InferenceMetrics(registry), _owner()
        board = Board(_limits(settings.breaker), inference, clock)
        governor = Governor(inference, clock, wait_seconds=float(settings.limiter.wait_seconds), draw=random.random)
        engine = Engine(providers, inference, clock, board=board, governor=governor, tracing=tracing)
        succession = Succession(owner, lambda: health.unready() is None)
        protection = await stack.enter_async_context(
            opened_protection(settings.worker, ecs_endpoints(), succession, clock, metrics, is_busy=lambda: leases.any_paid)
        )
        room = partial(governor.room, lambda: {each.target for route in file.routes for each in route.targets})
        gate = gated(room, protection.opened) if protection else room
        loop, leases, sweep = parts(ports, settings, engine, file.routes, tenants, metrics, health, clock, owner, gate, tracing)
        heart = Heart(
            ports.store,
            board,
            governor,
            succession,
            clock,
            owner=owner,
            slots=slots,
            slots_in_use=lambda: loop.slots_in_use,
            take_place=loop.shares.follow,
        )
        probes = serve_probes(
            registry,
            health.unready,
            host=settings.worker.metrics_host,
            port=settings.worker.metrics_port,
            variable=variable_name(("worker", "metrics_port")),
        )
        port = await stack.enter_async_context(probes)
        publisher = Publisher(settings.emf, "worker", (metrics, inference), clock)
        stack.callback(publisher.flush)
        url = ports.queue_urls[Priority.NORMAL]
        _log.info(Event.SERVICE_STARTED, version=__version__, queue_url=url, slots=slots, metrics_port=port)
        sides = [
            leases.keep(),
            leases.listen(),
            sweep.keep(),
            Counting(ports.store, tenants, clock, owner=owner).keep(),
            heart.keep(),
            file.keep(beside=[tenants_file]),
            publisher.keep(),
        ]
        if backing.reminders:
            poll = poll_for(drain_seconds)
            telling = opened_consumer(settings, backing.reminders, ports.store, tenants, session, clock, metrics, poll)
            sides.append((await stack.enter_async_context(telling)).keep())
        if protection:
            sides.append(protection.keep())
        code = await supervise(loop, sides, leases, health, drain_seconds)
    _log.info(Event.SERVICE_STOPPED)
    return code


def parts(
    ports: Ports,
    settings: Settings,
    engine: Engine,
    routes: Routes,
    tenants: Tenants,
    metrics: WorkerMetrics,
    health: Health,
    clock: Clock,
    owner: str,
    gate: Callable[[], Awaitable[None]] = always_open,
    tracing: Tracing = OFF,
) -> tuple[Loop, Leases, Sweep]:
    """What a worker is made of: the loop, and the two that run beside it."""
    worker, store, lanes = settings.worker, ports.store, ports.lanes
    fronts, isolation = Fronts(lanes, clock.monotonic()), Isolation()
    leases = Leases(store, lanes, clock, metrics, owner=owner, lease_seconds=worker.lease_seconds)
    recorder, content = Recorder(store, ports.payloads, clock, tracing, ports.reminders), ContentLog(settings.log_content, tenants)
    reporter = Reporter(metrics, health, fronts, clock, tracing, content)
    steps = Steps(
        claimer=Claimer(store, leases, clock, tracing),
        leases=leases,
        invoker=Invoker(engine, routes, tenants, ports.payloads, leases, isolation, Speech(store, clock, metrics)),
        recorder=recorder,
        settler=Settler(lanes, store, clock, metrics, tracing),
        reporter=reporter,
        budget=Budget(worker.inflight_bytes),
        clock=clock,
        draw=random.random,
    )
    poll = poll_for(worker.drain_seconds)
    turns, shares = _turns(worker), Shares(tenants, slots=worker.slots, spare=worker.spare_slots, reserved=worker.reserved)
    loop = Loop(lanes, steps, metrics, clock, fronts, isolation, turns, shares, poll=poll, gate=gate, tracing=tracing)
    for lane in lanes:
        metrics.front.labels(lane).set_function(partial(_front_seconds, fronts[lane], clock))
    interval = worker.sweep_seconds
    keeping = Keeping(tenants, timedelta(days=settings.job.retention_days))
    eraser = Eraser(store, ports.erasures, ports.payloads, clock)
    sweep = Sweep(
        store,
        lanes,
        recorder,
        reporter,
        fronts,
        clock,
        metrics,
        eraser,
        keeping,
        owner=owner,
        interval_seconds=interval,
        reminders=ports.reminders,
    )
    return loop, leases, sweep


def _turns(worker: WorkerSettings) -> Turns:
    """Which lane is received from next."""
    return Turns(
        worker.weights,
        slots=worker.slots,
        receivers=worker.receivers,
        spare=worker.spare_slots,
        reserved=worker.reserved,
        ageing_seconds=worker.lane_ageing_seconds,
    )


async def supervise(loop: Loop, sides: Iterable[Coroutine[Any, Any, None]], leases: Leases, health: Health, seconds: float) -> int:
    """Run the loop and the side tasks until a signal, then drain in `seconds`; one that ends by itself stops the worker loudly."""
    stop = stop_on_signals()
    stopping = asyncio.create_task(stop.wait())
    serving = [asyncio.create_task(each) for each in (loop.run(), *sides)]
    tasks: set[asyncio.Task[Any]] = {stopping, *serving}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    dead = [task for task in serving if task.done()]
    for task in dead:
        error = task.exception()
        _log.error(Event.SERVICE_FAILED, error=type(error).__name__ if error else "ended", exc_info=error)
    # Renewals go on during the drain: what is still running must keep its lease. Without them, a lease is all that is left.
    await drain(loop, leases, health, min(seconds, leases.seconds / 3) if dead else seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return 1 if dead else 0


def _limits(settings: BreakerSettings) -> Limits | None:
    """When a target is left alone; None: never."""
    seconds = float(settings.open_seconds)
    return Limits(settings.failures, float(settings.window_seconds), seconds) if settings.failures else None


def _front_seconds(front: Front, clock: Clock) -> float:
    return front.seconds(clock.monotonic())


def _owner() -> str:
    """Who holds a lease, for people who read the table."""
    # In containers, hosts' names and pids may repeat; notices are addressed by this.
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
