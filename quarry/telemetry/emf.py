"""Lines in CloudWatch's embedded metric format: log lines out of which CloudWatch Logs makes metrics, so that no API is called.

The format is the "Specification: Embedded metric format" of the CloudWatch User Guide, read in November 2026. It has numbers and
arrays of numbers. An object with `Values` and `Counts`, which says how often each came, is what AWS' exporter for OpenTelemetry
writes (`cWMetricHistogram` in `awsemfexporter` of opentelemetry-collector-contrib, pull requests 22626 and 36336, read then); it is
bounded as an array is.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, TypeAlias

#: Bounds of the specification: values of a metric, and metrics of a directive. A line with more is dropped as a whole.
VALUES_MAX: Final = 100
METRICS_MAX: Final = 100
#: A longer line comes in pieces, none of them JSON, where the log driver does not block (moby/moby issue 41794, which tells so of
#: ECS on Fargate, read in November 2026).
LINE_MAX_BYTES: Final = 16 * 1024
#: What is kept of that for the rest of a line.
_METRICS_BYTES: Final = 12 * 1024

#: A number; or how often each number came.
Measured: TypeAlias = float | Mapping[float, int]
#: Names of dimensions: a metric is one for each combination of their values.
DimensionSet: TypeAlias = tuple[str, ...]

_as_json: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Datum:
    """What was measured of a metric. `unit` is one of CloudWatch's; `dimensions` has a value for each name in `sets`."""

    name: str
    unit: str
    dimensions: Mapping[str, str]
    sets: Sequence[DimensionSet]
    measured: Measured


def lines(data: Iterable[Datum], namespace: str, at_ms: int, **fields: str) -> Iterator[str]:
    """The lines that tell of these data, each for one combination of dimensions.

    Args:
        data: what was measured.
        namespace: of the metrics.
        at_ms: when, in milliseconds since 1970.
        fields: further members of each line, of which no metrics are made.
    """
    parts = (part for datum in data for part in _parts(datum))
    for dimensions, alike in groupby(sorted(parts, key=_place), key=_place):
        for told in _told(alike):
            directives = [
                {"Namespace": namespace, "Dimensions": sets, "Metrics": [{"Name": each.name, "Unit": each.unit} for each in some]}
                for sets, some in groupby(told, key=lambda each: list(each.sets))
            ]
            aws = {"Timestamp": at_ms, "CloudWatchMetrics": directives}
            measured = {each.name: _target(each.measured) for each in told}
            yield _as_json({"_aws": aws, **dict(dimensions), **measured, **fields})


def _place(datum: Datum) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(datum.dimensions.items()))


def _parts(datum: Datum) -> Iterator[Datum]:
    """The datum, in pieces of as many values as a line may have."""
    if not isinstance(datum.measured, Mapping):
        yield datum
        return
    values = list(datum.measured.items())
    for i in range(0, len(values), VALUES_MAX):
        yield Datum(datum.name, datum.unit, datum.dimensions, datum.sets, dict(values[i : i + VALUES_MAX]))


def _told(data: Iterable[Datum]) -> Iterator[list[Datum]]:
    """Those that fit in one line, and no name twice in one."""
    told: dict[str, Datum] = {}
    size = 0
    for datum in data:
        more = len(_as_json(_target(datum.measured))) + 2 * len(datum.name) + 64
        if told and (datum.name in told or len(told) == METRICS_MAX or size + more > _METRICS_BYTES):
            yield list(told.values())
            told, size = {}, 0
        told[datum.name] = datum
        size += more
    if told:
        yield list(told.values())


def _target(measured: Measured) -> Any:
    if not isinstance(measured, Mapping):
        return measured
    values, counts = list(measured), list(measured.values())
    total = sum(value * count for value, count in measured.items())
    return {
        "Values": values, "Counts": counts, "Min": min(values), "Max": max(values), "Sum": round(total, 6), "Count": sum(counts),
    }  # fmt: skip
