"""`docker/compose/grafana/dashboards/quarry.json`: the board, from a table of panels."""  # noqa: INP001 - beside a script, no package

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

#: Grafana's own of 11.0, which later ones bring up to date when they load it. Source: its documentation, "Dashboard JSON model"
#: (classic), November 2026.
_SCHEMA_VERSION: Final = 39
#: As `provisioning/datasources/prometheus.yml` names it.
_SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
#: A board is 24 columns wide; three panels in a line.
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3
_OF_A_TARGET: Final = "{{region}} {{model}}"


class Panel(NamedTuple):
    """One diagram: what is asked, as pairs of expression and legend. `unit` is Grafana's name of one."""

    title: str
    unit: str
    asked: Sequence[tuple[str, str]]
    says: str = ""
    stacked: bool = False
    signed: bool = False


def _quantiles(histogram: str, by: str = "", which: str = "") -> list[tuple[str, str]]:
    """Three for each value of the label `by`, if there is one."""
    labels = f"le, {by}" if by else "le"
    rate = f"sum by ({labels}) (rate({histogram}_bucket{which}[5m]))"
    legend = f"{{{{{by}}}}} " if by else ""
    return [
        (f"histogram_quantile({share}, {rate})", f"{legend}{percent} %") for share, percent in ((0.5, 50), (0.95, 95), (0.99, 99))
    ]


def _rate(counter: str, by: str, legend: str = "", window: str = "1m") -> tuple[str, str]:
    return f"sum by ({by}) (rate({counter}[{window}]))", legend or f"{{{{{by}}}}}"


def _share(part: str, whole: str, legend: str) -> tuple[str, str]:
    return f"(sum(rate({part}[5m])) or vector(0)) / sum(rate({whole}[5m]))", legend


def _used(counter: str, limit: str) -> tuple[str, str]:
    """Of the pace that a limiter lets through; infinite where nothing has been found out yet."""
    pace = f'(sum by (region, model) (quarry_limiter_rate{{limit="{limit}"}}) < Inf)'
    return f"sum by (region, model) (rate({counter}[1m])) / {pace}", _OF_A_TARGET


