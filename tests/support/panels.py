"""Which metrics the CloudWatch dashboard and the alarms read, by the text of Terraform's files."""

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

from quarry.telemetry.cloudwatch import PUBLISHED, SERVICE
from tests.support.cloudwatch import Name
from tests.support.processes import ROOT

#: What stands for the namespace of an installation.
OURS: Final = "Quarry/NAME"
_FOLDER: Final = ROOT / "terraform" / "modules" / "observability"

_SEARCH: Final = re.compile(r"""SEARCH\('\{"?([^",}]+)"?((?:,\w+)*)\} MetricName="(\w+)"', '(\w+)', \d+\)""")
#: A row of an alarm's, or an alarm, or a metric of one: these three stand beside each other, in this order.
_ALARM: Final = re.compile(r"namespace *= (.+)\n *metric(?:_name)? *= (.+)\n *dimensions *= (.+)\n")
#: A metric of ours that policies follow.
_FOLLOWED: Final = re.compile(
    r'namespace *= coalesce\(var\.namespace, .+\)\n *metric *= "(\w+)"\n *stat *= .+\n *dimensions *= (.+)\n'
)


def dashboard() -> list[dict[str, Any]]:
    """The dashboard's widgets, with names of things as placeholders have them."""
    template = Template((_FOLDER / "dashboard.json.tftpl").read_text())
    filled = template.substitute(defaultdict(lambda: "a-name", namespace=OURS, alarm_arns="[]"))
    widgets: list[dict[str, Any]] = json.loads(filled)["widgets"]
    return widgets


def shown() -> set[Name]:
    """What the dashboard reads."""
    return {
        name
        for widget in dashboard()
        if widget["type"] == "metric"
        for row in widget["properties"]["metrics"]
        for name in _read(row)
    }


def watched() -> set[Name]:
    """What alarms read, those of the events in logs left out, and those whose metric another module says."""
    found = set()
    for path in _files():
        text = path.read_text()
        rows = _ALARM.findall(text)
        assert len(rows) == len(re.findall(r"^ *metric(?:_name)? *= ", text, re.MULTILINE)), path
        for namespace, metric, dimensions in rows:
            names = frozenset(re.findall(r"(\w+) *= ", dimensions))
            space = OURS if namespace == "local.namespace" else namespace.strip('"')
            found |= {Name(space, each, names) for each in _metrics(metric, text) if each and not namespace.startswith("var.")}
    return found


def followed() -> set[Name]:
    """What the scaling policies read of what is written here, with any statistic."""
    text = (_FOLDER.parent / "autoscaling" / "metrics.tf").read_text()
    return {Name(OURS, metric, frozenset(re.findall(r"(\w+) *= ", dimensions))) for metric, dimensions in _FOLLOWED.findall(text)}


def published() -> set[Name]:
    """What is written, by the table."""
    return {Name(OURS, row.name, frozenset({SERVICE, *names})) for row in PUBLISHED for names in row.by}


def of_aws() -> set[Name]:
    """What AWS publishes itself, by a list."""
    rows = tomllib.loads(Path(__file__).with_name("aws_metrics.toml").read_text())["of"]
    return {
        Name(row["namespace"], metric, frozenset(names)) for row in rows for metric in row["metrics"] for names in row["dimensions"]
    }


def _files() -> list[Path]:
    return [_FOLDER / name for name in ("alarms.tf", "measured.tf")]


def _metrics(expression: str, text: str) -> Iterator[str]:
    """The names that an expression of Terraform's can give; none for those of events in logs."""
    if expression == "metric_query.value":
        [listed] = re.findall(r"for_each = \{ (.+) \}", text)
        yield from re.findall(r'"(\w+)"', listed)
    elif expression == '"${kind}ThrottleEvents"':
        yield from ("ReadThrottleEvents", "WriteThrottleEvents")
    elif expression not in {"name", "each.value.metric"}:
        yield expression.strip('"')


def _read(row: list[Any]) -> Iterator[Name]:
    """The metrics of a row of a panel: `[{"expression": …}]`, or `[namespace, metric, dimension, value, …, {…}]`."""
    if isinstance(row[0], Mapping):
        for namespace, names, metric, _ in _SEARCH.findall(row[0]["expression"]):
            yield Name(namespace, metric, frozenset(names.split(",")[1:]))
        assert row[0]["expression"].count("SEARCH") == len(_SEARCH.findall(row[0]["expression"]))
        return
    namespace, metric, *places = [each for each in row if not isinstance(each, Mapping)]
    yield Name(namespace, metric, frozenset(places[::2]))
