"""The dead-letter queue in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from quarry.clock import Clock
from quarry.errors import QueueUnavailable
from quarry.ids import new_token
from quarry.queue.base import LOOK, DeadDelivery
from quarry.testing.faults import Fallible
from quarry.testing.queue import DeadLetter, MemoryQueue

Operation: TypeAlias = Literal["look", "remove", "put_back"]

#: Source: the SQS service model in botocore 1.43.117 (November 2026).
_RECEIVE_MAX = 10


@dataclass(slots=True)
class _Message:
    letter: DeadLetter
    sent_at: datetime
    #: On the monotonic clock.
    visible_at: float
    receipt: str | None = None


class MemoryDeadLetters(Fallible[Operation]):
    """Shows what a lane has buried. What is removed here stays in the lane's `buried`, which is a log.

    Args:
        lane: whose dead letters.
        clock: as the lane's.
    """

    def __init__(self, lane: MemoryQueue, clock: Clock) -> None:
        super().__init__(QueueUnavailable)
        self._lane = lane
        self._clock = clock
        self._messages: dict[str, _Message] = {}
        self._followed = 0

    # --- for tests ----------------------------------------------------------------------------------------------------

    @property
    def letters(self) -> list[DeadLetter]:
        """What is there, in sight or not."""
        self._follow()
        return [message.letter for message in self._messages.values()]

    @property
    def hidden_count(self) -> int:
        """How many are out of sight, having been looked at."""
        return sum(message.visible_at > self._clock.monotonic() for message in self._messages.values())

    def put(self, letter: DeadLetter) -> str:
        """Add a dead letter past the lane; returns its message id."""
        message_id = new_token()
        self._messages[message_id] = _Message(letter, self._clock.now(), self._clock.monotonic())
        return message_id

    # --- the port -----------------------------------------------------------------------------------------------------

    async def look(self, limit: int) -> list[DeadDelivery]:
        with self._strike("look"):
            self._follow()
            now = self._clock.monotonic()
            visible = [message_id for message_id, message in self._messages.items() if message.visible_at <= now]
            return [self._receive(message_id) for message_id in visible[: min(limit, _RECEIVE_MAX)]]

    async def remove(self, deliveries: Sequence[DeadDelivery]) -> None:
        with self._strike("remove"):
            for message_id, _ in self._held(deliveries):
                del self._messages[message_id]

    async def put_back(self, deliveries: Sequence[DeadDelivery]) -> None:
        with self._strike("put_back"):
            for _, message in self._held(deliveries):
                message.visible_at = self._clock.monotonic()

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Take over what the lane has buried since."""
        for letter in self._lane.buried[self._followed :]:
            self.put(letter)
        self._followed = len(self._lane.buried)

    def _receive(self, message_id: str) -> DeadDelivery:
        message, receipt = self._messages[message_id], new_token()
        message.receipt, message.visible_at = receipt, self._clock.monotonic() + LOOK.total_seconds()
        letter = message.letter
        return DeadDelivery(receipt, letter.body, message_id, message.sent_at, letter.reason, letter.request_id)

    def _held(self, deliveries: Sequence[DeadDelivery]) -> Iterator[tuple[str, _Message]]:
        """Those whose receipt is not stale."""
        for each in deliveries:
            message = self._messages.get(each.message_id)
            if message and message.receipt == each.receipt:
                yield each.message_id, message
