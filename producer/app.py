"""The producer's composition root: reads settings, builds everything, serves, and stops loudly when a part dies."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from functools import partial
from typing import Any, Final

from prometheus_client import CollectorRegistry

from producer.auth.gate import Gate, require_authentication
from producer.auth.principal import DEFAULT_TENANT
from producer.auth.schemes import Means, schemes
from producer.auth.witness import Witness
from producer.body import Bodies
from producer.cancel import Canceller
from producer.connection import Limits
from producer.following import Following
from producer.health import Health
from producer.lookup import Lookup
from producer.results import Results
from producer.routes.context import Context
from producer.server import bind, room_for, serve
from producer.submit import Submitter
from producer.waiting import Waiters
from producer.web import create_app, refusals
from quarry import __version__, eventloop
from quarry.access import load_roles
from quarry.aws import new_session
from quarry.clock import CorrectedClock
from quarry.ids import new_request_id
from quarry.inference import converse
from quarry.inference.reload import RoutesFile
from quarry.inference.routes import Routes
from quarry.inference.routes_file import load_routes
from quarry.keys.dynamodb import DynamoKeys
from quarry.opening import Backing, Connections, opened
from quarry.settings import Settings
from quarry.telemetry.audit import audit_log
from quarry.telemetry.events import Event
from quarry.telemetry.logs import configure, get_logger
from quarry.telemetry.metrics import ProducerMetrics, RoutesMetrics
from quarry.telemetry.probes import serve_probes

_log = get_logger(__name__)

#: Connections to each service: more than the batches that can be under way at once.
_CONNECTIONS: Final = Connections(table=64, bucket=64, queues=64)


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
    routes = RoutesFile(settings.routes_file, load, RoutesMetrics(registry), clock)
    roles = load_roles(settings.api.roles_file)
    async with AsyncExitStack() as stack:
        audit = stack.enter_context(closing(audit_log(settings, clock, metrics.audit_records)))
        bound = stack.enter_context(bind(host, port))
        backing = await stack.enter_async_context(opened(settings, clock, new_session(), _CONNECTIONS))
        means = Means(settings, DynamoKeys(backing.dynamodb, settings.store.table), clock, roles)
        witness = Witness(audit, settings.api.trusted_proxies)
        gate = Gate(await stack.enter_async_context(schemes(means)), witness)
        context = _context(settings, backing, routes.routes, gate, witness, metrics, clock)
        # Reads Converse's service model, which takes a moment: now, and not under the first caller.
        converse.faults(messages=[], system=[], converse={})
        unready = context.health.unready
        probes = serve_probes(registry, unready, host=settings.api.metrics_host, port=settings.api.metrics_port)
        metrics_port = await stack.enter_async_context(probes)
        _log.info(Event.SERVICE_STARTED, version=__version__, port=bound.getsockname()[1], metrics_port=metrics_port)
        app, limits = create_app(context, metrics), Limits(room_for(settings.api.connections))
        serving = serve(app, bound, limits, refusals(authenticating=not gate.is_open), context.stop)
        code = await _supervise(asyncio.create_task(serving), context.health.keep(), routes.keep())
    _log.info(Event.SERVICE_STOPPED)
    return code


def _context(
    settings: Settings,
    backing: Backing,
    routes: Routes,
    gate: Gate,
    witness: Witness,
    metrics: ProducerMetrics,
    clock: CorrectedClock,
) -> Context:
    """The verbs, over what was opened."""
    store, sqs, urls = backing.store, backing.sqs, backing.queue_urls
    results = Results(backing.payloads, clock, timedelta(seconds=settings.store.url_seconds))
    lookup = Lookup(store, results, Waiters(store, clock, settings.api.waiters, metrics), clock)
    checks = {
        "queue": lambda: asyncio.gather(
            *(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]) for url in urls.values())
        ),
        "store": lambda: store.get(DEFAULT_TENANT, new_request_id(clock.now())),
    }
    return Context(
        gate=gate,
        witness=witness,
        submitter=Submitter(store, backing.payloads, backing.lanes, routes, settings.job, clock, metrics),
        lookup=lookup,
        following=Following(store, lookup, clock, settings.api.followers, metrics),
        canceller=Canceller(store, lookup, clock),
        bodies=Bodies(settings.api.inflight_body_bytes),
        health=Health(checks, clock),
        limits=settings.api,
        clock=clock,
    )


async def _supervise(serving: asyncio.Task[None], *sides: Coroutine[Any, Any, None]) -> int:
    """Serve, with those that run beside it; should one of them end by itself, nothing tells the truth any more: stop."""
    beside = [asyncio.create_task(each) for each in sides]
    await asyncio.wait({serving, *beside}, return_when=asyncio.FIRST_COMPLETED)
    dead = [task for task in beside if task.done()]
    for task in dead:
        _log.error(Event.SERVICE_FAILED, error=repr(task.exception()))
    for task in (serving, *beside):
        if not task.done():
            task.cancel()
    await asyncio.wait({serving, *beside})
    if not serving.cancelled():
        serving.result()
    return 1 if dead else 0
