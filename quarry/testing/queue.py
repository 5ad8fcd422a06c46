"""The queue port in memory, by the rules of a standard queue: at least once, in no promised order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from quarry.clock import Clock
from quarry.envelope import Envelope
from quarry.errors import QueueUnavailable
from quarry.ids import new_token
from quarry.queue.base import Delivery, visibility_for
from quarry.testing.faults import Faults

Operation: TypeAlias = Literal["send", "receive", "ack", "release", "extend", "bury"]

#: Source: the SQS service model in botocore 1.43.117 (November 2026).
_RECEIVE_MAX: Final = 10
#: What one receipt can last. Source: as above (`VisibilityTimeout`, in total since the receipt).
_RECEIPT_SECONDS: Final = 43_200.0
#: That of a worker with its defaults.
_VISIBILITY: Final = visibility_for(60)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was buried, and why."""

    body: str
    reason: str
    request_id: str | None


@dataclass(slots=True)
class _Message:
    message_id: str
    body: str
    sent_at: datetime
    #: On the monotonic clock, like the next one.
    visible_at: float
    received_at: float = 0.0
    receive_count: int = 0
    receipt: str | None = None


class MemoryQueue:
    """A lane and its dead-letter queue. Time is the clock's: with a `FakeClock`, nothing reappears before the test says so."""

    def __init__(self, clock: Clock, *, visibility: timedelta = _VISIBILITY) -> None:
        self.buried: list[DeadLetter] = []
        self._clock = clock
        self._visibility = visibility
        self._messages: dict[str, _Message] = {}
        self._faults = Faults(QueueUnavailable)
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
        return len(self._messages) - self.visible_count

    def fail_next(self, operation: Operation, *, applied: bool = False, known: bool = True, times: int = 1) -> None:
        """Let the next calls end in `QueueUnavailable`; of a call with several entries, the next entries.

        Args:
            operation: the method.
            applied: carry it out, then lose the answer. Else nothing happens.
            known: whether the error says so, where nothing happens.
            times: how often.
        """
        self._faults.plan(operation, applied=applied, known=known, times=times)

    def put(self, body: str) -> str:
        """Send a raw message, an envelope or not; returns its id."""
        message = _Message(new_token(), body, self._clock.now(), self._clock.monotonic())
        self._messages[message.message_id] = message
        self._wake()
        return message.message_id

    def deliver_again(self) -> None:
        """Let every message in flight come once more, as a standard queue may at any time. Receipts hold until then."""
        for message in self._messages.values():
            message.visible_at = self._clock.monotonic()
        self._wake()

    # --- the port -----------------------------------------------------------------------------------------------------

    async def send(self, envelopes: Sequence[Envelope]) -> list[QueueUnavailable | None]:
        return [self._send(envelope) for envelope in envelopes]

    async def receive(self, limit: int, wait: timedelta) -> list[Delivery]:
        with self._faults.strike("receive"):
            end = self._clock.monotonic() + wait.total_seconds()
            while not self._visible() and (left := end - self._clock.monotonic()) > 0:
                await self._something(left)
            return [self._deliver(message) for message in self._visible()[: min(limit, _RECEIVE_MAX)]]

    async def ack(self, delivery: Delivery) -> None:
        with self._faults.strike("ack"):
            self._remove(delivery)

    async def release(self, delivery: Delivery, delay: timedelta) -> None:
        with self._faults.strike("release"):
            self._hide(delivery, max(delay, timedelta(0)))

    async def extend(self, deliveries: Sequence[Delivery], visibility: timedelta) -> None:
        failure: QueueUnavailable | None = None
        for delivery in deliveries:
            try:
                with self._faults.strike("extend"):
                    self._hide(delivery, visibility)
            except QueueUnavailable as error:
                failure = error
        if failure:
            raise failure

    async def bury(self, delivery: Delivery, reason: str, request_id: str | None) -> None:
        with self._faults.strike("bury"):
            self.buried.append(DeadLetter(delivery.body, reason, request_id))
        # A lost answer stops it here: the message is then in both.
        self._remove(delivery)

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _send(self, envelope: Envelope) -> QueueUnavailable | None:
        try:
            with self._faults.strike("send"):
                self.put(envelope.to_wire())
        except QueueUnavailable as error:
            return error
        return None

    def _visible(self) -> list[_Message]:
        now = self._clock.monotonic()
        return [message for message in self._messages.values() if message.visible_at <= now]

    def _deliver(self, message: _Message) -> Delivery:
        message.receive_count += 1
        message.receipt = new_token()
        message.received_at = self._clock.monotonic()
        message.visible_at = message.received_at + self._visibility.total_seconds()
        return Delivery(message.receipt, message.body, message.message_id, message.receive_count, message.sent_at)

    def _remove(self, delivery: Delivery) -> None:
        message = self._messages.get(delivery.message_id)
        if message and message.receipt == delivery.receipt:
            del self._messages[delivery.message_id]

    def _hide(self, delivery: Delivery, delay: timedelta) -> None:
        message, now = self._messages.get(delivery.message_id), self._clock.monotonic()
        if message is None or message.receipt != delivery.receipt or message.visible_at <= now:
            return  # stale: received anew, gone, or no longer in flight
        message.visible_at = min(now + delay.total_seconds(), message.received_at + _RECEIPT_SECONDS)
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
