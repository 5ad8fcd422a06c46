"""How far a run is, and how fast it goes. Pure: it takes `now`."""

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

#: What rates are taken over. Our own choice: long enough to be calm, short enough to show a throttle.
_WINDOW_SECONDS: Final = 30.0
_SAMPLE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a run is, in lines, those of earlier sittings included."""

    total: int
    completed: int = 0
    failed: int = 0
    in_flight: int = 0
    tokens: int = 0
    #: Answered with what their route declares, since no model answered in time.
    degraded: int = 0

    @property
    def done(self) -> int:
        """Lines that have their line in the file of results."""
        return self.completed + self.failed + self.degraded


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast it goes; `left` is None where that cannot be told."""

    jobs_per_second: float
    tokens_per_second: float
    left: timedelta | None


class Speedometer:
    """Takes tallies, gives the pace of the last half minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def pace(self, tally: Tally, now: float) -> Pace:
        """The pace, this tally taken in."""
        samples = self._samples
        while len(samples) > 1 and samples[1][0] <= now - _WINDOW_SECONDS:
            samples.popleft()
        then, done, tokens = samples[0] if samples else (now, tally.done, tally.tokens)
        if not samples or now - samples[-1][0] >= _SAMPLE_SECONDS:
            samples.append((now, tally.done, tally.tokens))
        seconds = now - then
        if seconds <= 0 or tally.done == done:
            return Pace(0.0, 0.0, None)
        rate = (tally.done - done) / seconds
        return Pace(rate, (tally.tokens - tokens) / seconds, timedelta(seconds=round((tally.total - tally.done) / rate)))


def told(tally: Tally, pace: Pace, *, flow: bool = True) -> str:
    """`1,234 of 10,000 done, 3 failed · 2,000 in flight · 88.2 jobs/s · 10,512 tokens/s · 0:01:39 left`.

    Without `flow`, what is in flight and the tokens are left out.
    """
    parts = (
        f"{tally.done:,} of {tally.total:,} done, {tally.failed:,} failed{told_degraded(tally)}",
        f"{tally.in_flight:,} in flight" if flow else "",
        f"{pace.jobs_per_second:,.1f} jobs/s",
        f"{pace.tokens_per_second:,.0f} tokens/s" if flow else "",
        "" if pace.left is None or tally.done == tally.total else f"{pace.left} left",
    )
    return " · ".join(part for part in parts if part)


def told_degraded(tally: Tally) -> str:
    """`, 3 degraded`; nothing where none is."""
    return f", {tally.degraded:,} degraded" if tally.degraded else ""
