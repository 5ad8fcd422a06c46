"""The limiter where the world is unkind: slow refusals, idle hours, peers that say strange things."""

import heapq
import math
from itertools import count

from quarry.inference.limiter import Limiter, Permit


class Quota:
    """Calls without end, of a target that grants so many a minute, all at once when the minute begins.

    A refusal takes `refusal_seconds` to arrive; a call is sent `held_seconds` after it was allowed to begin.
    """

    def __init__(self, *, refusal_seconds: float, held_seconds: float = 0.0) -> None:
        self._refusal_seconds, self._held_seconds = refusal_seconds, held_seconds
        self._limiter = Limiter(math.inf, math.inf, lambda: 0.5)
        self._left: dict[int, int] = {}
        self._agenda: list[tuple[float, int, str, Permit]] = []
        self._numbers = count()

    def run(self, minutes: int, a_minute: int) -> list[int]:
        """How many are served in each minute."""
        now = 0.0
        while now < minutes * 60:
            while self._agenda and self._agenda[0][0] <= now:
                at, _, what, permit = heapq.heappop(self._agenda)
                self._happens(at, what, permit, a_minute)
            if (wait := self._limiter.wait(now)) <= 0:
                self._push(now + self._held_seconds, "sent", self._limiter.begin(100, now, sent=False))
            else:
                upcoming = self._agenda[0][0] if self._agenda else math.inf
                now = max(min(now + wait, upcoming), now + 1e-6)
        return [a_minute - self._left.get(minute, a_minute) for minute in range(minutes)]

    def _push(self, at: float, what: str, permit: Permit) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), what, permit))

    def _happens(self, at: float, what: str, permit: Permit, a_minute: int) -> None:
        if what == "ended":
            self._limiter.end(permit, at, 100)
        elif what == "refused":
            self._limiter.throttled(permit, at, "requests")
        else:
            self._limiter.sends(permit, at)
            minute = int(at // 60)
            left = self._left.setdefault(minute, a_minute)
            self._left[minute] = max(left - 1, 0)
            self._push(at + (2.0 if left else self._refusal_seconds), "ended" if left else "refused", permit)


def test_a_refusal_that_takes_its_time_is_a_refusal() -> None:
    """From another continent it takes longer than 0.1 s. While a minute's quota was used up, each was taken for a new overrun."""
    for seconds in (0.01, 0.3, 1.0):
        assert sum(Quota(refusal_seconds=seconds).run(6, 600)) > 0.95 * 3600, seconds


def test_what_has_not_been_sent_was_not_let_in() -> None:
    """A lease that had to be renewed before the call takes longer than that too."""
    assert sum(Quota(refusal_seconds=0.01, held_seconds=0.5).run(6, 600)) > 0.95 * 3600
