"""The generated parts on metrics and log events: from their catalogues."""  # noqa: INP001 - beside a script, no package

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from prometheus_client import CollectorRegistry

from docs.errors import invocation_errors
from docs.markdown import table
from quarry import errors, job
from quarry.notification import Channel, NotificationStatus
from quarry.telemetry import cloudwatch, events, metrics
from worker import outcome
from worker.report import DEGRADED, Guarded


def metric_catalogue() -> str:
    """A table for each process's metrics."""
    parts = []
    for heading, catalogue in (
        ("API", metrics.ProducerMetrics),
        ("Worker", metrics.WorkerMetrics),
        ("Model calls (in the worker)", metrics.InferenceMetrics),
        ("The files that are followed (in both)", metrics.FilesMetrics),
    ):
        registry = CollectorRegistry()
        found = [value for value in vars(catalogue(registry)).values() if hasattr(value, "_labelnames")]
        rows = [_metric(each) for each in found]
        parts.append(f"## {heading}\n\n{table(('metric', 'kind', 'labels', 'meaning'), rows)}")
    return "\n".join(parts)


def _metric(metric: Any) -> tuple[str, ...]:
    [described] = metric.describe()
    name = described.name + ("_total" if described.type == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - there is no other way to ask
    return f"`{name}`", described.type, labels, described.documentation


def label_values() -> str:
    """What the labels can be that are not a route's, a target's or HTTP's."""
    ended = [each.__name__ for each in get_args(job.Event) if each not in (job.Claimed, job.Redriven)]
    billed = [kind.code for kind in invocation_errors(errors.InvocationError) if kind.may_be_billed and kind.time_helps]
    unseen = (errors.InvocationTimedOut.code, errors.InternalFault.code)
    draining = outcome.Interruption.DRAINING.value
    labels: Sequence[tuple[str, str, Iterable[str], str]] = (
        ("quarry_submissions_total", "outcome", ("accepted", "replayed"), ", or a [problem](errors.md)"),
        ("quarry_audit_records_total", "outcome", ("written", "folded", "lost"), ""),
        ("quarry_deliveries_settled_total", "outcome", ("ack", "release", "resend", "bury", "leave"), ""),
        ("quarry_claims_refused_total", "reason", (each.__name__ for each in errors.ClaimRefused.__subclasses__()), ""),
        ("quarry_jobs_finished_total", "outcome", (*sorted(job.TERMINAL), DEGRADED), ""),
        ("quarry_attempts_total", "outcome", (*ended, "LeaseLost"), ""),
        ("quarry_calls_repeated_total", "reason", ("worker_vanished", draining, *billed), ""),
        ("quarry_calls_withheld_total", "reason", ("worker_vanished", draining, *unseen), ""),
        ("quarry_guarded_total", "outcome", get_args(Guarded), ""),
        ("quarry_lease_renewals_total", "outcome", ("renewed", "failed", "lost", "cancel_requested"), ""),
        ("quarry_swept_total", "outcome", ("resent", "recorded", "reminded", "erased"), ""),
        ("quarry_notifications_total", "channel", tuple(Channel), ""),
        ("quarry_notifications_total", "outcome", tuple(NotificationStatus), ": `pending` is one that is tried again"),
        (
            "quarry_invocations_total",
            "outcome",
            ("completed", "cancelled"),
            ", or an [error](errors.md#errors-of-jobs)",
        ),
        ("quarry_tokens_total", "direction", ("input", "output"), ""),
        ("quarry_breaker_openings_total", "reason", ("local", "peer"), ""),
        ("quarry_throttles_total", "limit", ("requests", "tokens", "unknown"), ""),
        ("quarry_limiter_rate", "limit", ("requests", "tokens"), ""),
        ("quarry_limiter_wait_seconds", "outcome", ("served", "given_up", "cancelled"), ""),
    )
    rows = [(f"`{name}`", f"`{label}`", ", ".join(f"`{each}`" for each in values) + more) for name, label, values, more in labels]
    return table(("metric", "label", "values"), rows)


def cloudwatch_metrics() -> str:
    """What CloudWatch is told, and by which dimensions."""
    registry = CollectorRegistry()
    catalogues = (metrics.ProducerMetrics(registry), metrics.WorkerMetrics(registry), metrics.InferenceMetrics(registry))
    source = {name: _metric(each)[0] for catalogue in catalogues for name, each in vars(catalogue).items()}
    services = {
        name: "API" if isinstance(each, metrics.ProducerMetrics) else "worker" for each in catalogues for name in vars(each)
    }
    rows = [
        (f"`{row.name}`", row.unit, services[row.of], "; ".join(_dimensions(names) for names in row.by), source[row.of])
        for row in cloudwatch.PUBLISHED
    ]
    return table(("metric", "unit", "written by", "dimensions, beside `Service`", "from"), rows)


def cloudwatch_count() -> str:
    """How many metrics that makes, by what they are one for."""
    count = Counter(names for row in cloudwatch.PUBLISHED for names in row.by)
    rows = [(f"for each {_dimensions(names)}" if names else "always", str(number)) for names, number in count.items()]
    return table(("custom metrics", "how many"), rows)


def _dimensions(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def event_names() -> str:
    """The log events and their fields, as the comments beside them say."""
    source = inspect.getsource(events.Event)
    fields = dict(re.findall(r'= "([a-z_.]+)"  # (.+(?:\n    # .+)*)$', source, re.MULTILINE))
    return table(("event", "fields"), [(f"`{each.value}`", fields[each.value].replace("\n    #", "")) for each in events.Event])
