"""What CloudWatch is told of the metrics, by lines in the log: once in a while, from what is counted anyway.

The table below is all there is. A metric costs by the month, for each combination of the values of its dimensions, so that none
of them is a request id, a tenant, a worker or an error's text. What AWS measures itself (the queues' depth and age, the tasks that
run) is not told again.
"""

import math
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from prometheus_client import Counter, Gauge
from prometheus_client.metrics import MetricWrapperBase

from quarry.telemetry.emf import Datum, DimensionSet
from quarry.telemetry.histogram import Histogram

Labels: TypeAlias = Mapping[str, str]

#: Which process it is: a dimension of everything.
SERVICE: Final = "Service"
#: Dimensions, and what each is of a metric's labels.
DIMENSIONS: Final[Mapping[str, Callable[[Labels], str]]] = {
    "Model": lambda labels: labels["model"],
    # Providers of one's own need not have one, and CloudWatch takes no empty value.
    "Region": lambda labels: labels["region"] or "none",
    "Error": lambda labels: labels["outcome"],
    "Outcome": lambda labels: labels["outcome"],
    "Lane": lambda labels: labels["lane"],
    "Route": lambda labels: f"{labels['method']} {labels['route']}",
    "Status": lambda labels: f"{labels['code'][:1]}xx",
}
_ALL: Final[DimensionSet] = ()
_TARGET: Final = ("Model", "Region")


@dataclass(frozen=True, slots=True)
class Published:
    """A metric of CloudWatch's.

    `of` is whose values it has, by its name in a catalogue of `metrics.py`: what a counter has grown by, a gauge's value, and what
    a histogram has seen. `where` picks by labels. `by` are its dimensions, beside the service. `a_second`: that gauge is a rate,
    and what is told is what it comes to, which adds up over processes and time.
    """

    name: str
    unit: str
    of: str
    by: tuple[DimensionSet, ...] = (_ALL,)
    where: Mapping[str, Callable[[str], bool]] | None = None
    a_second: bool = False


def _is_error(outcome: str) -> bool:
    return outcome not in {"completed", "cancelled"}


PUBLISHED: Final = (
    Published("ModelCalls", "Count", "invocations", (_ALL, _TARGET)),
    Published("ModelErrors", "Count", "invocations", (_ALL, _TARGET, ("Error",)), {"outcome": _is_error}),
    Published("Throttles", "Count", "throttles", (_ALL, _TARGET)),
    Published("ModelLatency", "Seconds", "invocation_seconds", (_ALL, _TARGET)),
    Published("TimeToFirstToken", "Seconds", "time_to_first_token", (_ALL, _TARGET)),
    Published("InputTokens", "Count", "tokens", (_ALL, _TARGET), {"direction": "input".__eq__}),
    Published("OutputTokens", "Count", "tokens", (_ALL, _TARGET), {"direction": "output".__eq__}),
    Published("CallsAllowed", "Count", "limiter_rate", (_TARGET,), {"limit": "requests".__eq__}, a_second=True),
    Published("TokensAllowed", "Count", "limiter_rate", (_TARGET,), {"limit": "tokens".__eq__}, a_second=True),
    Published("LimiterWait", "Seconds", "limiter_wait_seconds"),
    Published("CallsRepeated", "Count", "calls_repeated"),
    Published("JobsFinished", "Count", "finished", (_ALL, ("Outcome",))),
    Published("JobLatency", "Seconds", "job_seconds"),
    Published("JobWait", "Seconds", "delivery_wait", (("Lane",),)),
    Published("Slots", "Count", "slots"),
    Published("SlotsInUse", "Count", "slots_in_use"),
    Published("Requests", "Count", "requests", (_ALL, ("Status",))),
    # Whatever else strangers may ask by, each would be a metric.
    Published("RequestLatency", "Seconds", "request_seconds", (("Route",),), {"method": {"GET", "POST"}.__contains__}),
    Published("Submissions", "Count", "submissions", (("Outcome",),)),
)


class Reader:
    """Reads catalogues: each time, what came since the last."""

    def __init__(self, service: str, catalogues: Sequence[object]) -> None:
        self._service = service
        found = {name: each for catalogue in catalogues for name, each in vars(catalogue).items()}
        self._metrics: dict[str, MetricWrapperBase] = {row.of: found[row.of] for row in PUBLISHED if row.of in found}
        #: What counters had come to.
        self._counted: dict[tuple[str, Any], float] = {}

    def data(self, seconds: float) -> Iterator[Datum]:
        """What is to be told of the `seconds` since the last call. Nothing is told of what did not happen."""
        taken = {name: list(self._samples(name, metric)) for name, metric in self._metrics.items()}
        for row in PUBLISHED:
            yield from self._of(row, taken.get(row.of, ()), seconds)

    def _of(self, row: Published, samples: Sequence[tuple[Labels, Tally[float] | float]], seconds: float) -> Iterator[Datum]:
        names = sorted({name for names in row.by for name in names})
        sets = [(SERVICE, *names) for names in row.by]
        sums: dict[tuple[str, ...], Any] = {}
        for labels, measured in samples:
            if all(accepts(labels[label]) for label, accepts in (row.where or {}).items()):
                place = tuple(DIMENSIONS[name](labels) for name in names)
                sums[place] = sums[place] + measured if place in sums else measured
        for place, measured in sums.items():
            told = measured * seconds if row.a_second else measured
            if isinstance(told, Tally) or math.isfinite(told):
                dimensions = {SERVICE: self._service, **dict(zip(names, place, strict=True))}
                yield Datum(row.name, row.unit, dimensions, sets, told)

    def _samples(self, name: str, metric: MetricWrapperBase) -> Iterator[tuple[Labels, Tally[float] | float]]:
        labels: Labels
        match metric:
            case Histogram():
                for labels, values in metric.taken():
                    yield labels, Tally(values)
            case Counter():
                for labels, value in _values(metric, "_total"):
                    key = name, tuple(labels.values())
                    grown, self._counted[key] = value - self._counted.get(key, 0.0), value
                    if grown:
                        yield labels, grown
            case Gauge():
                yield from _values(metric, "")


def _values(metric: Counter | Gauge, ending: str) -> Iterator[tuple[Labels, float]]:
    for family in metric.collect():
        for sample in family.samples:
            if sample.name == family.name + ending:
                yield sample.labels, sample.value
