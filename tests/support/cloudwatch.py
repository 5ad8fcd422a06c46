"""What CloudWatch makes of a log: the metrics in its lines, by the rules of the embedded metric format."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

_SCHEMA: Final = jsonschema_rs.validator_for(Path(__file__).with_name("emf.schema.json").read_text())
#: An array, or the values of a histogram (see `quarry/telemetry/emf.py`).
_VALUES_MAX: Final = 100
#: What a log driver that does not block hands on in one piece.
_LINE_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Name:
    """What tells one metric from another, but for the values of its dimensions."""

    namespace: str
    metric: str
    dimensions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """A metric, with the values of its dimensions, and what was measured: how often which number."""

    name: Name
    unit: str
    place: Mapping[str, str]
    values: Counter[float]

    @property
    def total(self) -> float:
        """Its statistic `Sum`."""
        return sum(value * count for value, count in self.values.items())

    @property
    def count(self) -> int:
        """Its statistic `SampleCount`."""
        return self.values.total()


def seen(log: str) -> list[Seen]:
    """Every metric in the lines of a log, each as often as it was written.

    Raises:
        AssertionError, jsonschema_rs.ValidationError: a line has some, and CloudWatch would not take it.
    """
    return [each for line in log.splitlines() if '"_aws"' in line for each in _extracted(line)]


def total(found: Iterable[Seen], metric: str, **place: str) -> float:
    """What a metric of exactly these dimensions has come to."""
    return sum(each.total for each in found if each.name.metric == metric and each.place == place)


def _extracted(line: str) -> Iterator[Seen]:
    assert len(line.encode()) <= _LINE_MAX
    root = json.loads(line)
    _SCHEMA.validate(root)
    for directive in root["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            values = _values(root[metric["Name"]])
            for names in directive["Dimensions"]:
                place = {name: root[name] for name in names}
                assert all(isinstance(value, str) and 0 < len(value) <= 1024 for value in place.values())
                yield Seen(
                    Name(directive["Namespace"], metric["Name"], frozenset(names)), metric.get("Unit", "None"), place, values
                )


def _values(target: Any) -> Counter[float]:
    if isinstance(target, dict):
        numbers, counts = target["Values"], target["Counts"]
        assert len(numbers) == len(counts) == len(set(numbers)) > 0
        assert target["Count"] == sum(counts)
        assert (target["Min"], target["Max"]) == (min(numbers), max(numbers))
    else:
        numbers = target if isinstance(target, list) else [target]
        counts = [1] * len(numbers)
    assert len(numbers) <= _VALUES_MAX
    assert all(isinstance(number, int | float) and math.isfinite(number) for number in [*numbers, *counts])
    return Counter(dict(zip(numbers, counts, strict=True)))
