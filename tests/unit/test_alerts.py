"""Each alert rings for what it is about, and not for less: `promtool` judges invented series by the rules that are shipped."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.support.prometheus import FOLDER, PROGRAMS

NEEDS_PROMTOOL = pytest.mark.skipif(not PROGRAMS.exists(), reason="there is no promtool here: `make prometheus`")
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
#: The alerts come last.
FILES: Final = [FOLDER / name for name in CONFIG["rule_files"]]
GROUPS: Final = [group for path in FILES for group in yaml.safe_load(path.read_text())["groups"]]
ALERTS: Final = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
#: What is there unless a case says otherwise.
WORKER: Final = {'quarry_slots{instance="a"}': "100x400"}


class Case(NamedTuple):
    """An alert, series in promtool's notation with a sample each minute, when it is looked at, and with which labels it rings then.

    Where it has no labels, it does not ring.
    """

    alert: str
    series: Mapping[str, str]
    at: str
    rings: Mapping[str, str] | None = None


CASES: Final = (
    Case("QuarryProcessGone", {'up{job="worker",instance="a"}': "1 1 0x5"}, "4m", {"job": "worker", "instance": "a"}),
    Case("QuarryProcessGone", {'up{job="worker",instance="a"}': "1 0 1x5"}, "4m"),
    Case("QuarryNoWorkers", {'quarry_slots{instance="a"}': "100 stale"}, "3m", {}),
    Case("QuarryNoWorkers", {}, "3m"),
    Case("QuarryTargetRefusesUs", {'quarry_targets_blocked{instance="a"}': "0 1x5"}, "3m", {"instance": "a"}),
    Case("QuarryTargetRefusesUs", {'quarry_targets_blocked{instance="a"}': "0 1 0x5"}, "3m"),
    # The first one of its kind: the series was not there before.
    Case("QuarryCallsPaidTwice", {'quarry_calls_repeated_total{reason="draining"}': "_x20 1x5"}, "22m", {"reason": "draining"}),
    Case("QuarryCallsPaidTwice", {'quarry_calls_repeated_total{reason="draining"}': "1x20 2x5"}, "22m", {"reason": "draining"}),
    Case("QuarryCallsPaidTwice", {'quarry_calls_repeated_total{reason="draining"}': "1x40"}, "22m"),
    Case(
        "QuarryCallsWithheld",
        {'quarry_calls_withheld_total{reason="worker_vanished"}': "_x20 1x5"},
        "22m",
        {"reason": "worker_vanished"},
    ),
    Case("QuarryCallsWithheld", {'quarry_calls_withheld_total{reason="worker_vanished"}': "1x40"}, "22m"),
    Case("QuarryJobsDegraded", {'quarry_jobs_finished_total{outcome="degraded"}': "_x20 1x5"}, "22m", {}),
    Case("QuarryJobsDegraded", {'quarry_jobs_finished_total{outcome="completed"}': "0+9x40"}, "22m"),
    Case(
        "QuarryJobsBuried",
        {'quarry_deliveries_settled_total{outcome="bury",reason="attempts_exhausted"}': "_x20 1x5"},
        "22m",
        {"reason": "attempts_exhausted"},
    ),
    Case("QuarryJobsBuried", {'quarry_deliveries_settled_total{outcome="ack",reason="done"}': "0+9x40"}, "22m"),
    Case(
        "QuarryTargetLeftAlone",
        {'quarry_breaker_state{provider="p",region="r",model="m"}': "0 2x5"},
        "3m",
        {"provider": "p", "region": "r", "model": "m"},
    ),
    Case("QuarryTargetLeftAlone", {'quarry_breaker_state{provider="p",region="r",model="m"}': "0 1x5"}, "3m"),
    Case(
        "QuarryQuotaUsedUp",
        {"quarry_limiter_wait_seconds_sum": "0+60x20", "quarry_limiter_wait_seconds_count": "0+10x20"},
        "15m",
        {},
    ),
    Case(
        "QuarryQuotaUsedUp", {"quarry_limiter_wait_seconds_sum": "0+40x20", "quarry_limiter_wait_seconds_count": "0+10x20"}, "15m"
    ),
    Case("QuarryWorkersFull", {'quarry_slots_in_use{instance="a"}': "95x20"}, "15m", {}),
    Case("QuarryWorkersFull", {'quarry_slots_in_use{instance="a"}': "94x20"}, "15m"),
    Case("QuarryJobsWait", {'quarry_lane_wait_seconds{lane="high"}': "301x9"}, "8m", {"lane": "high"}),
    Case("QuarryJobsWait", {'quarry_lane_wait_seconds{lane="high"}': "300x9"}, "8m"),
    Case(
        "QuarryJobsWait",
        {'quarry_lane_wait_seconds{instance="a",lane="high"}': "301x9", 'quarry_standing_aside{instance="a"}': "1x9"},
        "8m",
    ),
    Case("QuarryLeasesLost", {'quarry_lease_renewals_total{outcome="lost"}': "_x20 1x5"}, "22m", {"outcome": "lost"}),
    Case("QuarryLeasesLost", {'quarry_lease_renewals_total{outcome="renewed"}': "0+9x40"}, "22m"),
    Case("QuarryRoutesRefused", {'quarry_routes_refused{instance="a"}': "0 1"}, "1m", {"instance": "a"}),
    Case("QuarryRoutesRefused", {'quarry_routes_refused{instance="a"}': "0 1 0"}, "2m"),
    Case("QuarryTenantsRefused", {'quarry_tenants_refused{instance="a"}': "0 1"}, "1m", {"instance": "a"}),
    Case("QuarryTenantsRefused", {'quarry_tenants_refused{instance="a"}': "0 1 0"}, "2m"),
)


def _api(good: str, bad: str) -> Mapping[str, str]:
    series = 'quarry_http_requests_total{{route="/v1/jobs",method="POST",code="{}"}}'
    return {series.format(202): good, series.format(503): bad}


def _starts(lane: str, bound: str, within: str, of: str) -> Mapping[str, str]:
    series = f'quarry_delivery_wait_seconds_{{}}{{{{lane="{lane}"{{}}}}}}'
    return {series.format("bucket", f',le="{bound}"'): within, series.format("count", ""): of}


def _ends(lane: str, bound: str, within: str, of: str) -> Mapping[str, str]:
    series = f'quarry_job_duration_seconds_{{}}{{{{outcome="completed",lane="{lane}"{{}}}}}}'
    return {series.format("bucket", f',le="{bound}"'): within, series.format("count", ""): of}


def _jobs(**a_minute: int) -> Mapping[str, str]:
    """So many of each outcome in every minute; those that were buried are counted twice, as a worker does."""
    buried = {'quarry_deliveries_settled_total{outcome="bury",reason="attempts_exhausted"}': a_minute.pop("buried", 0)}
    finished = {f'quarry_jobs_finished_total{{outcome="{outcome}"}}': count for outcome, count in a_minute.items()}
    return {name: f"0+{count}x70" for name, count in (buried | finished).items()}


FAST, MIDDLE, SLOW = "QuarryBudgetBurnsFast", "QuarryBudgetBurns", "QuarryBudgetBurnsSlowly"
BURNS: Final = (
    # Of a thousandth that may be bad, 14.4 times as much is 1.44 %.
    Case(FAST, _api("0+985x70", "0+15x70"), "65m", {"slo": "api-available"}),
    Case(FAST, _api("0+986x70", "0+14x70"), "65m"),
    # It ends five minutes after the cause has, though the hour was bad.
    Case(FAST, _api("0+500x60 30500+1000x10", "0+500x60 30000x10"), "60m", {"slo": "api-available"}),
    Case(FAST, _api("0+500x60 30500+1000x10", "0+500x60 30000x10"), "70m"),
    # A bad minute in a good hour: the short window alone is no reason.
    Case(FAST, _api("0+1000x70", "0x61 100x9"), "65m"),
    Case(MIDDLE, _api("0+993x370", "0+7x370"), "6h", {"slo": "api-available"}),
    Case(MIDDLE, _api("0+995x370", "0+5x370"), "6h"),
    # What is not there is no answer with 5xx, and nothing at all is no reason.
    Case(FAST, _api("0x70", "0x70"), "65m"),
    # Of those that may not be kept, 14.4 times half a percent: 7.2 %.
    Case(FAST, _jobs(completed=92, failed=8, buried=8), "65m", {"slo": "jobs-kept"}),
    Case(FAST, _jobs(completed=92, expired=8), "65m", {"slo": "jobs-kept"}),
    Case(FAST, _jobs(completed=92, degraded=8), "65m", {"slo": "jobs-kept"}),
    Case(FAST, _jobs(completed=93, failed=7, buried=7), "65m"),
    # Rejected for a reason that is the caller's: failed, and not buried. And what was cancelled counts nowhere.
    Case(FAST, _jobs(completed=50, failed=50), "65m"),
    Case(FAST, _jobs(completed=92, expired=8, cancelled=100), "65m", {"slo": "jobs-kept"}),
    Case(FAST, _starts("high", "5.0", "0+85x70", "0+100x70"), "65m", {"slo": "start-high"}),
    Case(FAST, _starts("high", "5.0", "0+86x70", "0+100x70"), "65m"),
    Case(FAST, _starts("normal", "60.0", "0+27x70", "0+100x70"), "65m", {"slo": "start-normal"}),
    Case(FAST, _starts("normal", "60.0", "0+29x70", "0+100x70"), "65m"),
    Case(FAST, _starts("low", "60.0", "0x70", "0+100x70"), "65m"),
    Case(FAST, _ends("high", "60.0", "0+27x70", "0+100x70"), "65m", {"slo": "end-high"}),
    Case(FAST, _ends("normal", "900.0", "0+27x70", "0+100x70"), "65m", {"slo": "end-normal"}),
    Case(FAST, _ends("normal", "900.0", "0+29x70", "0+100x70"), "65m"),
)
DAYS: Final = (
    Case(SLOW, _api("0+9980x4400", "0+20x4400"), "72h", {"slo": "api-available"}),
    Case(SLOW, _api("0+9995x4400", "0+5x4400"), "72h"),
)


def test_every_alert_is_seen_to_ring_and_not_to_ring() -> None:
    """A new one has a case of each."""
    cases = [*CASES, *BURNS, *DAYS]
    assert {case.alert for case in cases if case.rings is not None} == ALERTS.keys()
    assert {case.alert for case in cases if case.rings is None} == ALERTS.keys()


@NEEDS_PROMTOOL
def test_the_rules_are_well_formed() -> None:
    """By Prometheus's own opinion, that of its linter too."""
    done = promtool("check", "config", "--lint-fatal", str(FOLDER / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
@pytest.mark.parametrize(
    ("cases", "files", "every"),
    [(CASES, FILES[-1:], "1m"), (BURNS, FILES, "5m"), (DAYS, FILES, "30m")],
    ids=["alerts", "budgets in hours", "budgets in days"],
)
def test_alerts_ring_when_they_should(tmp_path: Path, cases: tuple[Case, ...], files: list[Path], every: str) -> None:
    """At the thresholds that are written down, on either side of each. `every`: how often rules are judged."""
    path = tmp_path / "cases.json"
    order = [group["name"] for group in GROUPS]
    text = {
        "rule_files": list(map(str, files)),
        "evaluation_interval": every,
        "group_eval_order": order,
        "tests": list(asked(cases)),
    }
    path.write_text(json.dumps(text))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def asked(cases: tuple[Case, ...]) -> Iterator[dict[str, Any]]:
    """The cases as promtool reads them."""
    for number, case in enumerate(cases):
        expected = []
        if case.rings is not None:
            labels = ALERTS[case.alert]["labels"] | dict(case.rings) | {"alertname": case.alert, "alertstate": "firing"}
            told = ",".join(f'{name}="{value}"' for name, value in labels.items())
            expected = [{"labels": f"ALERTS{{{told}}}", "value": 1}]
        asks = {"expr": f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}', "eval_time": case.at, "exp_samples": expected}
        yield {
            "name": f"{case.alert}, case {number}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in (WORKER | dict(case.series)).items()],
            "promql_expr_test": [asks],
        }


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAMS / "promtool", *arguments], check=False, capture_output=True, text=True)
