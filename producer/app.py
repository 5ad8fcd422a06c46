"""The producer's composition root: reads settings, builds everything, serves, and stops loudly when a part dies."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from producer.auth.gate import require_authentication
from producer.connection import Limits
from producer.opening import opened_context
from producer.server import bind, room_for, serve
from producer.web import create_app, refusals
from quarry import __version__, eventloop
from quarry.clock import CorrectedClock
from quarry.inference.reload import RoutesFile
from quarry.inference.routes_file import load_routes
from quarry.settings import Settings, variable_name
from quarry.telemetry.events import Event
from quarry.telemetry.logs import configure, get_logger
from quarry.telemetry.metrics import FilesMetrics, ProducerMetrics
from quarry.telemetry.probes import serve_probes
from quarry.telemetry.publish import Publisher
from quarry.telemetry.traced import opened_tracing
from quarry.tenants.reload import TenantsFile

_log = get_logger(__name__)


def main(settings: Settings, host: str, port: int) -> int:
    """Serve the API until SIGTERM or SIGINT; returns the exit code.

    Raises:
        ConfigurationError: the settings forbid it, or do not lead to a queue, a table and routes, or a port is taken.
        TransportError: AWS does not answer.
    """
    configure(settings.log_level, service="producer")
    return eventloop.run(run(settings, host, port))


async def run(settings: Settings, host: str, port: int) -> int:
    """Build the producer and serve it."""
    require_authentication(settings)
    clock, registry = CorrectedClock(), CollectorRegistry()
    metrics = ProducerMetrics(registry)
    load = partial(load_routes, settings.routes_file, settings.region)
    files = FilesMetrics(registry)
    routes, tenants = RoutesFile(settings.routes_file, load, files, clock), TenantsFile(settings.tenants_file, files, clock)
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(host, port))
        tracing = await stack.enter_async_context(opened_tracing(settings, "api"))
        opening = opened_context(settings, routes.routes, tenants.tenants, metrics, clock, tracing=tracing)
        context = await stack.enter_async_context(opening)
        unready = context.health.unready
        probes = serve_probes(
            registry,
            unready,
            host=settings.api.metrics_host,
            port=settings.api.metrics_port,
            variable=variable_name(("api", "metrics_port")),
        )
        metrics_port = await stack.enter_async_context(probes)
        publisher = Publisher(settings.emf, "producer", (metrics,), clock)
        stack.callback(publisher.flush)
        _log.info(Event.SERVICE_STARTED, version=__version__, port=bound.getsockname()[1], metrics_port=metrics_port)
        app, limits = create_app(context, metrics, tracing), Limits(room_for(settings.api.connections))
        serving = serve(app, bound, limits, refusals(authenticating=not context.gate.is_open), context.stop)
        code = await _supervise(
            asyncio.create_task(serving),
            context.health.keep(),
            context.submitter.limiter.keep(),
            routes.keep(beside=[tenants]),
            publisher.keep(),
        )
    _log.info(Event.SERVICE_STOPPED)
    return code


async def _supervise(serving: asyncio.Task[None], *sides: Coroutine[Any, Any, None]) -> int:
    """Serve, with those that run beside it; should one of them end by itself, nothing tells the truth any more: stop."""
    beside = [asyncio.create_task(each) for each in sides]
    await asyncio.wait({serving, *beside}, return_when=asyncio.FIRST_COMPLETED)
    dead = [task for task in beside if task.done()]
    for task in dead:
        error = task.exception()
        _log.error(Event.SERVICE_FAILED, error=type(error).__name__ if error else "ended", exc_info=error)
    for task in (serving, *beside):
        if not task.done():
            task.cancel()
    await asyncio.wait({serving, *beside})
    if not serving.cancelled():
        serving.result()
    return 1 if dead else 0
