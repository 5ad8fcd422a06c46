"""Traces by OpenTelemetry's SDK, sent by OTLP over HTTP. Imported only where tracing is on: see `traced.py`.

The SDK reads its standard variables itself (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_BSP_MAX_QUEUE_SIZE, and others).
Spans wait in a bounded queue for a thread that sends them: a job never waits for a collector, and what does not fit is lost.
"""

import asyncio
import logging
import threading
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from quarry import __version__
from quarry.envelope import from_wire
from quarry.errors import EnvelopeError, InvocationError
from quarry.invocation import Invocation, Target
from quarry.job import Job, Priority
from quarry.settings import QueueSettings, Settings
from quarry.telemetry import conventions
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.strangers import Admitted
from quarry.telemetry.tracing import Span, Tracing, Value

_log = get_logger(__name__)
_W3C: Final = TraceContextTextMapPropagator()
_HEADER: Final = "traceparent"
#: For what is left at the end. Our own choice: a platform kills soon after the drain.
FLUSH_SECONDS: Final = 5.0


class OtelSpan:
    """A span of the SDK's."""

    def __init__(self, span: SdkSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._span, Context()))
        return carrier.get(_HEADER)

    @property
    def trace_id(self) -> str | None:
        context = self._span.get_span_context()
        return f"{context.trace_id:032x}" if context.trace_flags.sampled else None

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, attributes: Mapping[str, Value | None]) -> None:
        self._span.set_attributes(_known(attributes))

    def fail(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(StatusCode.ERROR)


class OtelTracing:
    """Makes spans of the SDK's. `queues`: the lanes' queues by name."""

    def __init__(self, provider: TracerProvider, queues: Mapping[Priority, str]) -> None:
        self._tracer = provider.get_tracer("quarry", __version__)
        self._queues = queues

    def request(self, method: str, traceparent: str | None) -> AbstractContextManager[Span]:
        return self._span(method, SpanKind.SERVER, conventions.of_request(method), _after(traceparent))

    def creation(self, job: Job) -> AbstractContextManager[Span]:
        return self._message("create", SpanKind.PRODUCER, job.priority, conventions.of_job(job))

    def sending(self, job: Job) -> AbstractContextManager[Span]:
        return self._message("send", SpanKind.CLIENT, job.priority, {})

    def delivery(self, body: str, lane: Priority, message_id: str, receive_count: int) -> AbstractContextManager[Span]:
        told = conventions.of_delivery(message_id, receive_count)
        return self._message("process", SpanKind.CONSUMER, lane, told, _after(_traceparent_in(body)))

    def step(self, name: str) -> AbstractContextManager[Span]:
        return self._span(name, SpanKind.INTERNAL, {})

    def call(self, target: Target, invocation: Invocation, *, streamed: bool) -> AbstractContextManager[Span]:
        attributes = conventions.of_call(target, invocation, streamed=streamed)
        return self._span(f"{attributes['gen_ai.operation.name']} {target.model}", SpanKind.CLIENT, attributes)

    def tell(self, attributes: Mapping[str, Value | None]) -> None:
        get_current_span().set_attributes(_known(attributes))

    def note(self, name: str, attributes: Mapping[str, Value]) -> None:
        get_current_span().add_event(name, attributes)

    def _message(
        self,
        operation: str,
        kind: SpanKind,
        lane: Priority,
        attributes: Mapping[str, Value | None],
        context: Context | None = None,
    ) -> AbstractContextManager[Span]:
        queue = self._queues[lane]
        return self._span(f"{operation} {queue}", kind, conventions.of_message(operation, queue) | dict(attributes), context)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Value | None], context: Context | None = None
    ) -> Iterator[Span]:
        # The SDK would write an exception's text on the span, and a text may be anything.
        with self._tracer.start_as_current_span(
            name, context, kind, _known(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            made = OtelSpan(span)
            try:
                yield made
            except BaseException as error:
                if isinstance(error, InvocationError):
                    made.tell(conventions.of_refusal(error))
                made.fail(_code_of(error))
                raise


class Told(SpanExporter):
    """An exporter that says once that its spans are lost, and once that they are not any more."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them. In the thread that does nothing else."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _log.warning(Event.TRACES_LOST, spans=len(spans))
        if self._failing and not failed:
            _log.info(Event.TRACES_REGAINED)
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()


@asynccontextmanager
async def opened(settings: Settings, service: str) -> AsyncIterator[Tracing]:
    """Traces of this process, for the length of the block."""
    # It says the same for each batch, and `Told` says it once; and of a header that it does not understand it tells the value.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    ratio = settings.tracing.sample_ratio
    provider = TracerProvider(
        # Without a ratio of ours, what OTEL_TRACES_SAMPLER says.
        sampler=None if ratio is None else ParentBased(TraceIdRatioBased(ratio)),
        resource=_resource(settings, service),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(Admitted(BatchSpanProcessor(Told(OTLPSpanExporter())), provider.sampler))
    try:
        yield OtelTracing(provider, queue_names(settings.queue))
    finally:
        await _closed(provider)


def queue_names(queue: QueueSettings) -> dict[Priority, str]:
    """The lanes' queues by name, also where they are known by their URLs."""
    urls = {lane: queue.url_of(lane)[0] for lane in Priority}
    return {lane: urlsplit(url).path.rpartition("/")[2] if url else queue.name_of(lane) for lane, url in urls.items()}


def _resource(settings: Settings, service: str) -> Resource:
    ours = {
        "service.name": f"quarry-{service}",
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "deployment.environment.name": settings.environment.value,
    }
    # What the standard variables say wins.
    return Resource.create(ours).merge(OTELResourceDetector().detect())


async def _closed(provider: TracerProvider) -> None:
    """Send what is left, and give up on a collector that does not answer: the SDK would wait for half a minute."""
    done, loop = asyncio.Event(), asyncio.get_running_loop()

    def close() -> None:
        provider.shutdown()
        loop.call_soon_threadsafe(done.set)

    threading.Thread(target=close, name="tracing-close", daemon=True).start()
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await done.wait()
    except TimeoutError:
        _log.warning(Event.TRACES_LOST)


def _after(traceparent: str | None) -> Context:
    """The context of a `traceparent`; an empty one where there is none, or none that can be read."""
    return _W3C.extract({_HEADER: traceparent} if traceparent else {}, Context())


def _traceparent_in(body: str) -> str | None:
    try:
        return from_wire(body).traceparent
    except EnvelopeError:
        return None


def _known(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}


def _code_of(error: BaseException) -> str:
    """Of ours, the code, which is documented; of others, the class, for their texts may be anything."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__
