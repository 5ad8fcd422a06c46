"""Opens what the API's verbs stand on. Only composition roots call it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from typing import Final

from producer.admission import Telling
from producer.auth.gate import Gate
from producer.auth.principal import DEFAULT_TENANT
from producer.auth.schemes import Means, schemes
from producer.auth.witness import Witness
from producer.between import Between
from producer.body import Bodies
from producer.cancel import Canceller
from producer.following import Following
from producer.health import Check, Health
from producer.limiting import Limiter
from producer.lookup import Lookup
from producer.results import Results
from producer.routes.context import Context
from producer.submit import Submitter
from producer.waiting import Waiters
from quarry.access import load_roles
from quarry.aws import new_session
from quarry.clock import CorrectedClock
from quarry.erasure.eraser import Eraser
from quarry.ids import new_request_id
from quarry.inference import converse
from quarry.inference.routes import Routes
from quarry.keys.dynamodb import DynamoKeys
from quarry.opening import Backing, Connections, opened
from quarry.settings import Settings
from quarry.telemetry.audit import audit_log
from quarry.telemetry.metrics import ProducerMetrics
from quarry.telemetry.tracing import OFF, Tracing
from quarry.tenants.policy import Tenants

#: Connections to each service: more than the batches that can be under way at once.
_CONNECTIONS: Final = Connections(table=64, bucket=64, queues=64)


@asynccontextmanager
async def opened_context(
    settings: Settings,
    routes: Routes,
    tenants: Tenants,
    metrics: ProducerMetrics,
    clock: CorrectedClock,
    between: Between | None = None,
    tracing: Tracing = OFF,
) -> AsyncIterator[Context]:
    """The verbs, for the length of the block. `between`: where this process is stopped between requests.

    Raises:
        ConfigurationError: the settings do not lead to a queue and a table, or a file that they name is wrong.
        TransportError: AWS does not answer.
    """
    roles = load_roles(settings.api.roles_file)
    async with AsyncExitStack() as stack:
        audit = stack.enter_context(closing(audit_log(settings, clock, metrics.audit_records)))
        backing = await stack.enter_async_context(opened(settings, clock, new_session(), _CONNECTIONS, tenants))
        means = Means(settings, DynamoKeys(backing.dynamodb, settings.store.table), clock, roles, between)
        witness = Witness(audit, settings.api.trusted_proxies)
        gate = Gate(await stack.enter_async_context(schemes(means)), witness)
        # Reads Converse's service model, which takes a moment: now, and not under the first caller.
        converse.faults(messages=[], system=[], converse={})
        health = Health(_checks(backing, clock), clock, on_demand=between is not None)
        limiter = Limiter(backing.store, tenants, clock, hoards=between is None)
        yield _context(settings, backing, routes, tenants, limiter, gate, witness, health, metrics, clock, tracing)


def _context(
    settings: Settings,
    backing: Backing,
    routes: Routes,
    tenants: Tenants,
    limiter: Limiter,
    gate: Gate,
    witness: Witness,
    health: Health,
    metrics: ProducerMetrics,
    clock: CorrectedClock,
    tracing: Tracing,
) -> Context:
    """The verbs, over what was opened."""
    store = backing.store
    results = Results(backing.payloads, clock, timedelta(seconds=settings.store.url_seconds))
    waiters = Waiters(store, clock, settings.api.waiters, metrics)
    lookup = Lookup(store, results, waiters, clock, settings.api.lookup_max_bytes, backing.keeping, backing.erasures)
    telling = Telling(settings.takes_webhooks, settings.webhooks.allow_loopback, settings.publishes)
    return Context(
        gate=gate,
        witness=witness,
        submitter=Submitter(
            store, backing.payloads, backing.lanes, routes, tenants, settings.job, clock, metrics, tracing, limiter, telling
        ),
        lookup=lookup,
        following=Following(store, lookup, clock, settings.api.followers, metrics),
        canceller=Canceller(store, lookup, clock, backing.reminders),
        eraser=Eraser(store, backing.erasures, backing.payloads, clock),
        bodies=Bodies(settings.api.inflight_body_bytes),
        health=health,
        limits=settings.api,
        clock=clock,
    )


def _checks(backing: Backing, clock: CorrectedClock) -> Mapping[str, Check]:
    """What readiness asks."""
    store, sqs, urls = backing.store, backing.sqs, backing.queue_urls
    return {
        "queue": lambda: asyncio.gather(
            *(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]) for url in urls.values())
        ),
        "store": lambda: store.get(DEFAULT_TENANT, new_request_id(clock.now())),
    }
