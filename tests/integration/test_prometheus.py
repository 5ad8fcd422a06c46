"""What is shipped for Prometheus and Grafana, asked of a real Prometheus that watches real processes: one run, and one promise."""

import math
from pathlib import Path

import pytest

from tests.support.observed import observed
from tests.support.prometheus import PROGRAMS
from tests.support.questions import questions
from tests.support.simulator import Simulator
from tests.support.stack import Stack

pytestmark = pytest.mark.skipif(not PROGRAMS.exists(), reason="there is no Prometheus here: `make prometheus`")
#: What rings in that run, or would if it went on for a minute.
RINGS = {
    "QuarryCallsPaidTwice": "firing",
    "QuarryCallsWithheld": "firing",
    "QuarryJobsBuried": "firing",
    "QuarryJobsDegraded": "firing",
    "QuarryRoutesRefused": "firing",
    "QuarryTenantsRefused": "firing",
    "QuarryTargetLeftAlone": "pending",
    "QuarryTargetRefusesUs": "pending",
    # Of the jobs of this run, a third expire or fail.
    "QuarryBudgetBurnsFast": "firing",
    "QuarryBudgetBurns": "firing",
    "QuarryBudgetBurnsSlowly": "firing",
}


def test_every_panel_and_every_rule_has_an_answer(stack: Stack, simulator: Simulator, tmp_path: Path) -> None:
    """Jobs are answered, throttled, passed on, degraded, expired and buried, and a target is left alone: no expression of the board
    or of the rules is refused, and each has a value, but for alerts of what did not happen. Those ring that should, and no others.

    Red when: `quarry/telemetry/metrics.py`: `"quarry_throttles_total", "Model` -> `"quarry_refusals_total", "Model`
    Red when: `worker/report.py`: `self._metrics.job_seconds.labels(outcome, job.priority)` ->
    `self._metrics.job_seconds.labels(job.priority, outcome)`
    Red when: `docker/compose/prometheus/alerts.yml`: `(quarry_routes_refused) > 0` -> `(quarry_routes_refused) > 1`
    """
    with observed(stack, simulator, tmp_path) as prometheus:
        answers = {each: prometheus.ask(each.expression) for each in questions()}
        rules = prometheus.rules()
    told = {each: [sample for sample in samples if not math.isnan(sample[1])] for each, samples in answers.items()}
    assert [each for each, samples in told.items() if bool(samples) == bool(each.quiet)] == []
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    assert {rule["name"]: rule["state"] for rule in rules if rule.get("state", "inactive") != "inactive"} == RINGS
    objectives = {labels["slo"] for question, samples in answers.items() for labels, _ in samples if "slo" in labels}
    assert objectives == {"api-available", "jobs-kept", "start-high", "start-normal", "end-high", "end-normal"}