_FAILED: Final = 'quarry_invocations_total{outcome!~"completed|cancelled"}'
#: An event stream ends with its job.
_ANSWERED: Final = '{route!="/v1/jobs/{request_id}/events"}'
_GROWTH: Final = 'sum(rate(quarry_submissions_total{outcome="accepted"}[5m])) - sum(rate(quarry_jobs_finished_total[5m]))'
_TOKENS_A_CALL: Final = (
    "sum by (direction) (rate(quarry_tokens_total[5m])) "
    '/ ignoring (direction) group_left () sum(rate(quarry_invocations_total{outcome="completed"}[5m]))'
)
#: By the title of a row of the board.
ROWS: Final[dict[str, Sequence[Panel]]] = {
    "Objectives": (
        Panel("Good, in six hours", "percentunit", [("1 - quarry:slo_errors:ratio_rate6h", "{{slo}}")]),
        Panel(
            "Burn rate", "short",
            [("quarry:slo_burn:rate1h", "{{slo}}, 1 h"), ("quarry:slo_burn:rate5m", "{{slo}}, 5 min")],
            says="1: the error budget of 30 days lasts exactly 30 days.",
        ),
        Panel(
            "Of the budget of 30 days, used in the last three", "percentunit", [("quarry:slo_burn:rate3d / 10", "{{slo}}")]
        ),
        Panel(
            "Alerts that ring", "short",
            [('count by (alertname, severity) (ALERTS{alertname=~"Quarry.+",alertstate="firing"})', "{{severity}} {{alertname}}")],
            stacked=True,
        ),
    ),
    "Jobs": (
        Panel("Jobs handed in", "reqps", [_rate("quarry_submissions_total", "outcome")]),
        Panel("Jobs finished", "reqps", [_rate("quarry_jobs_finished_total", "outcome")], stacked=True),
        Panel(
            "Backlog: how fast it grows", "reqps", [(_GROWTH, "a second")],
            says="Accepted less finished. How many wait, the queue knows: see AWS's metrics of it.", signed=True,
        ),
        Panel("Wait for a worker, now", "s", [("max by (lane) (quarry_lane_wait_seconds)", "{{lane}}")]),
        Panel("Wait for a worker", "s", _quantiles("quarry_delivery_wait_seconds", "lane")),
        Panel(
            "Time from submission to the answer", "s",
            _quantiles("quarry_job_duration_seconds", "lane", '{outcome="completed"}'),
        ),
    ),
    "API": (
        Panel("Requests", "reqps", [_rate("quarry_http_requests_total", "route, code", "{{route}} {{code}}")]),
        Panel(
            "Answered with an error", "percentunit",
            [
                _share('quarry_http_requests_total{code=~"5.."}', "quarry_http_requests_total", "ours (5xx)"),
                _share('quarry_http_requests_total{code=~"4.."}', "quarry_http_requests_total", "the caller's (4xx)"),
            ],
        ),
        Panel(
            "Time to answer", "s", _quantiles("quarry_http_request_duration_seconds", which=_ANSWERED),
            says="Long-polls take as long as they are asked to.",
        ),
        Panel("Who waits", "short", [("sum(quarry_http_waiters)", "long-polls"), ("sum(quarry_http_followers)", "event streams")]),
        Panel("Audit records", "reqps", [_rate("quarry_audit_records_total", "outcome")]),
        Panel(
            "Routes and tenants files", "short",
            [("max by (job) (quarry_routes_refused)", "{{job}} refuses the routes"),
             ("max by (job) (quarry_tenants_refused)", "{{job}} refuses the tenants"),
             ("sum by (outcome) (increase(quarry_routes_reloads_total[10m]))", "routes {{outcome}}, in ten minutes"),
             ("sum by (outcome) (increase(quarry_tenants_reloads_total[10m]))", "tenants {{outcome}}, in ten minutes")],
        ),
    ),
    "Model calls": (
        Panel("Calls", "reqps", [_rate("quarry_invocations_total", "region, model", _OF_A_TARGET)]),
        Panel(
            "Calls that failed", "reqps",
            [_rate(_FAILED, "region, outcome", "{{region}} {{outcome}}")],
        ),
        Panel(
            "Share that failed, and that was throttled", "percentunit",
            [
                _share(_FAILED, "quarry_invocations_total", "failed"),
                _share("quarry_throttles_total", "quarry_invocations_total", "throttled"),
            ],
        ),
        Panel("Time of a call", "s", _quantiles("quarry_invocation_duration_seconds")),
        Panel(
            "Time of a call (95 %), by target", "s",
            [("histogram_quantile(0.95, sum by (le, region, model) (rate(quarry_invocation_duration_seconds_bucket[5m])))",
              _OF_A_TARGET)],
        ),
        Panel("Time to the first text, of streamed calls", "s", _quantiles("quarry_time_to_first_token_seconds")),
        Panel(
            "Tokens a minute", "short",
            [("60 * sum by (model, direction) (rate(quarry_tokens_total[1m]))", "{{model}} {{direction}}")],
            says="What they cost is not measured: prices are in contracts and in routes.toml.",
        ),
        Panel("Tokens a call", "short", [(_TOKENS_A_CALL, "{{direction}}")]),
        Panel(
            "Passed over for the next target", "reqps",
            [_rate("quarry_fallbacks_total", "region, reason", "{{region}} {{reason}}")],
        ),
    ),
    "Quotas and breakers": (
        Panel("Throttles", "reqps", [_rate("quarry_throttles_total", "region, limit", "{{region}} {{limit}}")]),
        Panel(
            "Of the pace that is let through, used: requests", "percentunit", [_used("quarry_invocations_total", "requests")]
        ),
        Panel(
            "Of the pace that is let through, used: tokens", "percentunit", [_used("quarry_tokens_total", "tokens")],
            says="By tokens that were used: what is held back while a call lasts is more.",
        ),
        Panel(
            "The pace that is let through", "short",
            [("sum by (region, model, limit) (quarry_limiter_rate) < Inf", f"{_OF_A_TARGET}: {{{{limit}}}} a second")],
        ),
        Panel("Wait for room, in the slot", "s", _quantiles("quarry_limiter_wait_seconds")),
        Panel("What became of those who waited for room", "reqps", [_rate("quarry_limiter_wait_seconds_count", "outcome")]),
        Panel(
            "Targets left alone (2), or probed (1)", "short",
            [("max by (provider, region, model) (quarry_breaker_state)", "{{provider}} {{region}} {{model}}")],
        ),
        Panel(
            "Breakers opened, in ten minutes", "short",
            [("sum by (region, model, reason) (increase(quarry_breaker_openings_total[10m]))", f"{_OF_A_TARGET} {{{{reason}}}}")],
        ),
        Panel("Targets that refuse us", "short", [("max by (instance) (quarry_targets_blocked)", "{{instance}}")]),
    ),
    "Workers": (
        Panel("Processes", "short", [("count by (job) (up == 1)", "{{job}}")]),
        Panel("Slots", "short", [("sum(quarry_slots)", "there are"), ("sum(quarry_slots_in_use)", "in use")]),
        Panel("Slots in use", "percentunit", [("sum(quarry_slots_in_use) / sum(quarry_slots)", "of all")]),
        Panel("Jobs taken", "reqps", [_rate("quarry_deliveries_received_total", "lane")], stacked=True),
        Panel("Taken and given back, for want of a slot", "reqps", [_rate("quarry_deliveries_returned_total", "lane")]),
        Panel("Attempts ended", "reqps", [_rate("quarry_attempts_total", "outcome")], stacked=True),
        Panel("Leases", "reqps", [_rate("quarry_lease_renewals_total", "outcome")]),
        Panel("Claims refused", "reqps", [_rate("quarry_claims_refused_total", "reason")]),
        Panel(
            "Workers that ECS should not stop, and that stand aside", "short",
            [("sum(quarry_task_protected)", "protected"), ("sum(quarry_standing_aside)", "aside")],
        ),
        Panel(
            "Asked of the ECS agent", "reqps",
            [_rate("quarry_task_protection_requests_total", "outcome", "{{outcome}}")],
        ),
        Panel(
            "AWS's clock is ahead by", "s", [("max by (instance) (quarry_clock_offset_seconds)", "{{instance}}")], signed=True
        ),
    ),
    "What goes wrong, and what it costs": (
        Panel("Deliveries settled", "reqps", [_rate("quarry_deliveries_settled_total", "outcome")], stacked=True),
        Panel(
            "Dead letters, in ten minutes", "short",
            [('sum by (reason) (increase(quarry_deliveries_settled_total{outcome="bury"}[10m]))', "{{reason}}")],
        ),
        Panel(
            "Jobs that lost their message, found in ten minutes", "short",
            [("sum by (outcome) (increase(quarry_swept_total[10m]))", "{{outcome}}")],
        ),
        Panel(
            "Calls that may be paid twice, in ten minutes", "short",
            [("sum by (reason) (increase(quarry_calls_repeated_total[10m]))", "{{reason}}")],
        ),
        Panel(
            "Calls that may have been paid in vain, in ten minutes", "short",
            [("sum by (reason) (increase(quarry_calls_withheld_total[10m]))", "{{reason}}")],
        ),
        Panel(
            "Tries to tell of a job's end", "reqps",
            [_rate("quarry_notifications_total", "channel, outcome", "{{channel}} {{outcome}}")], stacked=True,
        ),
        Panel(
            "What guards found", "reqps", [_rate("quarry_guarded_total", "outcome")], stacked=True,
            says="In what workers ask and are answered. What the API refuses is handed in with the outcome content_refused.",
        ),
        Panel("Writes of streamed text", "reqps", [_rate("quarry_text_writes_total", "outcome")]),
    ),
}  # fmt: skip


