"""Traces: nothing where they are off; where they are on, what the conventions ask for, whoever works the job, and no content."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from quarry.envelope import Envelope, from_wire
from quarry.errors import ConfigurationError, Throttled
from quarry.inference.candidates import Request
from quarry.inference.engine import Engine
from quarry.inference.routes import Route
from quarry.invocation import Invocation, Target, Usage
from quarry.job import Priority
from quarry.queue.lanes import announce
from quarry.settings import QueueSettings, Settings, TracingSettings
from quarry.telemetry.conventions import of_answer, of_call, of_completion
from quarry.telemetry.events import Event
from quarry.telemetry.metrics import InferenceMetrics
from quarry.telemetry.otlp import OtelTracing, Told, queue_names
from quarry.telemetry.strangers import Admitted
from quarry.telemetry.traced import opened_tracing
from quarry.telemetry.tracing import OFF
from quarry.testing import a_completion, a_job
from quarry.testing.clock import FakeClock
from quarry.testing.provider import ScriptedProvider
from quarry.testing.queue import MemoryQueue

ROOT = Path(__file__).resolve().parents[2]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FIRST, SECOND = (Target("bedrock", region, "m") for region in ("us-east-1", "us-west-2"))
SECRET = "the secret river"  # noqa: S105 - a prompt
INVOCATION = Invocation(messages=({"role": "user", "content": [{"text": SECRET}]},), stop_sequences=(SECRET,), temperature=0.5)


class Traces:
    """A tracing whose spans can be looked at."""

    def __init__(self, **provider: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self.made = TracerProvider(**provider)
        self.made.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = OtelTracing(self.made, {lane: f"jobs-{lane}" for lane in Priority})

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Those that have ended, in that order."""
        return self._exporter.get_finished_spans()


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def parent_of(span: ReadableSpan) -> str | None:
    return f"{span.parent.span_id:016x}" if span.parent else None


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.parametrize("service", ["producer.app", "worker.app"])
def test_where_it_is_off_nothing_of_it_is_imported(service: str) -> None:
    """Neither the SDK nor the exporter: what nobody uses takes no memory and no time to start."""
    program = f"import sys, {service}; print([name for name in sys.modules if name.startswith('opentelemetry.') and 'sdk' in name])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert done.stdout == "[]\n"


async def test_off_is_the_default() -> None:
    """Its spans are none, whatever is told of them."""
    async with opened_tracing(Settings(region="us-east-1"), "worker") as tracing:
        assert tracing is OFF
    with OFF.creation(a_job()) as span:
        span.tell({"a": 1})
        assert (span.traceparent, span.trace_id) == (None, None)


async def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process stops at its start, and not at its first job."""
    for name in [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "quarry.telemetry.otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    settings = Settings(region="us-east-1", tracing=TracingSettings(enabled=True))
    with pytest.raises(ConfigurationError, match=r"bedrock-quarry\[otel\]"):
        async with opened_tracing(settings, "worker"):
            pass


def test_a_callers_trace_is_gone_on_with() -> None:
    """Its id and its span are the request's."""
    traces = Traces()
    with traces.tracing.request("POST", f"00-{TRACE}-{PARENT}-01") as span:
        assert span.trace_id == TRACE
    assert (trace_of(traces.spans[0]), parent_of(traces.spans[0]), traces.spans[0].kind) == (TRACE, PARENT, SpanKind.SERVER)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        f"00-{TRACE}-{PARENT}",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        "é" * 999,
    ],
)
def test_a_malformed_traceparent_counts_as_none(header: str) -> None:
    """A new trace begins: what a stranger wrote refuses no request."""
    traces = Traces()
    with traces.tracing.request("POST", header):
        pass
    assert (trace_of(traces.spans[0]) != TRACE, parent_of(traces.spans[0])) == (True, None)


def test_what_is_not_sampled_is_not_sampled_further_on() -> None:
    """The flag goes with the job; the log names no trace that nobody can look up."""
    traces = Traces(sampler=ALWAYS_OFF)
    with traces.tracing.creation(a_job()) as span:
        flags = int((span.traceparent or "").rpartition("-")[2], 16)
        assert flags & 1 == 0
        assert span.trace_id is None
    assert traces.spans == ()


async def test_every_message_of_a_job_says_its_trace() -> None:
    """Whoever sends it: a sweep and a redrive send by the record."""
    queue, traces = MemoryQueue(FakeClock()), Traces()
    with traces.tracing.creation(a_job()) as span:
        job = a_job(traceparent=span.traceparent)
    assert await announce({Priority.NORMAL: queue}, job) == [None]
    [delivery] = await queue.receive(1, timedelta(0))
    assert from_wire(delivery.body).traceparent == span.traceparent
    with traces.tracing.delivery(delivery.body, Priority.NORMAL, "m", 1):
        pass
    made, worked = traces.spans
    assert made.context is not None
    assert (trace_of(worked), parent_of(worked)) == (trace_of(made), f"{made.context.span_id:016x}")
    assert (worked.name, worked.kind) == ("process jobs-normal", SpanKind.CONSUMER)


@pytest.mark.parametrize(
    "body", ["no envelope", Envelope("01a1fdfa46007bb69d13df5218362e2d", "t").to_wire()], ids=["none", "older"]
)
def test_a_message_without_a_trace_begins_one(body: str) -> None:
    """That of an older version, or none of ours: it is worked, and the trace begins with the worker."""
    traces = Traces()
    with traces.tracing.delivery(body, Priority.HIGH, "m", 1):
        pass
    assert parent_of(traces.spans[0]) is None


