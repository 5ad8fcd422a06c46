"""A queue for one test, and what the tests of the queue port have in common."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import pytest

from quarry.clock import Clock, SystemClock
from quarry.job import Priority
from quarry.provision import provision
from quarry.queue.base import Delivery, JobQueue
from quarry.queue.sqs import SqsQueue, resolve_urls
from quarry.settings import load_settings
from quarry.testing import DeadLetter, FakeClock, MemoryQueue, an_envelope

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

T = TypeVar("T")

#: Longer than any test.
LONG = timedelta(seconds=30)
SHORT = timedelta(seconds=1)
#: Longer than a machine halts for, between a receive and what is done with what came.
HASTE = timedelta(seconds=3)
NOW = timedelta(0)
#: Sent as they are: none is an envelope, and each must come back as it went.
BODIES = ("not json", "[]", '{"v": 1}', " ", '{"prompt": "Grüße, 世界 🚀\\u0000"}\n\t', "<xml a='1'>&amp;</xml>", "x" * 200_000)


@dataclass
class Lane:
    """A queue of one's own. Time passes by itself, or as far as is waited for where it is the fake's."""

    queue: JobQueue
    clock: Clock
    client: "SQSClient | None" = None
    urls: tuple[str, str] = ("", "")

    async def take(self, limit: int = 10, wait: float = 0) -> list[Delivery]:
        """Receive, waiting up to `wait` seconds."""
        return await self.passing(self.queue.receive(limit, timedelta(seconds=wait)))

    async def one(self, wait: float = 10) -> Delivery:
        """Receive the one message that there is."""
        [delivery] = await self.take(wait=wait)
        return delivery

    async def all(self, count: int) -> list[Delivery]:
        """Receive until there are `count`."""
        found: list[Delivery] = []
        while len(found) < count and (more := await self.take(wait=5)):
            found += more
        return found

    async def flight(self, count: int) -> list[Delivery]:
        """Send so many and receive them, in the order in which they would come again."""
        await self.queue.send([an_envelope() for _ in range(count)])
        return await self.all(count)

    async def comes_again(self) -> list[str]:
        """What comes when the visibility of the latest receipt ends: with it, all that was received earlier and is still due."""
        return [delivery.message_id for delivery in await self.take(wait=10)]

    async def is_quiet(self, seconds: float) -> bool:
        """Whether nothing is received for so long."""
        return await self.take(wait=seconds) == []

    async def passing(self, awaitable: Awaitable[T]) -> T:
        """Wait for something."""
        return await self.clock.run(awaitable) if isinstance(self.clock, FakeClock) else await awaitable

    async def put(self, body: str) -> None:
        """Send a raw body."""
        if isinstance(self.queue, MemoryQueue):
            self.queue.put(body)
        elif self.client:
            await self.client.send_message(QueueUrl=self.urls[0], MessageBody=body)

    async def dead_letters(self) -> list[DeadLetter]:
        """What was buried so far."""
        if isinstance(self.queue, MemoryQueue):
            return self.queue.buried
        assert self.client
        answer = await self.client.receive_message(
            QueueUrl=self.urls[1], MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        return [_dead_letter(message) for message in answer.get("Messages", [])]


def _dead_letter(message: object) -> DeadLetter:
    assert isinstance(message, dict)
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    return DeadLetter(message["Body"], attributes.pop("reason"), attributes.pop("request_id", None))


async def open_lane(client: "SQSClient | None", visibility: timedelta, monkeypatch: pytest.MonkeyPatch) -> Lane:
    """The fake, or a new queue behind the client."""
    if client is None:
        clock = FakeClock()
        return Lane(MemoryQueue(clock, visibility=visibility), clock)
    name = f"q{uuid4().hex[:12]}"
    monkeypatch.setenv("QUARRY_QUEUE__NAME", name)
    provision(settings := load_settings())
    urls, dlq_url = await resolve_urls(client, settings.queue)
    url = urls[Priority.NORMAL]
    return Lane(SqsQueue(client, url, dlq_url, visibility=visibility), SystemClock(), client, (url, dlq_url))