def panels() -> Iterator[Panel]:
    """All of them, as they stand."""
    for row in ROWS.values():
        yield from row


def board() -> str:
    """The whole file: a line for each panel."""
    head = {
        "uid": "quarry",
        "title": "Quarry",
        "description": "Generated by docs/board.py (make docs).",
        "schemaVersion": _SCHEMA_VERSION,
        "version": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "tags": ["quarry"],
    }
    lines = ",\n  ".join(json.dumps(each) for each in _placed())
    return f'{json.dumps(head)[:-1]}, "panels": [\n  {lines}\n]}}\n'


def _placed() -> Iterator[dict[str, Any]]:
    """Rows and their panels, from left to right and from top to bottom."""
    number, y = 0, 0
    for title, row in ROWS.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
               "gridPos": {"x": 0, "y": y, "w": _WIDTH * _COLUMNS, "h": 1}}  # fmt: skip
        y += 1
        for place, panel in enumerate(row):
            number += 1
            line, column = divmod(place, _COLUMNS)
            yield _drawn(number, panel, {"x": column * _WIDTH, "y": y + line * _HEIGHT, "w": _WIDTH, "h": _HEIGHT})
        y += -(-len(row) // _COLUMNS) * _HEIGHT


def _drawn(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    least = {} if panel.signed else {"min": 0}
    custom = {"custom": {"stacking": {"mode": "normal"}, "fillOpacity": 20}} if panel.stacked else {}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        **({"description": panel.says} if panel.says else {}),
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, **least, **custom}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + position), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for position, (expression, legend) in enumerate(panel.asked)
        ],
    }
