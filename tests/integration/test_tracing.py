"""One trace leads from the HTTP request through the queue into each model call; and a collector that is away hurts no job."""

from collections.abc import Iterator

import pytest

from tests.support.collector import Collector, collecting
from tests.support.processes import eventually, free_port
from tests.support.routing import FIRST, SECOND, TWO_REGIONS
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


def test_a_fallback_and_a_retry_are_in_the_trace_and_no_content_is(
    stack: Stack, simulator: Simulator, collector: Collector
) -> None:
    """Each call is a span with its target, outcome and tokens; a later attempt is in the same trace; the log names the trace.

    Red when: `quarry/telemetry/otlp.py`, after `except BaseException as error:`: `made.fail(_code_of(error))` -> `pass`
    """
    stack.use(simulator)
    stack.declare(TWO_REGIONS)
    simulator.rule(match={"region": "us-east-1"}, act={"error": "ThrottlingException"})
    simulator.rule(match={"region": "us-west-2"}, act={"reset": True}, times=1)
    with stack.running_api(), stack.running_worker() as worker:
        request_id = stack.submit(prompt=PROMPT, max_attempts=2)
        job = stack.finished(request_id)
        log = worker.output
    assert job["status"] == "completed"
    spans = collector.of_job(request_id)
    calls = [each for each in spans if each.name.startswith("chat ")]
    told = [(each.attributes["quarry.target"], each.attributes.get("error.type"), each.failed) for each in calls]
    assert (FIRST, "throttled", True) in told
    assert (SECOND, "invocation_timed_out", True) in told
    assert told[-1] == (SECOND, None, False)
    assert calls[-1].attributes["gen_ai.usage.output_tokens"] == job["usage"]["output_tokens"]
    attempts = [each for each in spans if each.kind == "CONSUMER"]
    assert [each.attributes["quarry.outcome"] for each in attempts][-2:] == ["RetryScheduled", "Succeeded"]
    assert {each.parent_id for each in attempts} == {each.span_id for each in spans if each.kind == "PRODUCER"}
    assert ("fallback", {"quarry.target": FIRST, "error.type": "throttled"}) in [
        event for each in attempts for event in each.events
    ]
    assert f'"trace_id": "{spans[0].trace_id}"' in log
    assert PROMPT.encode() not in collector.raw
    assert job["result"]["text"].encode() not in collector.raw


def test_a_collector_that_is_away_costs_one_warning_and_no_job(stack: Stack) -> None:
    """Nothing listens where traces should go: jobs are answered, and both processes end as soon as ever.

    Red when: `quarry/telemetry/otlp.py`: `failed and not self._failing` -> `failed`
    """
    stack.env |= {
        "QUARRY_ROUTES_FILE": stack.routes(),
        "QUARRY_TRACING__ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }
    with stack.running_api(), stack.running_worker() as worker:
        for _ in range(3):
            assert stack.finished(stack.submit(prompt=PROMPT))["status"] == "completed"
            eventually(lambda: "traces.lost" in worker.output, what=lambda: worker.output)
    assert worker.popen.returncode == 0
    assert worker.output.count("traces.lost") == 1
    assert "Traceback" not in worker.output
