# ruff: noqa: SLF001 - the client library tells names and labels nowhere else before there are samples
"""The catalogue of metrics: names by Prometheus' rules, labels of few values."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import Counter, Gauge, Histogram, MetricWrapperBase

from quarry.telemetry.metrics import LATENCY_BUCKETS, FilesMetrics, InferenceMetrics, ProducerMetrics, WorkerMetrics

LABELS = {"provider", "region", "model", "outcome", "reason", "route", "method", "code", "direction", "limit", "lane", "channel"}
CATALOGUE: list[MetricWrapperBase] = [
    metric
    for catalogue in (ProducerMetrics, WorkerMetrics, InferenceMetrics, FilesMetrics)
    for metric in vars(catalogue(CollectorRegistry())).values()
    if isinstance(metric, MetricWrapperBase)
]


def full_name(metric: MetricWrapperBase) -> str:
    """As it is scraped: the client library keeps a counter's name without its ending."""
    name: str = metric._name
    return f"{name}_total" if isinstance(metric, Counter) else name


def test_every_process_can_have_all_of_them() -> None:
    """No name twice in one registry."""
    registry = CollectorRegistry()
    for catalogue in (ProducerMetrics, WorkerMetrics, InferenceMetrics, FilesMetrics):
        catalogue(registry)
    assert len({full_name(metric) for metric in CATALOGUE}) == len(CATALOGUE) > 15


@pytest.mark.parametrize("metric", CATALOGUE, ids=full_name)
def test_a_metric_is_named_by_the_rules(metric: MetricWrapperBase) -> None:
    """Our prefix, a base unit where it measures, `_total` where it counts and nowhere else; and it says what it means."""
    name = metric._name
    assert name.startswith("quarry_")
    assert not name.endswith(("_total", "_ms", "_milliseconds", "_minutes", "_count"))
    if isinstance(metric, Histogram):
        assert name.endswith(("_seconds", "_bytes", "_tokens"))
    assert isinstance(metric, Counter | Gauge | Histogram)
    assert metric._documentation.endswith(".")


@pytest.mark.parametrize("metric", CATALOGUE, ids=full_name)
def test_labels_have_few_values(metric: MetricWrapperBase) -> None:
    """Never a request id, a tenant, or an error's text."""
    assert set(metric._labelnames) <= LABELS


def test_the_buckets_fit_models() -> None:
    """From a quarter of a second to a quarter of an hour."""
    assert (LATENCY_BUCKETS[0], LATENCY_BUCKETS[-1]) == (0.25, 900)
    assert list(LATENCY_BUCKETS) == sorted(LATENCY_BUCKETS)
