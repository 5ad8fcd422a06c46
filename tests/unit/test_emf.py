"""Lines for CloudWatch: within the format's bounds whatever was measured, nothing lost, and nothing told that did not happen."""

import asyncio
import io
import json
import math
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from quarry.settings import EmfSettings
from quarry.telemetry.cloudwatch import DIMENSIONS, PUBLISHED, Reader
from quarry.telemetry.emf import LINE_MAX_BYTES, METRICS_MAX, VALUES_MAX, Datum, lines
from quarry.telemetry.histogram import Histogram
from quarry.telemetry.metrics import InferenceMetrics, ProducerMetrics, WorkerMetrics
from quarry.telemetry.publish import Publisher
from quarry.testing import NOW, FakeClock
from tests.support.cloudwatch import seen, total

TARGET = ("bedrock", "us-east-1", "a-model")
PLACE = {"Service": "worker", "Model": "a-model", "Region": "us-east-1"}
DATUM = st.builds(
    Datum,
    st.sampled_from(["A", "B", "C" * 200]),
    st.sampled_from(["Count", "Seconds"]),
    st.sampled_from([{"Service": "x", "Lane": "y"}, {"Service": "z", "Lane": "y"}]),
    st.sampled_from([[("Service",)], [("Service",), ("Service", "Lane")]]),
    st.integers(0, 10**9).map(float) | st.dictionaries(st.floats(0.001, 1e6), st.integers(1, 10**6), min_size=1, max_size=250),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(DATUM, max_size=6))
def test_every_line_is_one_that_cloudwatch_takes(data: list[Datum]) -> None:
    """However much there is: bounds are kept, and all of it is told, for each set of dimensions once."""
    told = list(lines(data, "Quarry", 1_700_000_000_000))
    expected: Counter[tuple[str, int]] = Counter()
    for datum in data:
        count = sum(datum.measured.values()) if isinstance(datum.measured, dict) else 1
        for names in datum.sets:
            expected[datum.name, len(names)] += count
    found: Counter[tuple[str, int]] = Counter()
    for each in seen("\n".join(told)):
        found[each.name.metric, len(each.place)] += each.count
    assert found == expected
    assert all(len(line.encode()) <= LINE_MAX_BYTES for line in told)


def test_more_metrics_and_values_than_a_line_has_room_for_make_more_lines() -> None:
    """A line beyond the bounds would be dropped by CloudWatch as a whole."""
    many = [Datum(f"M{i}", "Count", {"Service": "x"}, [("Service",)], 1.0) for i in range(METRICS_MAX + 1)]
    assert len(list(lines(many, "Quarry", 1_700_000_000_000))) == 2
    wide = Datum("M", "Seconds", {"Service": "x"}, [("Service",)], {i / 7: 1 for i in range(2 * VALUES_MAX + 1)})
    assert [each.count for each in seen("\n".join(lines([wide], "Quarry", 1_700_000_000_000)))] == [VALUES_MAX, VALUES_MAX, 1]


def test_what_json_cannot_say_is_refused() -> None:
    """Nobody writes `NaN` into a log that others parse."""
    with pytest.raises(ValueError, match="JSON"):
        list(lines([Datum("M", "Count", {}, [()], math.nan)], "Quarry", 1_700_000_000_000))


@settings(deadline=None)
@given(st.floats(0.001, 600_000))
def test_a_histogram_hands_over_values_close_to_what_it_saw(amount: float) -> None:
    """Percentiles are as exact as that; the buckets of Prometheus are apart by a factor of two."""
    histogram = Histogram("quarry_a_seconds", "A.", registry=None)
    histogram.observe(amount)
    [(labels, values)] = histogram.taken()
    [(value, count)] = values.items()
    assert (labels, count) == ({}, 1)
    assert value == pytest.approx(amount, rel=0.026)
    assert list(histogram.taken()) == []


def test_a_histogram_leaves_out_what_is_no_time() -> None:
    """Prometheus takes it, and so nothing may fail here: it may be told right after an answer that was paid for."""
    histogram = Histogram("quarry_c_seconds", "C.", registry=None)
    histogram.observe(math.inf)
    assert list(histogram.taken()) == []


