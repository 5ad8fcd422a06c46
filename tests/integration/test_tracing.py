"""One trace leads from the HTTP request through the queue into each model call; and a collector that is away hurts no job."""

from collections.abc import Iterator

import pytest

from tests.support.collector import Collector, collecting
from tests.support.simulator import Simulator
from tests.support.stack import Stack

PROMPT = "Name the secret river Xanthippos."
#: What a caller of ours is in, as W3C's Trace Context has it.
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector(stack: Stack) -> Iterator[Collector]:
    """Takes the traces of the stack's processes, which send them soon."""
    with collecting() as made:
        stack.env |= {"QUARRY_TRACING__ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": made.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        yield made


def test_one_trace_leads_from_the_request_into_the_model_call(stack: Stack, simulator: Simulator, collector: Collector) -> None:
    """The caller's trace is gone on with; API and worker are in it, each span below the one that it belongs to.

    Red when: `quarry/queue/lanes.py`: `job.generation, job.traceparent)` -> `job.generation)`
    """
    stack.use(simulator)
    with stack.running_api() as api, stack.running_worker():
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        request_id = api.post("/v1/jobs", json={"prompt": PROMPT}, headers=headers).json()["request_id"]
        stack.finished(request_id)
    spans = {each.name: each for each in collector.trace(TRACE)}
    parents = {each.span_id: each.name for each in spans.values()} | {CALLER: "the caller"}
    queue, call = stack.name, f"chat {stack.model}"
    assert {name: (each.service, each.kind, parents[each.parent_id]) for name, each in spans.items()} == {
        "POST /v1/jobs": ("quarry-api", "SERVER", "the caller"),
        f"create {queue}": ("quarry-api", "PRODUCER", "POST /v1/jobs"),
        f"send {queue}": ("quarry-api", "CLIENT", f"create {queue}"),
        f"process {queue}": ("quarry-worker", "CONSUMER", f"create {queue}"),
        "claim": ("quarry-worker", "INTERNAL", f"process {queue}"),
        call: ("quarry-worker", "CLIENT", f"process {queue}"),
        "record": ("quarry-worker", "INTERNAL", f"process {queue}"),
        "settle": ("quarry-worker", "INTERNAL", f"process {queue}"),
    }
    assert not any(each.failed for each in spans.values())
