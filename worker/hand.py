"""Deliveries that were received and wait here for a slot of their tenant: few of each, and not for long."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from quarry.job import Priority
from quarry.queue.base import Delivery

#: Then a delivery is put back: another worker may have a slot for it. Our own choice.
HELD_SECONDS: Final = 2.0
#: All of them together. Our own choice.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that waits, and until when, on the monotonic clock."""

    delivery: Delivery
    tenant: str
    until: float


class Hand:
    """What waits for a slot, the oldest of each tenant and lane first."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Priority], deque[Held]] = {}
        self._count = 0

    def take(self, held: Held, most: int) -> bool:
        """Keep a delivery; False where `most` of its tenant and lane are kept already."""
        key = held.tenant, held.delivery.lane
        if self._count >= _MOST or len(self._held.get(key, ())) >= most:
            return False
        self._held.setdefault(key, deque()).append(held)
        self._count += 1
        return True

    def holds(self, lane: Priority) -> bool:
        """Whether anything of a lane is kept."""
        return any(each is lane for _, each in self._held)

    def ready(self, admits: Callable[[str, Priority], bool]) -> dict[Priority, Held]:
        """By lane, the oldest that may start."""
        ready: dict[Priority, Held] = {}
        for (tenant, lane), queue in self._held.items():
            if admits(tenant, lane) and (lane not in ready or queue[0].until < ready[lane].until):
                ready[lane] = queue[0]
        return ready

    def give(self, held: Held) -> None:
        """Let go of a delivery."""
        key = held.tenant, held.delivery.lane
        self._held[key].remove(held)
        self._count -= 1
        if not self._held[key]:
            del self._held[key]

    def expired(self, now: float) -> list[Held]:
        """Let go of what has waited long enough."""
        gone = [held for held in self if held.until <= now]
        for held in gone:
            self.give(held)
        return gone

    def next_expiry(self) -> float | None:
        """When that happens next."""
        return min((held.until for held in self), default=None)

    def __iter__(self) -> Iterator[Held]:
        return iter([held for queue in self._held.values() for held in queue])

    def __len__(self) -> int:
        return self._count