async def test_a_fallback_is_seen() -> None:
    """The call that failed with its reason, the one that answered, and between them that the next target was asked."""
    traces = Traces()
    provider = ScriptedProvider(Throttled("busy", target=str(FIRST)), a_completion(SECRET, served_by=SECOND))
    engine = Engine({"bedrock": provider}, InferenceMetrics(CollectorRegistry()), FakeClock(), tracing=traces.tracing)

    async def before_call(_target: Target) -> None:
        pass

    with traces.tracing.step("attempt"):
        await engine.invoke(Route.of("default", FIRST, SECOND), Request(INVOCATION), before_call)
    failed, answered, attempt = traces.spans
    assert [each.name for each in traces.spans] == ["chat m", "chat m", "attempt"]
    assert attributes_of(failed) | {"error.type": "throttled", "cloud.region": "us-east-1"} == attributes_of(failed)
    assert (failed.status.is_ok, answered.status.is_ok) == (False, True)
    assert attributes_of(answered)["cloud.region"] == "us-west-2"
    assert [(each.name, dict(each.attributes or {})["error.type"]) for each in attempt.events] == [("fallback", "throttled")]
    assert not any(SECRET in each.to_json() for each in traces.spans)


def test_an_exceptions_text_is_on_no_span() -> None:
    """It may be anything: the class is what is told of it."""
    traces = Traces()
    with pytest.raises(ValueError, match=SECRET), traces.tracing.step("claim"):
        raise ValueError(SECRET)
    assert attributes_of(traces.spans[0]) == {"error.type": "ValueError"}
    assert SECRET not in traces.spans[0].to_json()


def test_what_is_told_of_a_call_is_no_content() -> None:
    """By the names of the conventions; stop sequences are the caller's words too."""
    asked = of_call(FIRST, INVOCATION, streamed=True)
    usage = Usage(10, 20, 45, 5, 10)
    answered = of_completion(a_completion(SECRET, usage=usage), "end_turn")
    assert SECRET not in f"{asked}{answered}"
    known = {name: value for name, value in (asked | answered).items() if value is not None and name.startswith("gen_ai.")}
    assert known == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": 500,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["end_turn"],
        "gen_ai.usage.input_tokens": 25,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 10,
    }


class Moody(SpanExporter):
    """Takes spans, or does not."""

    takes = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self.takes else SpanExportResult.FAILURE


def test_a_collector_that_is_away_is_told_of_once() -> None:
    """And once that it is back."""
    moody = Moody()
    exporter = Told(moody)
    with capture_logs() as lines:
        for takes in (False, False, False, True, True, False):
            moody.takes = takes
            exporter.export(())
    assert [line["event"] for line in lines] == [Event.TRACES_LOST, Event.TRACES_REGAINED, Event.TRACES_LOST]


def test_queues_are_named_also_where_only_their_urls_are_known() -> None:
    """By the last part of the URL."""
    queue = QueueSettings(url="https://sqs.eu-west-1.amazonaws.com/123456789012/mine", low_url="https://h/1/slow")
    assert queue_names(queue) == {Priority.HIGH: "mine-high", Priority.NORMAL: "mine", Priority.LOW: "slow"}
    assert queue_names(QueueSettings())[Priority.LOW] == "quarry-jobs-low"


async def test_a_variable_that_opentelemetry_refuses_is_named_as_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no bug of ours."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    with pytest.raises(ConfigurationError, match="OTEL_"):
        async with opened_tracing(Settings(region="us-east-1", tracing=TracingSettings(enabled=True)), "api"):
            pass


async def test_a_key_in_a_malformed_header_is_not_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK would tell the whole header."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "dd-api-key: SECRETKEY123")
    with caplog.at_level(logging.NOTSET):
        async with opened_tracing(Settings(region="us-east-1", tracing=TracingSettings(enabled=True)), "api"):
            pass
    assert "SECRETKEY123" not in caplog.text


class Sent(SpanProcessor):
    """Keeps the names of the spans that would be sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(span.name)


@pytest.mark.parametrize(
    ("flag", "tenant", "kept", "sent"),
    [
        ("01", None, 0.0, []),
        ("01", None, 1.0, ["POST"]),
        ("01", "acme", 0.0, ["record", "POST"]),
        ("00", "acme", 1.0, []),
        (None, None, 0.0, []),
        (None, None, 1.0, ["POST"]),
    ],
)
def test_a_callers_flag_counts_once_it_is_known_who_calls(
    flag: str | None, tenant: str | None, kept: float, sent: list[str]
) -> None:
    """A stranger's request is sent as often as one that begins a trace, whatever flag and whatever id it comes with."""
    sampler, seen = ParentBased(TraceIdRatioBased(kept)), Sent()
    traces = Traces(sampler=sampler)
    traces.made.add_span_processor(Admitted(seen, sampler))
    # An id that every ratio keeps.
    header = f"00-{'0' * 31}1-{PARENT}-{flag}" if flag else None
    with traces.tracing.request("POST", header) as span:
        if tenant:
            with traces.tracing.step("record"):
                pass
        span.tell(of_answer("/v1/jobs", None, tenant, 202 if tenant else 401))
    assert seen.names == sent
