"""Opens what every process has behind it: the job table, the bucket, the queues. Only composition roots call it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from quarry.aws import dynamodb_client, s3_client, sqs_client
from quarry.clock import CorrectedClock
from quarry.erasure.dynamodb import DynamoErasures
from quarry.job import Priority
from quarry.queue.base import REMINDER_VISIBILITY, visibility_for
from quarry.queue.sqs import SqsDeadLetters, SqsQueue, resolve_urls, webhooks_urls
from quarry.settings import Settings
from quarry.store.dynamodb import DynamoStore
from quarry.store.payloads import S3Payloads
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.tenants.tenants_file import load_tenants

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Connections:
    """How many to each service, at most."""

    table: int
    bucket: int
    queues: int


@dataclass(frozen=True, slots=True)
class Backing:
    """What was opened; the clients are for what no port has."""

    store: DynamoStore
    keeping: Keeping
    erasures: DynamoErasures
    payloads: S3Payloads
    lanes: Mapping[Priority, SqsQueue]
    dead_letters: SqsDeadLetters
    #: Where reminders are put; None where nobody is told of anything.
    reminders: SqsQueue | None
    queue_urls: Mapping[Priority, str]
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"


@asynccontextmanager
async def opened(
    settings: Settings,
    clock: CorrectedClock,
    session: "AioSession",
    connections: Connections,
    tenants: Tenants | None = None,
    *,
    telling: bool = True,
) -> AsyncIterator[Backing]:
    """Open it for the length of the block, and see that it is there; what was handed in goes out at the end.

    `clock` is set right by the table's answers. `tenants`, if they are not to be read from their file. `telling`: whether
    the queue of reminders is needed.

    Raises:
        ConfigurationError: something of it is not there, or may not be seen.
        TransportError: AWS does not answer.
    """
    region = settings.region
    async with AsyncExitStack() as stack:
        dynamodb = await stack.enter_async_context(dynamodb_client(region, connections.table, session, clock.observe))
        keeping = Keeping(tenants or load_tenants(settings.tenants_file), timedelta(days=settings.job.retention_days))
        store = DynamoStore(dynamodb, settings.store.table, keeping.retention, keeping.kept_for)
        await store.check()
        s3 = await stack.enter_async_context(s3_client(region, connections.bucket, session))
        payloads = S3Payloads(s3, settings.store.bucket, settings.store.kms_key_id)
        await payloads.check()
        sqs = await stack.enter_async_context(sqs_client(region, connections.queues, session))
        urls, dlq_url = await resolve_urls(sqs, settings.queue)
        visibility = visibility_for(settings.worker.lease_seconds)
        lanes = {lane: SqsQueue(sqs, url, dlq_url, visibility=visibility, lane=lane) for lane, url in urls.items()}
        reminders = None
        if telling and (settings.takes_webhooks or settings.publishes):
            reminders = SqsQueue(sqs, *await webhooks_urls(sqs, settings.queue), visibility=REMINDER_VISIBILITY)
        stack.push_async_callback(store.close)
        for queue in filter(None, (*lanes.values(), reminders)):
            stack.push_async_callback(queue.close)
        erasures = DynamoErasures(dynamodb, settings.store.table)
        dead = SqsDeadLetters(sqs, dlq_url)
        yield Backing(store, keeping, erasures, payloads, lanes, dead, reminders, urls, dynamodb, sqs)