def test_a_histogram_keeps_little_and_takes_what_is_no_time_at_all() -> None:
    """Whoever is never asked (no CloudWatch) does not fill memory."""
    histogram = Histogram("quarry_b_seconds", "B.", ["lane"], registry=None)
    for i in range(20_000):
        histogram.labels("high").observe(i * 31.4)
    histogram.labels("low").observe(0.0)
    histogram.labels("low").observe(-1.0)
    high, low = histogram.taken()
    assert (high[0], sum(high[1].values())) == ({"lane": "high"}, 20_000)
    assert len(high[1]) < 450
    assert (low[0], list(low[1].values())) == ({"lane": "low"}, [2])
    assert list(low[1]) == [pytest.approx(0.001, rel=0.026)]


def worker() -> tuple[WorkerMetrics, InferenceMetrics, Reader]:
    registry = CollectorRegistry()
    metrics, inference = WorkerMetrics(registry), InferenceMetrics(registry)
    return metrics, inference, Reader("worker", (metrics, inference))


def told(reader: Reader, seconds: float = 60.0) -> dict[str, Datum]:
    return {f"{each.name} {' '.join(each.dimensions.values())}": each for each in reader.data(seconds)}


def test_counters_are_told_by_what_they_have_grown() -> None:
    """Once; CloudWatch adds up itself. What did not happen is not told: it would cost."""
    metrics, inference, reader = worker()
    inference.tokens.labels(*TARGET, "input").inc(40)
    inference.tokens.labels(*TARGET, "output").inc(2)
    assert told(reader)["InputTokens worker a-model us-east-1"].measured == 40
    inference.tokens.labels(*TARGET, "input").inc(5)
    again = told(reader)
    assert again["InputTokens worker a-model us-east-1"].measured == 5
    assert not [name for name in again if name.startswith(("OutputTokens", "ModelCalls", "JobsFinished"))]
    metrics.finished.labels("completed").inc()
    metrics.finished.labels("failed").inc()
    assert [name for name in told(reader) if name.startswith("JobsFinished")] == [
        "JobsFinished worker completed",
        "JobsFinished worker failed",
    ]


def test_errors_are_calls_that_did_not_complete() -> None:
    """By kind; a call that was cancelled is none."""
    _, inference, reader = worker()
    for outcome in ("completed", "cancelled", "throttled", "throttled", "model_failed"):
        inference.invocations.labels(*TARGET, outcome).inc()
    found = seen("\n".join(lines(reader.data(60), "Quarry", 1_700_000_000_000)))
    assert total(found, "ModelCalls", **PLACE) == total(found, "ModelCalls", Service="worker") == 5
    assert total(found, "ModelErrors", **PLACE) == total(found, "ModelErrors", Service="worker") == 3
    assert total(found, "ModelErrors", Service="worker", Error="throttled") == 2


def test_rates_are_told_as_what_they_come_to() -> None:
    """So that the sum over workers and minutes is what all of them were allowed; a target without a limit has no such number."""
    _, inference, reader = worker()
    inference.limiter_rate.labels(*TARGET, "tokens").set(100)
    inference.limiter_rate.labels(*TARGET, "requests").set(math.inf)
    found = told(reader, 30)
    assert found["TokensAllowed worker a-model us-east-1"].measured == 3000
    assert not [name for name in found if name.startswith("CallsAllowed")]


def test_regions_of_one_model_are_told_apart_and_providers_are_added_up() -> None:
    """A dimension is what somebody would draw a line for."""
    _, inference, reader = worker()
    for provider, region in (("bedrock", "us-east-1"), ("bedrock", "eu-west-1"), ("other", "eu-west-1")):
        inference.invocation_seconds.labels(provider, region, "a-model").observe(1)
    found = {name: each for name, each in told(reader).items() if name.startswith("ModelLatency")}
    assert {name: each.measured for name, each in found.items()} == {
        "ModelLatency worker a-model us-east-1": {1.0: 1},
        "ModelLatency worker a-model eu-west-1": {1.0: 2},
    }


def test_a_provider_without_a_region_has_one_that_cloudwatch_takes() -> None:
    """An empty value of a dimension is refused, and with it the whole line."""
    assert DIMENSIONS["Region"]({"region": ""}) == "none"


