"""Opens what tells of jobs' ends. Only the composition root calls it."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from quarry.aws import events_client, read_secret, secrets_client
from quarry.clock import Clock
from quarry.errors import ConfigurationError
from quarry.notification import Channel
from quarry.queue.base import JobQueue
from quarry.settings import Settings, environment_secret
from quarry.store.base import JobStore
from quarry.telemetry.metrics import WorkerMetrics
from quarry.tenants.policy import Tenants
from quarry.webhooks.addresses import Rules
from worker.notify.consumer import Consumer
from worker.notify.deliver import Teller, WebhookTeller
from worker.notify.gate import LookUp, SystemLookUp
from worker.notify.hosts import Hosts
from worker.notify.post import poster
from worker.notify.publish import Publisher
from worker.notify.secrets import SigningSecrets

if TYPE_CHECKING:
    from aiobotocore.session import AioSession


@asynccontextmanager
async def opened_consumer(
    settings: Settings,
    queue: JobQueue,
    store: JobStore,
    tenants: Tenants,
    session: "AioSession",
    clock: Clock,
    metrics: WorkerMetrics,
    poll: timedelta,
    look_up: LookUp | None = None,
) -> AsyncIterator[Consumer]:
    """For the length of the block. `look_up` finds the addresses of names, by default as the machine does."""
    webhooks, tellers = settings.webhooks, dict[Channel, Teller]()
    async with AsyncExitStack() as stack:
        if settings.takes_webhooks:
            if look_up is None:
                # One that has timed out may go on in its thread.
                own = SystemLookUp(2 * webhooks.concurrency)
                stack.callback(own.close)
                look_up = own
            rules, most = Rules(loopback=webhooks.allow_loopback), webhooks.concurrency
            opening = poster(look_up, rules, connections=most, timeout_seconds=webhooks.timeout_seconds)
            tellers[Channel.WEBHOOK] = WebhookTeller(
                await stack.enter_async_context(opening),
                Hosts(most),
                tenants,
                _secrets(settings.region, session, clock),
                clock,
                random.random,
                loopback=webhooks.allow_loopback,
            )
        if settings.publishes:
            tellers[Channel.EVENTS] = await _publisher(settings, stack, session, clock)
        yield Consumer(queue, store, tellers, clock, metrics, concurrency=webhooks.concurrency, poll=poll)


async def _publisher(settings: Settings, stack: AsyncExitStack, session: "AioSession", clock: Clock) -> Publisher:
    async def client(service: str) -> Any:
        # A topic may be in another region than the table; its ARN says which.
        arn = settings.events.sns_topic_arn if service == "sns" else None
        region = arn.split(":")[3] if arn else settings.region
        return await stack.enter_async_context(events_client(service, region, settings.webhooks.concurrency, session))

    topic, bus = settings.events.sns_topic_arn, settings.events.event_bus_name
    to_topic = (await client("sns"), topic) if topic else None
    to_bus = (await client("events"), bus) if bus else None
    return Publisher(to_topic, to_bus, clock, random.random)


def _secrets(region: str, session: "AioSession", clock: Clock) -> SigningSecrets:
    async def variable(name: str) -> SecretStr:
        secret = environment_secret(name)
        if secret is None:
            raise ConfigurationError(f"the variable {name} is not set")
        return secret

    async def secret(name: str) -> SecretStr:
        # A client for a few reads an hour is not worth keeping.
        async with secrets_client(region, session) as client:
            return SecretStr(await read_secret(client, name))

    return SigningSecrets(variable, secret, clock)
