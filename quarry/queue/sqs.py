"""The queue port on Amazon SQS (standard queues).

Batch calls answer 200 with failures per entry; those are read, always. Receipts that went stale are benign: SQS, and the
emulators each in their own way, answer a late delete or extension with an error or with silence.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import DENIED, code_of, said, unavailable
from quarry.batching import Batcher
from quarry.clock import from_epoch_ms
from quarry.errors import ConfigurationError, QueueUnavailable
from quarry.job import Priority
from quarry.queue.base import LOOK, DeadDelivery, Delivery, Message
from quarry.settings import QueueSettings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

#: Source: the SQS service model in botocore 1.43.117 (November 2026).
BATCH_MAX_ENTRIES: Final = 10
VISIBILITY_MAX_SECONDS: Final = 43_200
DELAY_MAX_SECONDS: Final = 900
#: A margin below the 12 h that one receipt can last in total: going over is an error, not a cut.
_RELEASE_MAX_SECONDS: Final = VISIBILITY_MAX_SECONDS - 3_600

#: How long SQS may take to answer, the SDK's repeats included: a worker must notice soon that it is back. Our own choice.
_ANSWER_SECONDS: Final = 8.0

#: Acks that follow each other closely leave together: each request is paid for, and costs CPU. Nobody waits for them: the job is
#: recorded, and its slot is free. Our own choice.
_ACKS_GATHER_SECONDS: Final = 0.05

#: Both spellings: the JSON protocol's and the query protocol's.
_STALE: Final = frozenset(
    {"ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"} | {"AWS.SimpleQueueService.MessageNotInflight"}
)
_NO_QUEUE: Final = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})


class SqsQueue:
    """One lane. Acks and visibility changes of concurrent jobs share batches."""

    def __init__(
        self, client: "SQSClient", url: str, dlq_url: str, *, visibility: timedelta, lane: Priority = Priority.NORMAL
    ) -> None:
        self._client = client
        self._url = url
        self._dlq_url = dlq_url
        self._lane = lane
        self._visibility_seconds = int(visibility.total_seconds())
        self._sends: Batcher[Message, None] = Batcher(self._send_batch, limit=BATCH_MAX_ENTRIES, concurrency=16)
        self._acks: Batcher[Delivery, None] = Batcher(self._ack_batch, limit=BATCH_MAX_ENTRIES, gather_seconds=_ACKS_GATHER_SECONDS)
        self._changes: Batcher[tuple[Delivery, int], None] = Batcher(self._change_batch, limit=BATCH_MAX_ENTRIES)

    async def send(self, envelopes: Sequence[Message]) -> list[QueueUnavailable | None]:
        results = await asyncio.gather(*map(self._sends.submit, envelopes), return_exceptions=True)
        return [_as_unavailable(result) for result in results]

    async def receive(self, limit: int, wait: timedelta) -> list[Delivery]:
        async with _answering("receive", wait.total_seconds() + _ANSWER_SECONDS):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, BATCH_MAX_ENTRIES),
                WaitTimeSeconds=int(wait.total_seconds()),
                # Not left to the queue: how long a message stays away must fit this worker's lease.
                VisibilityTimeout=self._visibility_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"],
            )
        return [_delivery(message, self._lane) for message in answer.get("Messages", [])]

    async def ack(self, delivery: Delivery) -> None:
        await self._acks.submit(delivery)

    async def release(self, delivery: Delivery, delay: timedelta) -> None:
        seconds = max(0, min(_whole(delay), _RELEASE_MAX_SECONDS))
        await self._changes.submit((delivery, seconds))

    async def resend(self, delivery: Delivery, delay: timedelta) -> None:
        request: Any = {"QueueUrl": self._url, "MessageBody": delivery.body}
        if delivery.group:
            request["MessageGroupId"] = delivery.group
        async with _answering("send"):
            await self._client.send_message(**request, DelaySeconds=max(0, min(_whole(delay), DELAY_MAX_SECONDS)))
        await self.ack(delivery)

    async def extend(self, deliveries: Sequence[Delivery], visibility: timedelta) -> None:
        seconds = int(visibility.total_seconds())
        results = await asyncio.gather(
            *(self._changes.submit((delivery, seconds)) for delivery in deliveries), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def bury(self, delivery: Delivery, reason: str, request_id: str | None) -> None:
        attributes = {"reason": reason, "request_id": request_id}
        async with _answering("bury"):
            await self._client.send_message(
                QueueUrl=self._dlq_url,
                MessageBody=delivery.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
                },
            )
        await self.ack(delivery)

    async def close(self) -> None:
        """Wait until what was handed in has been sent."""
        await asyncio.gather(self._sends.close(), self._acks.close(), self._changes.close())

    async def _send_batch(self, envelopes: Sequence[Message]) -> Sequence[None | Exception]:
        entries: list[Any] = [
            # The group makes the queue fair between tenants; on a standard queue it orders nothing.
            {"Id": str(i), "MessageBody": envelope.to_wire(), "MessageGroupId": envelope.tenant}
            for i, envelope in enumerate(envelopes)
        ]
        async with _answering("send"):
            answer = await self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return _per_entry("send", len(entries), answer)

    async def _ack_batch(self, deliveries: Sequence[Delivery]) -> Sequence[None | Exception]:
        entries: list[Any] = [{"Id": str(i), "ReceiptHandle": each.receipt} for i, each in enumerate(deliveries)]
        async with _answering("ack"):
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return _per_entry("ack", len(entries), answer)

    async def _change_batch(self, changes: Sequence[tuple[Delivery, int]]) -> Sequence[None | Exception]:
        entries: list[Any] = [
            {"Id": str(i), "ReceiptHandle": delivery.receipt, "VisibilityTimeout": seconds}
            for i, (delivery, seconds) in enumerate(changes)
        ]
        async with _answering("change visibility"):
            answer = await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        return _per_entry("change visibility", len(entries), answer)


class SqsDeadLetters:
    """The dead-letter queue."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    async def look(self, limit: int) -> list[DeadDelivery]:
        async with _answering("look at dead letters"):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, BATCH_MAX_ENTRIES),
                # Without a wait SQS asks only some of its servers, and may miss what is there.
                WaitTimeSeconds=1,
                VisibilityTimeout=int(LOOK.total_seconds()),
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            )
        return [_dead_delivery(message) for message in answer.get("Messages", [])]

    async def remove(self, deliveries: Sequence[DeadDelivery]) -> None:
        entries: list[Any] = [{"ReceiptHandle": each.receipt} for each in deliveries]
        await self._in_batches("remove", self._client.delete_message_batch, entries)

    async def put_back(self, deliveries: Sequence[DeadDelivery]) -> None:
        entries: list[Any] = [{"ReceiptHandle": each.receipt, "VisibilityTimeout": 0} for each in deliveries]
        await self._in_batches("put back", self._client.change_message_visibility_batch, entries)

    async def _in_batches(self, verb: str, call: Callable[..., Awaitable[Any]], entries: Sequence[Any]) -> None:
        failures: list[Exception] = []
        for start in range(0, len(entries), BATCH_MAX_ENTRIES):
            batch = [{"Id": str(i), **entry} for i, entry in enumerate(entries[start : start + BATCH_MAX_ENTRIES])]
            async with _answering(verb):
                answer = await call(QueueUrl=self._url, Entries=batch)
            failures += [each for each in _per_entry(verb, len(batch), answer) if each]
        if failures:
            raise failures[0]