def test_strangers_make_no_metrics() -> None:
    """A method that nobody serves, asked of each route, would be paid for a month."""
    metrics = ProducerMetrics(CollectorRegistry())
    for method in ("GET", "DELETE", "other"):
        metrics.request_seconds.labels(method, "/v1/jobs").observe(0.1)
    found = Reader("producer", (metrics,)).data(60)
    assert [each.dimensions["Route"] for each in found if each.name == "RequestLatency"] == ["GET /v1/jobs"]


def test_the_table_is_of_what_there_is() -> None:
    """Each row has a metric, with the labels that its dimensions are made of, and a name of its own."""
    registry = CollectorRegistry()
    catalogues = {**vars(ProducerMetrics(registry)), **vars(WorkerMetrics(registry)), **vars(InferenceMetrics(registry))}
    assert len({row.name for row in PUBLISHED}) == len(PUBLISHED)
    for row in PUBLISHED:
        labels = dict.fromkeys(catalogues[row.of]._labelnames, "x")  # noqa: SLF001 - told nowhere else
        for name in (name for names in row.by for name in names):
            assert DIMENSIONS[name](labels)
        assert set(row.where or {}) <= set(labels)
    assert set(DIMENSIONS) == {name for row in PUBLISHED for names in row.by for name in names}


async def test_a_publisher_writes_at_the_end_of_each_minute() -> None:
    """What came since the last line, with the time of writing: of the minute that ends, whenever the process began in it."""
    registry, clock, written = CollectorRegistry(), FakeClock(NOW + timedelta(seconds=17)), list[str]()
    metrics = ProducerMetrics(registry)
    publisher = Publisher(EmfSettings(namespace="Quarry/x", seconds=60), "producer", (metrics,), clock, written.append)
    keeping = asyncio.create_task(publisher.keep())
    metrics.submissions.labels("accepted").inc()
    await clock.advance(40)
    assert written == []
    await clock.advance(1)
    metrics.submissions.labels("accepted").inc(2)
    await clock.advance(60)
    await clock.advance(1)
    keeping.cancel()
    assert [each.total for each in seen("".join(written))] == [1, 2]
    assert seconds_of(written) == [58, 118]


@pytest.mark.parametrize(("seconds", "expected"), [(1, [17.967, 18.967]), (30, [29, 59]), (3600, [3598, 7198])])
async def test_other_periods_end_with_the_clocks_too(seconds: int, expected: list[float]) -> None:
    """Shorter ones at their own multiples; longer ones at a full minute, and never sooner than nearly so long."""
    clock, written = FakeClock(NOW + timedelta(seconds=17)), list[str]()
    metrics = WorkerMetrics(CollectorRegistry())
    publisher = Publisher(EmfSettings(namespace="Quarry/x", seconds=seconds), "worker", (metrics,), clock, written.append)
    keeping = asyncio.create_task(publisher.keep())
    while len(written) < 2:
        await clock.advance(seconds / 100)
    keeping.cancel()
    assert seconds_of(written) == pytest.approx(expected, abs=seconds / 50)


async def test_who_woke_too_early_does_not_write_twice() -> None:
    """Clocks are read by the millisecond, and a sleep may end within one."""
    clock, written = FakeClock(NOW + timedelta(seconds=57, milliseconds=999)), list[str]()
    metrics = WorkerMetrics(CollectorRegistry())
    publisher = Publisher(EmfSettings(namespace="Quarry/x", seconds=60), "worker", (metrics,), clock, written.append)
    keeping = asyncio.create_task(publisher.keep())
    await clock.advance(0.01)
    keeping.cancel()
    assert written == []


def seconds_of(written: list[str]) -> list[float]:
    return [line["_aws"]["Timestamp"] / 1000 - NOW.timestamp() for line in map(json.loads, written)]


class Torn(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stderr", [None, closed(), Torn()], ids=["none", "closed", "torn"])
def test_who_has_nobody_to_tell_works_all_the_same(stderr: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log may end before its process does: a measurement is not worth a worker."""
    metrics = ProducerMetrics(CollectorRegistry())
    publisher = Publisher(EmfSettings(namespace="Quarry/x"), "producer", (metrics,), FakeClock())
    metrics.submissions.labels("accepted").inc()
    monkeypatch.setattr("sys.stderr", stderr)
    publisher.flush()
