"""The queue port: what Quarry needs of a queue. `sqs.py` is the real one, `quarry.testing.queue` the fake; one contract suite
holds both to what is written here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from quarry.errors import QueueUnavailable
from quarry.job import CLOCK_MARGIN, Priority


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receipt of a message.

    `body` is what was sent, unread: it need not be an envelope. `receipt` is a secret of the queue and never logged.
    """

    receipt: str = field(repr=False)
    body: str = field(repr=False)
    message_id: str
    receive_count: int
    sent_at: datetime
    #: What the message was sent under, so that no tenant crowds out the others; None where it had none.
    group: str | None = None
    #: Where it came from, and is settled.
    lane: Priority = Priority.NORMAL


class Message(Protocol):
    """What can be sent: an envelope, or a reminder."""

    @property
    def tenant(self) -> str:
        """Whose it is."""

    def to_wire(self) -> str:
        """Its body."""


class JobQueue(Protocol):
    """A lane and its dead-letter queue, which the lanes share. At least once, in no order."""

    async def send(self, envelopes: Sequence[Message]) -> list[QueueUnavailable | None]:
        """Put envelopes on the queue, any number.

        Returns:
            One entry per envelope, in order: None where it is durable, else what happened. One failure does not touch the
            others. The error's `applied` is False where the queue is known to have refused, None where nobody knows.
        """

    async def receive(self, limit: int, wait: timedelta) -> list[Delivery]:
        """Take up to `limit` (at most 10) messages, waiting up to `wait` (at most 20 s) for the first.

        They stay invisible to others for the visibility timeout that the queue was made with.

        Raises:
            QueueUnavailable: nothing was received, as far as we know.
        """

    async def ack(self, delivery: Delivery) -> None:
        """Remove the message for good. A receipt that has gone stale is no error: the message was received anew or is gone.

        Raises:
            QueueUnavailable: the message may come again.
        """

    async def release(self, delivery: Delivery, delay: timedelta) -> None:
        """Make the message visible after `delay` (zero: now); stale receipts as for `ack`.

        A delay beyond what one receipt can last is cut to that; the message then comes early.

        Raises:
            QueueUnavailable: the message comes again after its visibility timeout.
        """

    async def resend(self, delivery: Delivery, delay: timedelta) -> None:
        """Put the same message on the queue anew, not before `delay` (at most 15 minutes), then remove the old one.

        Unlike a released message, one that waits so is not in flight, has not been received yet, and no receipt can run out.

        Raises:
            QueueUnavailable: there may be two of them, or only the old one, which comes again after its visibility timeout.
        """

    async def extend(self, deliveries: Sequence[Delivery], visibility: timedelta) -> None:
        """Keep messages invisible for `visibility` from now; stale receipts as for `ack`.

        Raises:
            QueueUnavailable: some may become visible earlier.
        """

    async def bury(self, delivery: Delivery, reason: str, request_id: str | None) -> None:
        """Copy the message to the dead-letter queue, with its reason, then remove it here.

        Raises:
            QueueUnavailable: it may be in both, or only here.
        """


#: The queues by the priority of their jobs. They share one dead-letter queue.
Lanes: TypeAlias = Mapping[Priority, JobQueue]


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """One receipt of a message of the dead-letter queue.

    `sent_at` is when it was buried; of what the queue moved by itself, when it was first sent.
    """

    receipt: str = field(repr=False)
    body: str = field(repr=False)
    message_id: str
    sent_at: datetime
    #: Why it was buried; None where the queue moved it by itself, having given it out too often.
    reason: str | None
    #: Whose message it was, where that was known.
    request_id: str | None


class DeadLetters(Protocol):
    """The dead-letter queue, for tools: nothing in it comes or goes by itself, except by age."""

    async def look(self, limit: int) -> list[DeadDelivery]:
        """Up to `limit` (at most 10) of its messages; an empty list where there are no others.

        They stay where they are, out of sight for `LOOK`, unless they are put back before.

        Raises:
            QueueUnavailable: nothing was seen; some may be out of sight.
        """

    async def remove(self, deliveries: Sequence[DeadDelivery]) -> None:
        """Remove messages for good, any number. Those gone already, or looked at anew, are no error.

        Raises:
            QueueUnavailable: some may still be there.
        """

    async def put_back(self, deliveries: Sequence[DeadDelivery]) -> None:
        """Make messages visible at once, any number; stale receipts as for `remove`.

        Raises:
            QueueUnavailable: some come into sight only when `LOOK` is over.
        """


#: How long a dead letter that was looked at stays out of sight. Our own choice: time enough to look at tens of thousands.
LOOK: Final = timedelta(minutes=5)


#: A reminder that a worker died with comes again after this; longer than the longest call (`QUARRY_WEBHOOKS__TIMEOUT_SECONDS`).
REMINDER_VISIBILITY: Final = timedelta(seconds=90)


def visibility_for(lease_seconds: int) -> timedelta:
    """A message reappears when the lease behind it has just become claimable."""
    return timedelta(seconds=lease_seconds) + CLOCK_MARGIN
