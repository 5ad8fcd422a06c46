"""What CloudWatch is told, by lines in the logs of real processes: complete, once, and nothing beside."""

import json

from tests.support.cloudwatch import seen, total
from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack

EMF = {"QUARRY_EMF__NAMESPACE": "Quarry/test", "QUARRY_EMF__SECONDS": "1"}
WORKER = {"Service": "worker"}


def test_a_workers_lines_tell_what_it_did(stack: Stack, simulator: Simulator) -> None:
    """Written while it works and once more when it ends: jobs, calls, errors, throttles and tokens add up to what happened.

    Red when: `quarry/telemetry/publish.py`, after `task.cancel()`: `self.flush()` -> `pass`
    Red when: `quarry/telemetry/cloudwatch.py`: `value - self._counted.get(key, 0.0), value` -> `value, value`
    """
    stack.use(simulator)
    simulator.rule({"error": "ThrottlingException"}, times=2)
    simulator.rule({"error": "ModelErrorException"}, times=1)
    with stack.running_api(), stack.running_worker(**EMF) as worker:
        jobs = [stack.finished(each) for each in stack.submit_many(12)]
        eventually(lambda: total(seen(worker.output), "JobsFinished", **WORKER))
        worker.stop()
    found = seen(worker.output)
    target = {**WORKER, "Model": stack.model, "Region": "us-east-1"}
    assert {job["status"] for job in jobs} == {"completed"}
    for place in (WORKER, {**WORKER, "Outcome": "completed"}):
        assert total(found, "JobsFinished", **place) == 12
    for place in (WORKER, target):
        assert total(found, "ModelCalls", **place) == 15
        assert total(found, "ModelErrors", **place) == 3
        assert total(found, "Throttles", **place) == 2
        assert total(found, "InputTokens", **place) == sum(job["usage"]["input_tokens"] for job in jobs)
        assert total(found, "OutputTokens", **place) == sum(job["usage"]["output_tokens"] for job in jobs)
    assert total(found, "ModelErrors", **WORKER, Error="throttled") == 2
    assert total(found, "ModelErrors", **WORKER, Error="model_failed") == 1
    latencies = [each for each in found if each.name.metric == "ModelLatency" and each.place == WORKER]
    assert (sum(each.count for each in latencies), {each.unit for each in latencies}) == (15, {"Seconds"})
    assert 0 < max(max(each.values) for each in latencies) < 30


def test_without_a_namespace_there_are_no_such_lines(stack: Stack) -> None:
    """Whoever has no CloudWatch does not pay for lines that nobody reads.

    Red when: `quarry/telemetry/publish.py`: `if self._namespace is None:` -> `if False:`
    """
    with stack.running_api(), stack.running_worker() as worker:
        stack.finished(stack.submit(prompt="Hi"))
        worker.stop()
    lines = [json.loads(line) for line in (worker.output + (stack.directory / "api.log").read_text()).splitlines()]
    assert [line for line in lines if "_aws" in line] == []
    assert any(line["event"] == "service.stopped" for line in lines)
