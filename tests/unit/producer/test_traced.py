"""What the API tells of a submission: the job's record says its trace, and a replay is told of the job that there is."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from producer.auth.gate import CALLERS_TENANT
from producer.observe import Observed
from producer.submit import Submitter
from quarry.envelope import from_wire
from quarry.job import Priority
from quarry.settings import JobSettings
from quarry.telemetry.metrics import ProducerMetrics
from quarry.telemetry.otlp import OtelTracing
from quarry.tenants.policy import Tenants
from quarry.testing.clock import FakeClock
from tests.unit.producer.conftest import ROUTES, Producer


class Traced(Producer):
    """A producer whose spans can be looked at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = OtelTracing(provider, dict.fromkeys(Priority, "jobs"))
        metrics = ProducerMetrics(CollectorRegistry())
        self.submitter = Submitter(
            self.store, self.payloads, self.lanes, ROUTES, Tenants(), JobSettings(), self.clock, metrics, self.tracing
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Those that have ended, in that order."""
        return self._exporter.get_finished_spans()


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_record_and_message_say_the_trace() -> None:
    """Both the span of the job's creation, and not that of the send, which a sweep repeats."""
    producer = Traced()
    job = (await producer.submit()).job
    sent, created = producer.spans
    context = created.context
    assert context is not None
    assert (sent.name, created.name) == ("send jobs", "create jobs")
    assert (job.traceparent or "").split("-")[1:3] == [f"{context.trace_id:032x}", f"{context.span_id:016x}"]
    stored = await producer.store.get("default", job.request_id)
    [delivery] = await producer.queue.receive(1, timedelta(0))
    assert stored is not None
    assert from_wire(delivery.body).traceparent == stored.traceparent == job.traceparent


async def test_a_replay_is_told_of_the_job_that_there_is() -> None:
    """And its message, if it needs one, leads into the trace of the first submission."""
    producer = Traced()
    first = (await producer.submit("key")).job
    again = (await producer.submit("key")).job
    last = told(producer.spans[-1])
    assert (last["quarry.request_id"], last["quarry.replayed"]) == (first.request_id, True)
    assert again.traceparent == first.traceparent


async def test_a_request_is_told_by_its_route_and_a_failure_as_one() -> None:
    """Probes are not: they would be most of all spans."""
    producer = Traced()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def receive() -> Any:
        raise AssertionError

    async def send(_message: Any) -> None:
        pass

    observed = Observed(app, ProducerMetrics(CollectorRegistry()), FakeClock(), producer.tracing)
    for path in ("/v1/jobs", "/livez"):
        scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        await observed(scope, receive, send)
    [span] = producer.spans
    assert (span.name, span.status.is_ok) == ("POST unmatched", False)
    assert told(span)["error.type"] == "500"


REQUEST_ID = "01a1fdfa46007bb69d13df5218362e2d"


@pytest.mark.parametrize(
    ("route", "parameters", "path", "told_path"),
    [
        ("/v1/jobs", {}, "/v1/jobs", "/v1/jobs"),
        ("/v1/jobs/{request_id}", {"request_id": REQUEST_ID}, f"/v1/jobs/{REQUEST_ID}", f"/v1/jobs/{REQUEST_ID}"),
        ("/v1/jobs/{request_id}", {"request_id": "my secret"}, "/v1/jobs/my secret", None),
        (None, {}, "/v1/my secret", None),
    ],
)
async def test_a_path_is_told_where_it_holds_ids_of_jobs_alone(
    route: str | None, parameters: dict[str, str], path: str, told_path: str | None
) -> None:
    """Anybody can write anything into it; and whose request it was, once that is known."""
    producer = Traced()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"], scope["path_params"] = SimpleNamespace(path=route), parameters
        scope[CALLERS_TENANT] = "acme"

    async def never(*_: Any) -> Any:
        raise AssertionError

    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    await Observed(app, ProducerMetrics(CollectorRegistry()), FakeClock(), producer.tracing)(scope, never, never)
    [span] = producer.spans
    assert (told(span).get("url.path"), told(span)["quarry.tenant"]) == (told_path, "acme")
    assert "my secret" not in span.to_json()
