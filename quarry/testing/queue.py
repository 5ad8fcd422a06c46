"""The queue port in memory, by the rules of a standard queue: at least once, in no promised order, and with SQS's limits."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from quarry.clock import Clock
from quarry.errors import QueueUnavailable
from quarry.ids import new_token
from quarry.job import Priority
from quarry.queue.base import Delivery, Message, visibility_for
from quarry.testing.faults import Fallible

Operation: TypeAlias = Literal["send", "receive", "ack", "release", "resend", "extend", "bury"]

#: Source: the SQS service model in botocore 1.43.117 (November 2026).
_RECEIVE_MAX: Final = 10
_DELAY_MAX_SECONDS: Final = 900.0
#: What one receipt can last. Source: as above (`VisibilityTimeout`, in total since the receipt).
_RECEIPT_SECONDS: Final = 43_200.0
#: The adapter on SQS cuts a release to this.
_RELEASE_SECONDS: Final = _RECEIPT_SECONDS - 3_600
#: Source: as above (ChangeMessageVisibility: "approximately 120,000 in flight messages").
_IN_FLIGHT_MAX: Final = 120_000
#: The longest that SQS keeps a message, and the highest `maxReceiveCount`. Source: as above, and the SQS documentation.
_RETENTION: Final = timedelta(days=14)
_RECEIVES_MAX: Final = 1_000
#: A model of SQS's fair queues: a tenant (a message group) is noisy with more than this share of what is in flight, and at least so
#: many. Left out: the share of processing time, the five minutes without a send after which a tenant is quiet again, and that SQS
#: calls these numbers approximate. Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
#: sqs-fair-queues-detailed.html (November 2026).
_NOISY_SHARE: Final = 0.1
_NOISY_LEAST: Final = 30
#: Our own choice: SQS does not say how often.
_STALE_DELETES: Final = 0.5
#: That of a worker with its defaults.
_VISIBILITY: Final = visibility_for(60)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was buried, and why. What the queue moved there by itself has neither a reason nor an id."""

    body: str
    reason: str | None
    request_id: str | None


@dataclass(slots=True)
class _Message:
    message_id: str
    body: str
    sent_at: datetime
    #: On the monotonic clock, like the next two.
    visible_at: float
    expires_at: float
    received_at: float = 0.0
    receive_count: int = 0
    receipt: str | None = None
    #: Whose it is: without one it is a tenant of its own.
    group: str | None = None


