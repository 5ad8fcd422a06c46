# ruff: noqa: SLF001 - the client library tells names and labels nowhere else before there are samples
"""What Prometheus and Grafana are given, held to the catalogue of metrics and to what Grafana's documentation says of a board."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import Counter, Histogram, MetricWrapperBase

from quarry.telemetry.metrics import FilesMetrics, InferenceMetrics, ProducerMetrics, WorkerMetrics
from tests.support.processes import ROOT
from tests.support.prometheus import FOLDER

GRAFANA: Final = ROOT / "docker" / "compose" / "grafana"
BOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "quarry.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
GROUPS = [group for path in sorted(FOLDER.glob("*.yml")) for group in yaml.safe_load(path.read_text()).get("groups", [])]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
OBJECTIVES = [rule for rule in RULES if rule.get("record") == "quarry:slo_objective:ratio"]
CATALOGUE: list[MetricWrapperBase] = [
    metric
    for catalogue in (ProducerMetrics, WorkerMetrics, InferenceMetrics, FilesMetrics)
    for metric in vars(catalogue(CollectorRegistry())).values()
    if isinstance(metric, MetricWrapperBase)
]
#: What Prometheus puts on every series.
ADDED: Final = {"job", "instance"}
#: Of alerts, rules and Prometheus itself.
OTHERS: Final = {"up": ADDED, "ALERTS": {"alertname", "alertstate", "severity"}}
#: Of those that Grafana knows: its documentation, "Units and decimals", November 2026.
UNITS: Final = {"short", "percentunit", "reqps", "s"}
#: Words of PromQL that may stand where a name could.
WORDS: Final = {
    "sum", "max", "min", "count", "by", "on", "ignoring", "group_left", "or", "and", "unless", "offset", "rate", "increase",
    "histogram_quantile", "vector", "absent", "Inf",
}  # fmt: skip


def series() -> dict[str, set[str]]:
    """By each name that can be asked for, its labels."""
    found: dict[str, set[str]] = dict(OTHERS)
    for metric in CATALOGUE:
        labels = {*metric._labelnames, *ADDED}
        if isinstance(metric, Counter):
            found[f"{metric._name}_total"] = labels
        elif isinstance(metric, Histogram):
            found |= {f"{metric._name}_bucket": labels | {"le"}, f"{metric._name}_sum": labels, f"{metric._name}_count": labels}
        else:
            found[metric._name] = labels
    return found | {rule["record"]: {"slo", "lane", "le"} for rule in RULES if "record" in rule}


SERIES: Final = series()
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


def expressions() -> Iterator[tuple[str, str]]:
    """All that is asked of Prometheus, and where."""
    for panel in PANELS:
        yield from ((target["expr"], panel["title"]) for target in panel["targets"])
    for rule in RULES:
        yield str(rule["expr"]), rule.get("alert") or rule["record"]


EXPRESSIONS: Final = [(expression, where) for expression, where in expressions() if _NAME.search(expression)]


@pytest.mark.parametrize(("expression", "where"), EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_what_is_asked_for_is_measured(expression: str, where: str) -> None:
    """Every name is a metric's, a rule's or Prometheus's own, and every label one that this metric has."""
    selectors = re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*(?:\{[^}]*\}[^}]*)*)\}", re.sub(r'"[^"]*"', '""', expression))
    for name, matchers in selectors:
        assert set(_NAME.findall(matchers)) <= SERIES[name], where
    bare = re.sub(r'"[^"]*"|\[\w+\]|\boffset \w+', "", expression)
    grouped = {
        label for labels in re.findall(r"\b(?:by|on|ignoring|group_left) \(([^)]*)\)", bare) for label in _NAME.findall(labels)
    }
    names = set(_NAME.findall(re.sub(r"\{[^}]*\}|\b(?:by|on|ignoring|group_left) \([^)]*\)|(?<![\w.])[\d.]+", "", bare))) - WORDS
    assert names, where
    assert names - SERIES.keys() == set(), where
    assert grouped <= set().union(*(SERIES[name] for name in names)), where


def test_something_that_is_not_measured_is_noticed() -> None:
    """A name that was changed, and a label that a metric has not."""
    for wrong in ("sum(quarry_slots_taken)", 'sum(quarry_slots{lane="high"})', "sum by (lane) (quarry_slots)"):
        with pytest.raises((AssertionError, KeyError)):
            test_what_is_asked_for_is_measured(wrong, "nowhere")


def test_everything_that_is_measured_is_on_the_board() -> None:
    """A metric that nobody looks at is measured in vain."""
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"]) + " ".join(
        str(rule["expr"]) for rule in RULES
    )
    assert [metric._name for metric in CATALOGUE if metric._name not in shown] == []


def test_an_objectives_bound_is_a_bucket() -> None:
    """As `/metrics` writes it; one that is none would find nothing, and no alert would ever ring."""
    histograms = {"start": "quarry_delivery_wait_seconds", "end": "quarry_job_duration_seconds"}
    buckets = {
        metric._name: {str(float(bound)) for bound in metric._kwargs["buckets"]}
        for metric in CATALOGUE
        if isinstance(metric, Histogram)
    }
    bounded = [rule["labels"] for rule in OBJECTIVES if "le" in rule["labels"]]
    assert len(bounded) >= 4
    assert [each for each in bounded if each["le"] not in buckets[histograms[each["slo"].partition("-")[0]]]] == []


def test_a_budget_can_burn_fast_enough() -> None:
    """Where everything is bad, 1 / (1 - objective) times too fast: above 14.4, or the first alert never rings."""
    assert all(1 / (1 - float(rule["expr"])) > 14.4 for rule in OBJECTIVES)
    assert len({rule["labels"]["slo"] for rule in OBJECTIVES}) == len(OBJECTIVES)


def test_the_board_is_one() -> None:
    """What Grafana's documentation asks of a board's JSON, and what its file provider needs."""
    assert (BOARD["uid"], BOARD["title"]) == ("quarry", "Quarry")
    assert re.fullmatch(r"[\w-]{1,40}", BOARD["uid"])
    assert isinstance(BOARD["schemaVersion"], int)
    # A provider refuses a board that brings an id of the database.
    assert "id" not in BOARD
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert len({panel["title"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_panels_ask_the_source_that_is_provisioned() -> None:
    """By its uid; and each of a panel's questions has a letter of its own, and a legend."""
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    for panel in PANELS:
        targets = panel["targets"]
        assert [panel["datasource"], *(target["datasource"] for target in targets)] == [wanted] * (len(targets) + 1)
        assert len({target["refId"] for target in targets}) == len(targets)
        assert all(target["legendFormat"] for target in targets)
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


def test_a_legend_names_labels_that_there_are() -> None:
    """`{{lane}}` of what is not by lane would be drawn as it stands."""
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            by = {label for labels in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in labels.split(", ")}
            assert named <= (by | {"slo"} if "slo_" in target["expr"] else by), panel["title"]


def test_panels_do_not_lie_on_each_other() -> None:
    """Within 24 columns, each row's panels below its title."""
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
    taken = [(x, y) for panel in BOARD["panels"] for x, y in _cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    assert all(one["gridPos"]["y"] <= other["gridPos"]["y"] for one, other in pairwise(BOARD["panels"]))


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_every_file_of_rules_is_read(path: Path) -> None:
    """The configuration names it."""
    named = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]
    assert path.name in {*named, "prometheus.yml"}
