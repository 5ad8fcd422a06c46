"""A breaker on the bench, for the tests of breakers."""

import math

from quarry.inference.breaker import Breaker, Call, Ended, Limits
from quarry.inference.patience import Patience

LIMITS = Limits(failures=5, window_seconds=60, open_seconds=30)


class Bench:
    """A breaker, and the time."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.patience = Patience()
        self.breaker = Breaker(limits, self.patience)
        self.now = 1000.0

    @property
    def state(self) -> str:
        return self.breaker.state(self.now).name

    def wait(self, overdue: float = math.inf, late: float = math.inf, passed: float | None = None) -> float | None:
        self.patience.overdue[0], self.patience.late[0] = overdue, late
        self.patience.passed[0] = overdue if passed is None else passed
        return self.breaker.wait(self.now)

    def begin(self, count: int = 1) -> list[Call]:
        """That many calls, whatever `wait` says."""
        return [self.breaker.begin(self.now) for _ in range(count)]

    def end(self, *calls: Call, how: Ended = Ended.WELL, hint: float | None = None) -> None:
        for call in calls:
            self.breaker.end(call, how, self.now, hint)

    def one(self, how: Ended = Ended.WELL, hint: float | None = None) -> None:
        """A call that ends at once."""
        self.end(*self.begin(), how=how, hint=hint)

    def fail(self, count: int) -> None:
        for _ in range(count):
            self.one(Ended.BADLY)

    def opened(self) -> "Bench":
        self.fail(self.breaker._limits.failures)  # noqa: SLF001 - its own test
        assert self.state == "OPEN"
        return self

    def half_open(self) -> "Bench":
        self.opened()
        self.now += 30
        assert self.state == "HALF_OPEN"
        return self
