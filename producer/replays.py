"""What this process knows of replays: bounds on what they cost, since nobody's limit counts them."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from quarry.clock import Clock
from quarry.store.base import IdempotencyKey

#: A replay so soon after another one writes and sends nothing: the message that the earlier one sent lies in the queue, and should
#: it be lost, the sweep finds out. Our own choice.
RECENT_SECONDS: Final = 60.0
#: Of how many keys that is known; the oldest is forgotten first. Our own choice: a few
#: megabytes.
KNOWN_MAX: Final = 10_000
#: How many keys of one tenant that is over its limits are looked up in a second; beyond that, whoever comes is over the limit. Our
#: own choice.
LOOKS_PER_SECOND: Final = 10


class Replays:
    """Keys that were replayed lately, and how many were looked up for tenants that are over their limits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._looks = Counter[str]()
        self._looks_since = float("-inf")

    def is_recent(self, key: IdempotencyKey) -> bool:
        """Whether a key was replayed a moment ago."""
        at = self._recent.get((key.tenant, key.key))
        return at is not None and self._clock.monotonic() - at < RECENT_SECONDS

    @contextmanager
    def noted(self, key: IdempotencyKey) -> Iterator[None]:
        """It is replayed meanwhile; where that fails, or is given up on the way, it was not."""
        self.note(key)
        try:
            yield
        except BaseException:
            self.forget(key)
            raise

    def note(self, key: IdempotencyKey) -> None:
        """It is replayed now."""
        self._recent[key.tenant, key.key] = self._clock.monotonic()
        self._recent.move_to_end((key.tenant, key.key))
        while len(self._recent) > KNOWN_MAX:
            self._recent.popitem(last=False)

    def forget(self, key: IdempotencyKey) -> None:
        """That came to nothing."""
        self._recent.pop((key.tenant, key.key), None)

    def may_look(self, tenant: str) -> bool:
        """Whether one more key of a tenant that is over its limits is looked up now."""
        now = self._clock.monotonic()
        if now - self._looks_since >= 1:
            self._looks.clear()
            self._looks_since = now
        self._looks[tenant] += 1
        return self._looks[tenant] <= LOOKS_PER_SECOND
