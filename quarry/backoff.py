"""How long to wait before the next try: exponential, with what AWS's architecture blog named "full jitter" (2015)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """A schedule: the n-th wait is uniform between `floor` and min(`ceiling`, `base` times 2 to the n-1).

    `draw` is a number in [0, 1) that the caller drew: the rule itself has no randomness.
    """

    base_seconds: float
    ceiling_seconds: float
    floor_seconds: float = 0.0

    def wait(self, tries: int, draw: float) -> timedelta:
        """The wait after `tries` failures (one or more)."""
        # The exponent is bounded first: 2.0 ** 2000 overflows long before min() could help.
        span = min(self.ceiling_seconds, self.base_seconds * 2.0 ** min(max(tries, 1) - 1, 60))
        return timedelta(seconds=self.floor_seconds + draw * max(span - self.floor_seconds, 0.0))