class MemoryQueue(Fallible[Operation]):
    """A lane and its dead-letter queue. Time is the clock's: with a `FakeClock`, nothing reappears before the test says so.

    Args:
        clock: the queue's own.
        visibility: how long a received message stays away.
        in_flight_max: how many messages may be in flight; a receive beyond that fails.
        receives_max: SQS's `maxReceiveCount`: who would receive a message once more finds it moved to the dead letters.
        retention: how long a message is kept, from its send; a release does not renew it.
        seed: makes the queue as unkind as SQS may be, always in the same way: messages come in any order, and an ack by a stale
            receipt may delete. None: the order is that of the sends, and stale receipts do nothing.
        duplicates: the chance (with a seed) that a received message can be received by others at once.
        lane: whose jobs it is for.
        fair: noisy tenants' messages come after those of others, by a model of what AWS documents; what AWS does was not measured.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        visibility: timedelta = _VISIBILITY,
        in_flight_max: int = _IN_FLIGHT_MAX,
        receives_max: int = _RECEIVES_MAX,
        retention: timedelta = _RETENTION,
        seed: int | None = None,
        duplicates: float = 0.0,
        lane: Priority = Priority.NORMAL,
        fair: bool = False,
    ) -> None:
        super().__init__(QueueUnavailable)
        self.buried: list[DeadLetter] = []
        #: May be changed at any time.
        self.duplicates = duplicates
        self._clock = clock
        self._lane = lane
        self._fair = fair
        self._visibility = visibility
        self._in_flight_max = in_flight_max
        self._receives_max = receives_max
        self._retention = retention
        self._random = None if seed is None else random.Random(seed)  # noqa: S311 - unkindness to test with
        self._messages: dict[str, _Message] = {}
        #: Replaced whenever something becomes visible out of turn, which wakes every long poll.
        self._news = asyncio.Event()

    # --- for tests ----------------------------------------------------------------------------------------------------

    @property
    def visible_count(self) -> int:
        """Messages that the next receive would give."""
        return len(self._visible())

    @property
    def in_flight_count(self) -> int:
        """Messages that were received and neither settled nor timed out; those waiting out a release are among them."""
        return sum(message.receive_count > 0 for message in self._hidden())

    @property
    def delayed_count(self) -> int:
        """Messages that were sent with a delay which is not over."""
        return sum(message.receive_count == 0 for message in self._hidden())

    @property
    def bodies(self) -> list[str]:
        """What is on the lane, visible or not."""
        return [message.body for message in self._kept()]

    def purge(self) -> None:
        """Drop everything on the lane, as an operator can."""
        self._messages.clear()

    def put(self, body: str, delay: timedelta = timedelta(0), group: str | None = None) -> str:
        """Send a raw message, an envelope or not; returns its id. `delay` is cut to what SQS allows."""
        now = self._clock.monotonic()
        visible_at = now + min(max(delay.total_seconds(), 0.0), _DELAY_MAX_SECONDS)
        message = _Message(new_token(), body, self._clock.now(), visible_at, now + self._retention.total_seconds(), group=group)
        self._messages[message.message_id] = message
        self._wake()
        return message.message_id

    def deliver_again(self) -> None:
        """Let every message in flight come once more, as a standard queue may at any time. Receipts hold until then."""
        for message in self._hidden():
            if message.receive_count:
                message.visible_at = self._clock.monotonic()
        self._wake()

    # --- the port -----------------------------------------------------------------------------------------------------

    async def send(self, envelopes: Sequence[Message]) -> list[QueueUnavailable | None]:
        return [self._send(envelope) for envelope in envelopes]

    async def receive(self, limit: int, wait: timedelta) -> list[Delivery]:
        with self._strike("receive"):
            end = self._clock.monotonic() + wait.total_seconds()
            while not self._visible() and (left := end - self._clock.monotonic()) > 0:
                await self._something(left)
            return self._take(min(limit, _RECEIVE_MAX))

    async def ack(self, delivery: Delivery) -> None:
        with self._strike("ack"):
            self._remove(delivery)

    async def release(self, delivery: Delivery, delay: timedelta) -> None:
        with self._strike("release"):
            self._hide(delivery, min(max(delay.total_seconds(), 0.0), _RELEASE_SECONDS))

    async def resend(self, delivery: Delivery, delay: timedelta) -> None:
        with self._strike("resend"):
            self.put(delivery.body, delay, delivery.group)
        # A lost answer stops it here, and a failing ack too: there are then two messages.
        await self.ack(delivery)

    async def extend(self, deliveries: Sequence[Delivery], visibility: timedelta) -> None:
        failure: QueueUnavailable | None = None
        for delivery in deliveries:
            try:
                with self._strike("extend"):
                    self._hide(delivery, visibility.total_seconds())
            except QueueUnavailable as error:
                failure = error
        if failure:
            raise failure

    async def bury(self, delivery: Delivery, reason: str, request_id: str | None) -> None:
        with self._strike("bury"):
            self.buried.append(DeadLetter(delivery.body, reason, request_id))
        # A lost answer stops it here, and a failing ack too: the message is then in both.
        await self.ack(delivery)

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _send(self, envelope: Message) -> QueueUnavailable | None:
        try:
            with self._strike("send"):
                self.put(envelope.to_wire(), group=envelope.tenant)
        except QueueUnavailable as error:
            return error
        return None

    def _kept(self) -> list[_Message]:
        now = self._clock.monotonic()
        self._messages = {each: message for each, message in self._messages.items() if now < message.expires_at}
        return list(self._messages.values())

    def _visible(self) -> list[_Message]:
        now = self._clock.monotonic()
        return [message for message in self._kept() if message.visible_at <= now]

    def _hidden(self) -> list[_Message]:
        now = self._clock.monotonic()
        return [message for message in self._kept() if message.visible_at > now]

    def _take(self, limit: int) -> list[Delivery]:
        room = self._in_flight_max - self.in_flight_count
        if room <= 0:
            raise QueueUnavailable("too many messages are in flight (OverLimit)", applied=False)
        visible = self._visible()
        if self._random:
            self._random.shuffle(visible)
        if self._fair:
            visible = self._quiet_first(visible)
        for message in [each for each in visible if each.receive_count >= self._receives_max]:
            visible.remove(message)
            del self._messages[message.message_id]
            self.buried.append(DeadLetter(message.body, None, None))
        return [self._deliver(message) for message in visible[: min(limit, room)]]

    def _quiet_first(self, visible: list[_Message]) -> list[_Message]:
        """Messages of quiet tenants, then those of noisy ones, who has least in flight before the others."""
        in_flight = Counter(message.group for message in self._hidden() if message.receive_count and message.group)
        share = _NOISY_SHARE * self.in_flight_count
        noisy = {group: count for group, count in in_flight.items() if count >= _NOISY_LEAST and count > share}
        return sorted(visible, key=lambda message: noisy.get(message.group, 0) if message.group else 0)

    def _deliver(self, message: _Message) -> Delivery:
        message.receive_count += 1
        message.receipt = new_token()
        message.received_at = self._clock.monotonic()
        twice = self._random is not None and self._random.random() < self.duplicates
        message.visible_at = message.received_at + (0.0 if twice else self._visibility.total_seconds())
        return Delivery(
            message.receipt, message.body, message.message_id, message.receive_count, message.sent_at, message.group, self._lane
        )

    def _remove(self, delivery: Delivery) -> None:
        message = self._messages.get(delivery.message_id)
        # "If you use an old ReceiptHandle, the request will succeed, but the message might not be deleted" (the service model).
        if message and (
            message.receipt == delivery.receipt or (self._random is not None and self._random.random() < _STALE_DELETES)
        ):
            del self._messages[delivery.message_id]

    def _hide(self, delivery: Delivery, seconds: float) -> None:
        message, now = self._messages.get(delivery.message_id), self._clock.monotonic()
        if message is None or message.receipt != delivery.receipt or message.visible_at <= now:
            return  # stale: received anew, gone, or no longer in flight
        if now + seconds > message.received_at + _RECEIPT_SECONDS:
            return  # SQS refuses it, and the adapter does not tell that from a stale receipt: the message comes early
        message.visible_at = now + seconds
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _something(self, seconds: float) -> None:
        """Wait until a message may have become visible, at most `seconds`."""
        due = [message.visible_at - self._clock.monotonic() for message in self._messages.values()]
        waits = {
            asyncio.ensure_future(self._news.wait()),
            asyncio.ensure_future(self._clock.sleep(min([seconds, *due]))),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
