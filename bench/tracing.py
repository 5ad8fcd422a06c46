"""CPU a job with tracing off, on, and on but not sampled: `python -m bench.tracing`, after `make install`.

Submission, queue, worker and an echoing model in one process over the fakes of `quarry.testing`, by turns in one run: what is
compared is our own code and the SDK's, the encoding of spans included, and their sending not.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import CollectorRegistry

from producer.submit import Submitter
from quarry.clock import SystemClock
from quarry.inference.engine import Engine
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Priority
from quarry.settings import Settings
from quarry.telemetry.logs import configure
from quarry.telemetry.metrics import InferenceMetrics, ProducerMetrics, WorkerMetrics
from quarry.telemetry.otlp import OtelTracing
from quarry.telemetry.tracing import OFF, Tracing
from quarry.tenants.policy import Tenants
from quarry.testing import MemoryErasures, MemoryPayloads, MemoryQueue, MemoryStore
from worker.app import Ports, parts
from worker.health import Health

JOBS: Final = 1000
ROUNDS: Final = 7
_ROUTES: Final = Routes([Route.of("default", Target("echo", "", "echo"))])


class Encoded(SpanExporter):
    """Encodes spans, and throws them away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


async def cpu_ms(tracing: Tracing) -> float:
    """CPU of this process for one job, from its submission to its settlement."""
    clock, registry, settings = SystemClock(), CollectorRegistry(), Settings(region="us-east-1")
    store, payloads = MemoryStore(), MemoryPayloads()
    lanes = {lane: MemoryQueue(clock, lane=lane) for lane in Priority}
    metrics = WorkerMetrics(registry)
    engine = Engine({"echo": EchoProvider()}, InferenceMetrics(registry), clock, tracing=tracing)
    ports = Ports(store, MemoryErasures(store), lanes, payloads, dict.fromkeys(Priority, "memory"))
    health = Health(metrics, clock, lambda: 0.0)
    loop, *_ = parts(ports, settings, engine, _ROUTES, Tenants(), metrics, health, clock, "bench", tracing=tracing)
    submitter = Submitter(store, payloads, lanes, _ROUTES, Tenants(), settings.job, clock, ProducerMetrics(registry), tracing)
    began = time.process_time()
    for _ in range(JOBS):
        with tracing.request("POST", None):
            await submitter.submit("default", {"prompt": "Hello"})
    running = asyncio.create_task(loop.run())
    while registry.get_sample_value("quarry_jobs_finished_total", {"outcome": "completed"}) != JOBS:  # noqa: ASYNC110 - a counter
        await asyncio.sleep(0.05)
    loop.stop()
    await loop.finish(5)
    running.cancel()
    await asyncio.wait([running])
    return (time.process_time() - began) * 1000 / JOBS


def main() -> int:
    """Print the median of the rounds for each, and its ratio to off."""
    configure("error", service="bench")
    names = dict.fromkeys(Priority, "quarry-jobs")
    kept, dropped = TracerProvider(shutdown_on_exit=False), TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    kept.add_span_processor(BatchSpanProcessor(Encoded(), max_queue_size=100_000))
    kinds: dict[str, Tracing] = {"off": OFF, "not sampled": OtelTracing(dropped, names), "on": OtelTracing(kept, names)}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, tracing in kinds.items():
            found[name].append(asyncio.run(cpu_ms(tracing)))
    kept.shutdown()
    off = statistics.median(found["off"])
    for name, each in found.items():
        median = statistics.median(each)
        sys.stdout.write(
            f"{name:12} {median:.3f} ms of CPU a job ({min(each):.3f} to {max(each):.3f}), {median / off:.2f} of off\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
