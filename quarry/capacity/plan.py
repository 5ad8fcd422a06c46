"""From a load to workers and quota. Pure.

A day goes up and down evenly about its mean: from its trough to its peak and back, as a cosine. Workers follow it as the policy of
`terraform/modules/autoscaling` would have them: nine tenths of the slots full.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

#: The share of slots that the scaling policy keeps full.
FULL: Final = 0.9
_DAY_MINUTES: Final = 1440
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do, and what does it.

    `peak`: times the mean, 1 to 2. Tokens are of one call; `held_back_tokens`, what Bedrock holds back when it begins, and
    `counted_tokens`, what it counts in the end. `rpm` and `tpm`: the quota that there is; None: nobody said.
    """

    jobs_per_day: float
    typical_seconds: float = 20.0
    peak: float = 1.8
    slots: int = 100
    min_tasks: int = 1
    rpm: float | None = None
    tpm: float | None = None
    held_back_tokens: float | None = None
    counted_tokens: float | None = None

    def rates(self) -> Iterator[float]:
        """Jobs a second, for each minute of a day from its trough on."""
        mean = self.jobs_per_day / _DAY_SECONDS
        for minute in range(_DAY_MINUTES):
            yield mean * (1 - (self.peak - 1) * math.cos(2 * math.pi * (minute + 0.5) / _DAY_MINUTES))

    def tasks(self, rate: float) -> int:
        """Workers for so many jobs a second."""
        return max(self.min_tasks, _up(rate * self.typical_seconds / (self.slots * FULL)))


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a quota leaves over. `jobs_left_a_day`: never worked; 0: what waits at the peak is worked off by the trough."""

    what: str
    granted: float
    needed: float
    jobs_left_a_day: float
    longest_wait_seconds: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Workers and quota for a load. `tasks_fed`: so many workers use up the quota; None: none was given."""

    jobs_per_second_trough: float
    jobs_per_second_mean: float
    jobs_per_second_peak: float
    tasks_trough: int
    tasks_peak: int
    tasks_mean: float
    slots_peak: int
    rpm_needed: float
    tpm_needed: float | None
    tasks_fed: int | None
    shortages: tuple[Shortage, ...] = field(default=())


def plan(load: Load) -> Plan:
    """Reckon it."""
    mean = load.jobs_per_day / _DAY_SECONDS
    trough, peak = mean * (2 - load.peak), mean * load.peak
    tokens = max((each for each in (load.held_back_tokens, load.counted_tokens) if each is not None), default=None)
    needed_rpm = peak * 60
    needed_tpm = None if tokens is None else needed_rpm * tokens
    # Jobs a minute that each quota lets begin.
    grants = [("requests a minute", load.rpm, needed_rpm, load.rpm)]
    if tokens and load.tpm is not None and needed_tpm is not None:
        grants.append(("tokens a minute", load.tpm, needed_tpm, load.tpm / tokens))
    served = min((jobs for _, _, _, jobs in grants if jobs is not None), default=None)
    # What the quota does not feed needs no worker.
    fed = None if served is None else max(1, _up(served / 60 * load.typical_seconds / load.slots))
    tasks = [min(load.tasks(rate), max(fed or math.inf, load.min_tasks)) for rate in load.rates()]
    return Plan(
        jobs_per_second_trough=trough,
        jobs_per_second_mean=mean,
        jobs_per_second_peak=peak,
        tasks_trough=int(min(tasks)),
        tasks_peak=int(max(tasks)),
        tasks_mean=sum(tasks) / len(tasks),
        slots_peak=_up(peak * load.typical_seconds),
        rpm_needed=needed_rpm,
        tpm_needed=needed_tpm,
        tasks_fed=fed,
        shortages=tuple(
            _shortage(load, what, granted, needed, jobs / 60)
            for what, granted, needed, jobs in grants
            if granted is not None and jobs is not None and granted < needed
        ),
    )


def _shortage(load: Load, what: str, granted: float, needed: float, served: float) -> Shortage:
    """By the minute: what comes, less what the quota serves, waits; first come, first served."""
    mean = load.jobs_per_day / _DAY_SECONDS
    if served <= mean:
        return Shortage(what, granted, needed, (mean - served) * _DAY_SECONDS, None)
    waiting = most = 0.0
    for rate in load.rates():
        waiting = max(0.0, waiting + (rate - served) * 60)
        most = max(most, waiting)
    # What is left of the day begins the next one.
    for rate in load.rates():
        waiting = max(0.0, waiting + (rate - served) * 60)
        most = max(most, waiting)
    return Shortage(what, granted, needed, 0.0, most / served)


def _up(value: float) -> int:
    """Rounded up, and 3.0000000001 is 3."""
    return math.ceil(value - 1e-9)
