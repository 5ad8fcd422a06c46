"""Traffic: a rate for each minute, and the jobs that come of it, at random."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

_MINUTE: Final = 60.0
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Failure:
    """A time in which no call can be made. `puts_off`: all targets fail and are left alone, so that workers receive jobs and put
    them off; else the quota is spent, so that workers receive none.
    """

    start_seconds: float
    end_seconds: float
    puts_off: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """Jobs a second, minute by minute; the quota of calls a minute that the models have, and the ceiling of tasks."""

    title: str
    rates: tuple[float, ...]
    rpm: float
    max_tasks: int
    failure: Failure | None = None

    def arrivals(self, seed: int) -> Iterator[float]:
        """When each job comes, seconds from the beginning: a Poisson process whose rate changes by the minute."""
        random = Random(f"arrivals {seed}").random  # noqa: S311 - no secret
        log = math.log
        for minute, rate in enumerate(self.rates):
            now, end = minute * _MINUTE, (minute + 1) * _MINUTE
            while rate > 0:
                now -= log(1.0 - random()) / rate
                if now >= end:
                    break
                yield now


def _course(mean: float, minutes: int) -> tuple[float, ...]:
    """A day's course within so many minutes, from its trough: a fifth of the mean at night, nine fifths at its peak."""
    return tuple(mean * (1.0 - 0.8 * math.cos(2 * math.pi * (minute + 0.5) / minutes)) for minute in range(minutes))


_HALF_AN_HOUR: Final = 3600.0, 5400.0
#: By name. Quotas are a quarter above the highest rate; in the spike a fifth below it; of failures, so far that they bound nothing:
#: there nobody told the policy what its quota is.
SHAPES: Final[Mapping[str, Shape]] = {
    "steady": Shape("steady: 20 jobs/s for 6 h, from nothing", (20.0,) * 360, rpm=1500, max_tasks=20),
    "diurnal": Shape("diurnal: 2 to 18 jobs/s over a day", _course(10.0, _DAY_MINUTES), rpm=1350, max_tasks=20),
    "spike": Shape(
        "spike: 1 job/s, and for 10 min 50 times as many", (1.0,) * 60 + (50.0,) * 10 + (1.0,) * 110, rpm=2400, max_tasks=20
    ),
    "outage": Shape(
        "outage: 20 jobs/s for 3 h, and in the second hour all targets fail for 30 min", (20.0,) * 180, rpm=60_000, max_tasks=20,
        failure=Failure(*_HALF_AN_HOUR, puts_off=True),
    ),
    "quota-spent": Shape(
        "quota spent: 20 jobs/s for 3 h, and in the second hour no call is let through for 30 min", (20.0,) * 180, rpm=60_000,
        max_tasks=20, failure=Failure(*_HALF_AN_HOUR, puts_off=False),
    ),
    "ten-million": Shape(
        "10 million jobs in a day, 23 to 208 a second", _course(10_000_000 / 86_400, _DAY_MINUTES), rpm=15_600, max_tasks=80
    ),
}  # fmt: skip
#: By which numbers are chosen, with small tasks, so that there are many: a day's course within three hours; and bursts on a plain.
TRIALS: Final[Mapping[str, Shape]] = {
    "wave": Shape("2 to 18 jobs/s and back within 3 h", _course(10.0, 180), rpm=1350, max_tasks=200),
    "bursts": Shape("5 jobs/s, and for 5 min in each half hour 20", ((5.0,) * 25 + (20.0,) * 5) * 8, rpm=1500, max_tasks=200),
}
TRIAL_SLOTS: Final = 10