async def resolve_urls(client: "SQSClient", settings: QueueSettings) -> tuple[dict[Priority, str], str]:
    """The URLs of the lanes and of the dead-letter queue; a configured URL wins over a name.

    Raises:
        ConfigurationError: there is no such queue, or we may not see it.
        QueueUnavailable: SQS did not answer.
    """
    lanes = {}
    for lane in Priority:
        url, variable = settings.url_of(lane)
        if url:
            await _check(client, url, variable)
        lanes[lane] = url or await _url_of(client, settings.name_of(lane), "QUARRY_QUEUE__NAME")
    return lanes, settings.dlq_url or await _url_of(client, f"{settings.name}-dlq", "QUARRY_QUEUE__DLQ_URL")


async def webhooks_urls(client: "SQSClient", settings: QueueSettings) -> tuple[str, str]:
    """The URLs of the queue of reminders, and of its dead-letter queue.

    Raises:
        ConfigurationError, QueueUnavailable: as for `resolve_urls`.
    """
    url, name, dlq = settings.webhooks
    if url:
        await _check(client, url, "QUARRY_QUEUE__URL")
        return url, f"{url}-dlq"
    return await _url_of(client, name, "QUARRY_QUEUE__NAME"), await _url_of(client, dlq, "QUARRY_QUEUE__NAME")


