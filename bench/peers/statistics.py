"""From what was counted to figures. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

#: The start of a run, which is not the steady state.
COLD_SECONDS: Final = 30
_MINUTE: Final = 60


def quantile(values: Sequence[float], part: float) -> float | None:
    """The least value that at least this part of all does not exceed; None of none."""
    if not values:
        return None
    return sorted(values)[max(0, -int(-part * len(values) // 1) - 1)]


@dataclass(frozen=True, slots=True)
class Use:
    """What was served of what was granted, between two seconds of a run."""

    first_second: int
    last_second: int
    granted: float
    served: int

    @property
    def share(self) -> float:
        """1: all of it."""
        return self.served / self.granted


def quota_use(served: Sequence[int], jobs: int, in_flight: int, per_minute: float, minutes_at: float | None = None) -> Use | None:
    """The use of the quota of all regions together in the steady state; None where the run has none.

    It begins after 30 s and ends when so few jobs are left that they are all in flight: then there is not enough to do. Where the
    quota comes by the minute, whole ones of its minutes are looked at.

    Args:
        served: Calls served in each second since the first call.
        jobs: All jobs of the run.
        in_flight: The most calls at once.
        per_minute: The quota of all regions.
        minutes_at: When the first minute of the quota began that did so after the first call; None for one that refills smoothly.
    """
    total = list(accumulate(served))
    enough = min(jobs - in_flight, total[-1] if total else 0)
    end = next((second for second, count in enumerate(total) if count >= enough), 0)
    first, last = COLD_SECONDS, end
    if minutes_at is not None:
        first = int(minutes_at) + (_MINUTE if minutes_at < COLD_SECONDS else 0)
        last = first + (end - first) // _MINUTE * _MINUTE
    if last <= first:
        return None
    return Use(first, last, per_minute * (last - first) / _MINUTE, sum(served[first:last]))


def added(pairs: Sequence[Mapping[str, Any]], key: str) -> list[int]:
    """The counts by second of all pairs of the simulator's report, from the first call of any on."""
    if not pairs:
        return []
    began = min(pair["first_call_at"] for pair in pairs)
    length = max(int(pair["first_call_at"] - began) + pair["by_second"]["first"] + len(pair["by_second"][key]) for pair in pairs)
    sums = [0] * length
    for pair in pairs:
        start = int(pair["first_call_at"] - began) + pair["by_second"]["first"]
        for second, count in enumerate(pair["by_second"][key], start):
            sums[second] += count
    return sums
