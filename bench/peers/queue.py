"""A queue as SQS's standard one behaves, in memory: delays, visibility timeouts, long polls, receive counts, a dead-letter queue.

Source: the SQS developer guide (November 2026). Time is given in, in seconds.
"""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Message:
    """One message, wherever it is."""

    number: int
    body: str
    attributes: dict[str, Any]
    sent_at: float
    visible_at: float
    receives: int = 0

    @property
    def receipt(self) -> str:
        """The handle of its latest receipt, as long as a real one."""
        return f"{self.number}#{self.receives}#".ljust(200, "x")


@dataclass(slots=True)
class Queue:
    """The messages of one queue. `receives_max`: how often one is handed out before it is a dead letter."""

    receives_max: int | None = None
    dead: int = 0
    _messages: dict[int, Message] = field(default_factory=dict)
    _due: list[tuple[float, int]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __len__(self) -> int:
        """All messages: visible, delayed, in flight."""
        return len(self._messages)

    def send(self, body: str, attributes: dict[str, Any], now: float, delay: float = 0.0) -> int:
        """Add a message; returns its number."""
        message = Message(next(self._numbers), body, attributes, now, now + delay)
        self._messages[message.number] = message
        heapq.heappush(self._due, (message.visible_at, message.number))
        return message.number

    def receive(self, most: int, visibility: float, now: float) -> list[Message]:
        """Hand out what is visible."""
        found: list[Message] = []
        while len(found) < most and self._due and self._due[0][0] <= now:
            due_at, number = heapq.heappop(self._due)
            message = self._messages.get(number)
            if message is None or message.visible_at != due_at:
                continue
            if self.receives_max is not None and message.receives >= self.receives_max:
                self.dead += 1
                del self._messages[number]
                continue
            message.receives += 1
            self._hide(message, now + visibility)
            found.append(message)
        return found

    def change(self, receipt: str, visibility: float, now: float) -> None:
        """Have a message come back then. A receipt of an earlier delivery does nothing."""
        if message := self._held(receipt):
            self._hide(message, now + visibility)

    def delete(self, receipt: str) -> None:
        """Take a message away. A receipt of an earlier delivery does nothing."""
        if message := self._held(receipt):
            del self._messages[message.number]

    def _held(self, receipt: str) -> Message | None:
        number, receives, _ = receipt.split("#", 2)
        message = self._messages.get(int(number))
        return message if message and message.receives == int(receives) else None

    def _hide(self, message: Message, until: float) -> None:
        message.visible_at = until
        heapq.heappush(self._due, (until, message.number))
