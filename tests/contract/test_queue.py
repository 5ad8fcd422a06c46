"""The queue port, sentence by sentence: the fake, and the SQS adapter on two emulators."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import pytest
import pytest_asyncio

from quarry.aws import sqs_client
from quarry.clock import Clock, SystemClock
from quarry.envelope import from_wire
from quarry.errors import QueueUnavailable
from quarry.provision import provision
from quarry.queue.base import Delivery, JobQueue
from quarry.queue.sqs import SqsQueue, resolve_urls
from quarry.settings import load_settings
from quarry.testing import DeadLetter, FakeClock, MemoryQueue, a_delivery, an_envelope
from tests.contract.conftest import REGION, Backend, Faulty
from tests.contract.unkind import CUT, RESET, Answer, UnkindAws, refusal

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

T = TypeVar("T")
pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Longer than any test.
LONG = timedelta(seconds=30)
SHORT = timedelta(seconds=1)
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

    async def one(self, wait: float = 5) -> Delivery:
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
        return [delivery.message_id for delivery in await self.take(wait=5)]

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


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(backend: Backend) -> AsyncIterator["SQSClient | None"]:
    """One client for all lanes of an emulator."""
    if backend.is_fake:
        yield None
        return
    async with sqs_client(REGION, 50) as made:
        yield made


async def _open(client: "SQSClient | None", visibility: timedelta, monkeypatch: pytest.MonkeyPatch) -> Lane:
    if client is None:
        clock = FakeClock()
        return Lane(MemoryQueue(clock, visibility=visibility), clock)
    name = f"q{uuid4().hex[:12]}"
    monkeypatch.setenv("QUARRY_QUEUE__NAME", name)
    provision(load_settings())
    urls = await resolve_urls(client, name, None, None)
    return Lane(SqsQueue(client, *urls, visibility=visibility), SystemClock(), client, urls)


@pytest_asyncio.fixture(loop_scope="module")
async def lane(client: "SQSClient | None", monkeypatch: pytest.MonkeyPatch) -> Lane:
    """A lane on which nothing comes again by itself within a test."""
    return await _open(client, LONG, monkeypatch)


@pytest_asyncio.fixture(loop_scope="module")
async def hasty(client: "SQSClient | None", monkeypatch: pytest.MonkeyPatch) -> Lane:
    """A lane on which what is not settled comes again after a second."""
    return await _open(client, SHORT, monkeypatch)


# --- send and receive -------------------------------------------------------------------------------------------------


async def test_any_number_of_envelopes_can_be_sent(lane: Lane) -> None:
    """Each envelope has its entry in the answer, and each arrives, unchanged."""
    envelopes = [an_envelope(tenant=f"tenant-{i % 3}", generation=i) for i in range(23)]
    assert await lane.queue.send(envelopes) == [None] * 23
    received = [from_wire(delivery.body) for delivery in await lane.all(23)]
    assert sorted(received, key=lambda each: each.generation) == envelopes


async def test_sending_nothing_is_nothing(lane: Lane) -> None:
    """No envelopes, no answers, no message."""
    assert await lane.queue.send([]) == []
    assert await lane.is_quiet(0)


async def test_a_receive_takes_no_more_than_its_limit(lane: Lane) -> None:
    """What was not taken stays visible for the next."""
    await lane.queue.send([an_envelope() for _ in range(5)])
    first = await lane.take(limit=2, wait=5)
    assert 1 <= len(first) <= 2
    rest = await lane.all(5 - len(first))
    assert len({delivery.message_id for delivery in (*first, *rest)}) == 5


async def test_a_receive_takes_at_most_ten(lane: Lane) -> None:
    """A larger limit counts as ten."""
    await lane.queue.send([an_envelope() for _ in range(12)])
    assert 1 <= len(await lane.take(limit=100, wait=5)) <= 10


async def test_a_body_comes_as_it_was_sent(lane: Lane) -> None:
    """The body is unread: it need not be an envelope."""
    for body in BODIES:
        await lane.put(body)
    assert {delivery.body for delivery in await lane.all(len(BODIES))} == set(BODIES)


async def test_a_message_is_received_by_one_at_a_time(lane: Lane) -> None:
    """While it is in flight, nobody else gets it."""
    await lane.queue.send([an_envelope()])
    received = await lane.passing(asyncio.gather(*(lane.queue.receive(10, timedelta(seconds=1)) for _ in range(4))))
    assert sum(map(len, received)) == 1


async def test_an_unsettled_message_comes_again(hasty: Lane) -> None:
    """After the visibility timeout it is received anew: the same message, another receipt, counted."""
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    assert (first.receive_count, second.receive_count) == (1, 2)
    assert (second.message_id, second.body, second.sent_at) == (first.message_id, first.body, first.sent_at)
    assert second.receipt != first.receipt


async def test_a_delivery_knows_when_it_was_sent(lane: Lane) -> None:
    """`sent_at` is the instant of the send, aware, in UTC."""
    before = lane.clock.now()
    await lane.queue.send([an_envelope()])
    after = lane.clock.now()
    sent_at = (await lane.one()).sent_at
    # The queue's clock is the emulator's, which rounds in its own way.
    assert before - SHORT <= sent_at <= after + SHORT
    assert sent_at.utcoffset() == timedelta(0)


async def test_a_long_poll_wakes_on_a_send(lane: Lane) -> None:
    """A receive under way gets what is sent meanwhile, at once."""
    polling = asyncio.ensure_future(lane.queue.receive(10, timedelta(seconds=20)))
    started = lane.clock.monotonic()
    await asyncio.wait({polling}, timeout=0.2)
    assert not polling.done()
    await lane.queue.send([an_envelope()])
    assert len(await polling) == 1
    assert lane.clock.monotonic() - started < 5


async def test_an_empty_poll_lasts_as_long_as_it_was_told(lane: Lane) -> None:
    """A receive of an empty queue waits, then gives nothing."""
    started = lane.clock.monotonic()
    assert await lane.take(wait=1) == []
    assert 0.9 <= lane.clock.monotonic() - started < 5


async def test_a_poll_without_a_wait_answers_at_once(lane: Lane) -> None:
    """Zero is allowed."""
    started = lane.clock.monotonic()
    assert await lane.take(wait=0) == []
    assert lane.clock.monotonic() - started < 0.9


# --- ack --------------------------------------------------------------------------------------------------------------


async def test_many_acks_at_once(hasty: Lane) -> None:
    """Concurrent acks each remove their own message for good, and no other."""
    *acked, kept = await hasty.flight(24)
    await asyncio.gather(*map(hasty.queue.ack, acked))
    assert await hasty.comes_again() == [kept.message_id]


async def test_a_second_ack_is_no_error(lane: Lane) -> None:
    """The message is gone already."""
    await lane.queue.send([an_envelope()])
    delivery = await lane.one()
    await lane.queue.ack(delivery)
    await lane.queue.ack(delivery)


async def test_a_late_ack_removes_what_nobody_received_meanwhile(hasty: Lane) -> None:
    """After the visibility timeout a receipt holds until the message is received anew."""
    await hasty.queue.send([an_envelope()])
    delivery = await hasty.one()
    await hasty.passing(hasty.clock.sleep(1.1))
    await hasty.queue.ack(delivery)
    assert await hasty.is_quiet(0)


async def test_an_ack_by_a_stale_receipt_is_no_error(hasty: Lane) -> None:
    """The message was received anew."""
    await hasty.queue.send([an_envelope()])
    first, _ = await hasty.one(), await hasty.one()
    await hasty.queue.ack(first)


async def test_an_ack_by_a_stale_receipt_leaves_the_message(hasty: Lane, faulty: Faulty) -> None:
    """Who received the message anew is not robbed of it. (SQS may delete it all the same: no worker relies on this.)"""
    faulty(moto="moto 5.2.5 deletes a message by a stale receipt")
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    await hasty.queue.ack(first)
    assert (await hasty.one(wait=2)).message_id == second.message_id


# --- release and extend -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -5])
async def test_a_released_message_is_visible_at_once(lane: Lane, seconds: int) -> None:
    """No delay, or one that is over: now."""
    await lane.queue.send([an_envelope()])
    await lane.queue.release(await lane.one(), timedelta(seconds=seconds))
    assert (await lane.one(wait=2)).receive_count == 2


async def test_a_released_message_waits_out_its_delay(lane: Lane) -> None:
    """It comes after the delay, not before, and not only after the visibility timeout."""
    await lane.queue.send([an_envelope()])
    await lane.queue.release(await lane.one(), SHORT)
    started = lane.clock.monotonic()
    assert await lane.is_quiet(0)
    await lane.one(wait=10)
    assert 0.8 <= lane.clock.monotonic() - started < 8


async def test_a_release_beyond_what_a_receipt_can_last_is_cut(hasty: Lane) -> None:
    """It is no error, and the message stays away for now."""
    released, kept = await hasty.flight(2)
    await hasty.queue.release(released, timedelta(days=20))
    assert await hasty.comes_again() == [kept.message_id]


async def test_a_message_sent_anew_comes_after_its_delay_as_if_never_received(lane: Lane) -> None:
    """The same body; the old message is gone."""
    [delivery] = await lane.flight(1)
    await lane.queue.resend(delivery, timedelta(seconds=2))
    assert await lane.is_quiet(1)
    again = await lane.one()
    assert (again.body, again.receive_count) == (delivery.body, 1)
    assert again.message_id != delivery.message_id
    assert again.group == delivery.group
    await lane.queue.ack(again)
    assert await lane.is_quiet(0)


async def test_a_message_can_be_sent_anew_without_delay(lane: Lane) -> None:
    """Also where the instant to wait for has passed."""
    [delivery] = await lane.flight(1)
    await lane.queue.resend(delivery, timedelta(seconds=-3))
    assert (await lane.one()).body == delivery.body


async def test_a_delay_beyond_what_a_send_allows_is_cut(lane: Lane) -> None:
    """The message then comes early, and waits once more."""
    [delivery] = await lane.flight(1)
    await lane.queue.resend(delivery, timedelta(days=1))
    assert await lane.is_quiet(1)


async def test_a_stale_release_is_no_error(hasty: Lane) -> None:
    """The message was received anew, or is gone."""
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    await hasty.queue.release(first, NOW)
    await hasty.queue.ack(second)
    await hasty.queue.release(first, NOW)
    await hasty.queue.release(second, NOW)


async def test_an_extended_message_stays_away(hasty: Lane) -> None:
    """Visibility counts from the extension; any number can be extended at once."""
    *extended, kept = await hasty.flight(12)
    await hasty.queue.extend(extended, LONG)
    assert await hasty.comes_again() == [kept.message_id]


async def test_extending_nothing_is_nothing(lane: Lane) -> None:
    """A worker that holds nothing extends nothing."""
    await lane.queue.extend([], LONG)


async def test_a_stale_extension_is_no_error(hasty: Lane) -> None:
    """One that went stale does not keep the others from being extended."""
    acked, extended, kept = await hasty.flight(3)
    await hasty.queue.ack(acked)
    await hasty.queue.extend([acked, extended], LONG)
    assert await hasty.comes_again() == [kept.message_id]


# --- bury -------------------------------------------------------------------------------------------------------------


async def test_a_buried_message_is_a_dead_letter(hasty: Lane) -> None:
    """The dead-letter queue has its body, its reason and the id of its job; the lane has it no more."""
    envelope = an_envelope()
    buried, kept = await hasty.flight(2)
    await hasty.queue.bury(buried, "attempts_exhausted", envelope.request_id)
    assert await hasty.dead_letters() == [DeadLetter(buried.body, "attempts_exhausted", envelope.request_id)]
    assert await hasty.comes_again() == [kept.message_id]


async def test_any_body_can_be_buried(lane: Lane) -> None:
    """What is no envelope has no job, and is kept as it came."""
    for body in BODIES:
        await lane.put(body)
    for delivery in await lane.all(len(BODIES)):
        await lane.queue.bury(delivery, "malformed", None)
    assert set(await lane.dead_letters()) == {DeadLetter(body, "malformed", None) for body in BODIES}


async def test_burying_by_a_stale_receipt_is_no_error(hasty: Lane) -> None:
    """It leaves a dead letter, and whoever received the message anew settles it."""
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    await hasty.queue.ack(second)
    await hasty.queue.bury(first, "attempts_exhausted", None)
    assert len(await hasty.dead_letters()) == 1


# --- when SQS does not answer, or not usefully ------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def troubled(unkind: UnkindAws) -> AsyncIterator[SqsQueue]:
    """The adapter on it."""
    async with sqs_client(REGION, 10) as client:
        yield SqsQueue(client, f"{unkind.url}/lane", f"{unkind.url}/dlq", visibility=LONG)


async def test_a_failed_entry_fails_alone(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """SQS answers 200 with failures per entry: those, and only those, were not sent."""
    unkind.answer((200, {"Successful": [_sent(0), _sent(2)], "Failed": [_failed(1, "InternalError")]}))
    first, second, third = await troubled.send([an_envelope() for _ in range(3)])
    assert (first, third) == (None, None)
    assert isinstance(second, QueueUnavailable)
    assert second.applied is False


async def test_an_entry_that_the_answer_does_not_name_is_not_durable(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """Only what SQS says it has is sent; of the rest nobody knows."""
    unkind.answer((200, {}))
    [entry] = await troubled.send([an_envelope()])
    assert isinstance(entry, QueueUnavailable)
    assert entry.applied is None


FAILED = {"Id": "0", "Code": "InternalError", "SenderFault": False}


@pytest.mark.parametrize(
    ("script", "applied"),
    [
        pytest.param([(403, refusal("AccessDenied"))], False, id="refused"),
        pytest.param([(500, refusal("InternalError"))], None, id="broken"),
        pytest.param([RESET], None, id="reset"),
        pytest.param([CUT], None, id="cut"),
        pytest.param([RESET, (403, refusal("AccessDenied"))], None, id="refused only when asked again"),
        pytest.param([(200, {"Failed": [FAILED]})], False, id="refused in the batch"),
        pytest.param([RESET, (200, {"Failed": [FAILED]})], None, id="refused in the batch only when asked again"),
    ],
)
async def test_whether_an_envelope_was_sent_is_told_as_far_as_it_is_known(
    unkind: UnkindAws, troubled: SqsQueue, script: list[Answer], applied: bool | None
) -> None:
    """`applied` is False where the queue is known to have refused, None where nobody knows."""
    unkind.answer(*script)
    [entry] = await troubled.send([an_envelope()])
    assert isinstance(entry, QueueUnavailable)
    assert entry.applied is applied


async def test_every_verb_says_when_the_queue_is_unavailable(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """No foreign exception crosses the port."""
    unkind.answer((403, refusal("AccessDenied")))
    delivery = a_delivery()
    for call in (
        troubled.receive(1, NOW),
        troubled.ack(delivery),
        troubled.release(delivery, NOW),
        troubled.extend([delivery], LONG),
        troubled.bury(delivery, "malformed", None),
    ):
        with pytest.raises(QueueUnavailable):
            await call


async def test_a_burial_that_failed_leaves_the_message(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """What is not known to be in the dead-letter queue is not removed from the lane."""
    unkind.answer((403, refusal("AccessDenied")))
    with pytest.raises(QueueUnavailable):
        await troubled.bury(a_delivery(), "malformed", None)
    assert [operation for operation, _ in unkind.requests] == ["SendMessage"]


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "AWS.SimpleQueueService.MessageNotInflight"])
async def test_an_entry_with_a_stale_receipt_is_no_error(unkind: UnkindAws, troubled: SqsQueue, code: str) -> None:
    """However SQS puts it; any other failure of an entry is one."""
    unkind.answer((200, {"Successful": [], "Failed": [_failed(0, code)]}))
    await troubled.ack(a_delivery())
    await troubled.extend([a_delivery()], LONG)
    unkind.answer((200, {"Successful": [], "Failed": [_failed(0, "InternalError")]}))
    with pytest.raises(QueueUnavailable):
        await troubled.ack(a_delivery())
    with pytest.raises(QueueUnavailable):
        await troubled.extend([a_delivery()], LONG)


def _sent(entry: int) -> dict[str, str]:
    return {"Id": str(entry), "MessageId": "message", "MD5OfMessageBody": ""}


def _failed(entry: int, code: str) -> dict[str, object]:
    return {"Id": str(entry), "Code": code, "SenderFault": False}
