"""The port of the dead-letter queue, sentence by sentence: the fake, and the SQS adapter on two emulators."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio

from quarry.aws import sqs_client
from quarry.clock import Clock, SystemClock
from quarry.errors import QueueUnavailable
from quarry.job import Priority
from quarry.provision import provision
from quarry.queue.base import DeadDelivery, DeadLetters, JobQueue
from quarry.queue.sqs import SqsDeadLetters, SqsQueue, resolve_urls
from quarry.settings import load_settings
from quarry.testing import FakeClock, MemoryDeadLetters, MemoryQueue, a_job, an_envelope
from tests.contract.conftest import REGION, Backend
from tests.contract.unkind import UnkindAws, refusal

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = DeadDelivery("receipt", "body", "id", SystemClock().now(), None, None)


@dataclass
class Yard:
    """A lane, and where its dead letters lie."""

    lane: JobQueue
    dead: DeadLetters
    clock: Clock

    async def bury(self, count: int) -> list[str]:
        """Send so many and bury them; returns the request ids."""
        jobs = [a_job() for _ in range(count)]
        await self.lane.send([an_envelope(job) for job in jobs])
        buried = 0
        while buried < count:
            for delivery in await self.lane.receive(10, timedelta(0)):
                [job] = [job for job in jobs if job.request_id in delivery.body]
                await self.lane.bury(delivery, "attempts_exhausted", job.request_id)
                buried += 1
        return [job.request_id for job in jobs]

    async def all(self) -> list[DeadDelivery]:
        """Look until nothing new is seen."""
        found: list[DeadDelivery] = []
        while more := await self.dead.look(10):
            assert len(more) <= 10
            found += more
        return found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(backend: Backend) -> AsyncIterator["SQSClient | None"]:
    """One client for all queues of an emulator."""
    if backend.is_fake:
        yield None
        return
    async with sqs_client(REGION, 10) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def yard(client: "SQSClient | None", monkeypatch: pytest.MonkeyPatch) -> Yard:
    """An empty one."""
    if client is None:
        clock = FakeClock()
        memory = MemoryQueue(clock)
        return Yard(memory, MemoryDeadLetters(memory, clock), clock)
    name = f"q{uuid4().hex[:12]}"
    monkeypatch.setenv("QUARRY_QUEUE__NAME", name)
    provision(settings := load_settings())
    urls, dlq_url = await resolve_urls(client, settings.queue)
    lane = SqsQueue(client, urls[Priority.NORMAL], dlq_url, visibility=timedelta(minutes=1))
    return Yard(lane, SqsDeadLetters(client, dlq_url), SystemClock())


async def test_a_dead_letter_says_why_and_whose_it_is(yard: Yard) -> None:
    """And when it was buried, with its body as it was."""
    before = yard.clock.now()
    [request_id] = await yard.bury(1)
    [letter] = await yard.all()
    assert (letter.reason, letter.request_id) == ("attempts_exhausted", request_id)
    assert request_id in letter.body
    # The emulator's clock rounds in its own way.
    assert timedelta(seconds=-1) <= letter.sent_at - before <= timedelta(seconds=20)


async def test_what_is_no_envelope_has_a_reason_and_no_job(yard: Yard, client: "SQSClient | None") -> None:
    """It can be looked at like the others."""
    if isinstance(yard.lane, MemoryQueue):
        yard.lane.put("[]")
    elif client and isinstance(yard.lane, SqsQueue):
        await client.send_message(QueueUrl=yard.lane._url, MessageBody="[]")  # noqa: SLF001 - past the adapter
    [delivery] = await yard.lane.receive(10, timedelta(seconds=1))
    await yard.lane.bury(delivery, "malformed_envelope", None)
    [letter] = await yard.all()
    assert (letter.body, letter.reason, letter.request_id) == ("[]", "malformed_envelope", None)


async def test_an_empty_queue_shows_nothing(yard: Yard) -> None:
    """That is no error."""
    assert await yard.dead.look(10) == []


async def test_looking_shows_each_letter_once(yard: Yard) -> None:
    """Any number, ten at a time at most; meanwhile they are out of sight, and stay where they are."""
    wanted = await yard.bury(23)
    assert len(await yard.dead.look(100)) <= 10
    found = await yard.all()
    assert len({letter.message_id for letter in found}) == len(found)
    assert len(found) <= 22
    assert {letter.request_id for letter in found} < set(wanted)
    await yard.dead.put_back(found)
    assert len(await yard.all()) == len(found)


async def test_a_letter_that_is_put_back_is_there_at_once(yard: Yard) -> None:
    """Any number of them."""
    wanted = await yard.bury(12)
    await yard.dead.put_back(await yard.all())
    assert {letter.request_id for letter in await yard.all()} == set(wanted)


async def test_a_removed_letter_is_gone(yard: Yard) -> None:
    """Any number, and no other."""
    await yard.bury(13)
    kept, *removed = await yard.all()
    await yard.dead.remove(removed)
    await yard.dead.put_back([kept, *removed])
    assert [letter.message_id for letter in await yard.all()] == [kept.message_id]


async def test_nothing_is_removed_or_put_back(yard: Yard) -> None:
    """No letters, no request."""
    await yard.dead.remove([])
    await yard.dead.put_back([])


async def test_stale_receipts_are_no_error(yard: Yard) -> None:
    """Who removes again, or puts back what is gone, is right already."""
    await yard.bury(2)
    letters = await yard.all()
    await yard.dead.remove(letters)
    await yard.dead.remove(letters)
    await yard.dead.put_back(letters)
    assert await yard.all() == []


async def test_every_verb_says_when_the_queue_is_unavailable(unkind: UnkindAws) -> None:
    """No foreign exception crosses the port."""
    unkind.answer((403, refusal("AccessDenied")))
    async with sqs_client(REGION, 2) as client:
        dead = SqsDeadLetters(client, f"{unkind.url}/dlq")
        for call in (dead.look(1), dead.remove([NOWHERE]), dead.put_back([NOWHERE])):
            with pytest.raises(QueueUnavailable):
                await call


async def test_a_failed_entry_is_told(unkind: UnkindAws) -> None:
    """SQS answers 200 with failures per entry; a stale one is none, one that the answer does not name is."""
    entry = {"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "x"}
    async with sqs_client(REGION, 2) as client:
        dead = SqsDeadLetters(client, f"{unkind.url}/dlq")
        unkind.answer((200, {"Successful": [], "Failed": [entry]}), (200, {}))
        for _ in range(2):
            with pytest.raises(QueueUnavailable):
                await dead.remove([NOWHERE])
        unkind.answer((200, {"Successful": [], "Failed": [entry | {"Code": "ReceiptHandleIsInvalid"}]}))
        await dead.put_back([NOWHERE])