async def _check(client: "SQSClient", url: str, variable: str) -> None:
    """See that there is a queue at a configured URL. Who may not ask for its attributes may yet send and receive."""
    async with _answering("look up"):
        try:
            await client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        except ClientError as error:
            if code_of(error) in _NO_QUEUE:
                raise ConfigurationError(f"{variable}: there is no queue at {url}") from error
            if code_of(error) not in DENIED:
                raise


async def _url_of(client: "SQSClient", name: str, variable: str) -> str:
    async with _answering("look up"):
        try:
            return (await client.get_queue_url(QueueName=name))["QueueUrl"]
        except ClientError as error:
            if code_of(error) in DENIED:
                raise ConfigurationError(f"{variable}: the queue {name!r} may not be seen: {said(error)}") from error
            if code_of(error) in _NO_QUEUE:
                raise ConfigurationError(
                    f"{variable}: the queue {name!r} does not exist; `quarry provision` makes it locally"
                ) from error
            raise


@asynccontextmanager
async def _answering(verb: str, seconds: float = _ANSWER_SECONDS) -> AsyncIterator[None]:
    """Around a call: whatever goes wrong, and no answer in time, is `QueueUnavailable`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise _unavailable(verb, error) from error


def _whole(delay: timedelta) -> int:
    # Rounded up: a message that comes a moment early costs a refused claim and another wait.
    return -int(-delay.total_seconds() // 1)


def _delivery(message: Any, lane: Priority) -> Delivery:
    attributes = message.get("Attributes") or {}
    return Delivery(
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        message_id=message["MessageId"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=from_epoch_ms(int(attributes.get("SentTimestamp", 0))),
        group=attributes.get("MessageGroupId"),
        lane=lane,
    )


def _dead_delivery(message: Any) -> DeadDelivery:
    attributes = {name: value.get("StringValue") for name, value in (message.get("MessageAttributes") or {}).items()}
    return DeadDelivery(
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        message_id=message["MessageId"],
        sent_at=from_epoch_ms(int((message.get("Attributes") or {}).get("SentTimestamp", 0))),
        reason=attributes.get("reason"),
        request_id=attributes.get("request_id"),
    )


def _per_entry(verb: str, count: int, answer: Any) -> list[None | Exception]:
    # An entry that the answer does not name may or may not have been carried out.
    results: list[None | Exception] = [QueueUnavailable(f"SQS did not say whether it could {verb}") for _ in range(count)]
    for done in answer.get("Successful", []):
        results[int(done["Id"])] = None
    # The refusal of a repeat says nothing about the first try.
    applied = None if answer["ResponseMetadata"].get("RetryAttempts") else False
    for failed in answer.get("Failed", []):
        stale = failed["Code"] in _STALE and verb != "send"
        refusal = QueueUnavailable(f"SQS refused to {verb}: {failed['Code']}", applied=applied)
        results[int(failed["Id"])] = None if stale else refusal
    return results


def _unavailable(verb: str, error: Exception) -> QueueUnavailable:
    return unavailable(QueueUnavailable, "SQS", verb, error)


def _as_unavailable(result: BaseException | None) -> QueueUnavailable | None:
    if result is None or isinstance(result, QueueUnavailable):
        return result
    raise result
