"""What CloudWatch is told, by lines in the logs of real processes: complete, once, and all that dashboard and alarms read."""

import json

from tests.support.cloudwatch import Name, seen, total
from tests.support.panels import OURS, published
from tests.support.processes import eventually
from tests.support.routing import route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

EMF = {"QUARRY_EMF__NAMESPACE": OURS, "QUARRY_EMF__SECONDS": "1"}
WORKER = {"Service": "worker"}


def test_what_happened_is_what_the_lines_tell(stack: Stack, simulator: Simulator) -> None:
    """Written while a worker works: jobs, calls, errors, throttles and tokens add up to what happened; and every metric of the
    table is among them, by exactly its dimensions.

    Red when: `quarry/telemetry/publish.py`: `await self._clock.sleep(self._until_next())` -> `await self._clock.sleep(3600)`
    Red when: `quarry/telemetry/cloudwatch.py`: `value - self._counted.get(key, 0.0), value` -> `value, value`
    Red when: `quarry/telemetry/cloudwatch.py`: `Published("LimiterWait", "Seconds", "limiter_wait_seconds"),` ->
    `Published("LimiterWait", "Seconds", "limiter_wait"),`
    """
    stack.use(simulator)
    stack.declare(route(target(model=stack.model, requests_per_minute=300, tokens_per_minute=1_000_000)))
    simulator.rule({"error": "ThrottlingException"}, times=2)
    simulator.rule({"error": "ModelErrorException"}, times=1)
    with stack.running_api(**EMF), stack.running_worker(**EMF) as worker:
        submitted = [*stack.submit_many(24), stack.submit(prompt="a story", stream=True)]
        jobs = [stack.finished(each, seconds=60) for each in submitted]
        # Of a line that is just being written there may be a part.
        eventually(lambda: total(seen(worker.output.rpartition("\n")[0]), "JobsFinished", **WORKER))
        worker.stop()
    log = worker.output + (stack.directory / "api.log").read_text()
    found = seen(log)
    place = {**WORKER, "Model": stack.model, "Region": "us-east-1"}
    assert {job["status"] for job in jobs} == {"completed"}
    assert total(found, "JobsFinished", **WORKER) == total(found, "JobsFinished", **WORKER, Outcome="completed") == 25
    assert total(found, "Submissions", Service="producer", Outcome="accepted") == 25
    for each in (WORKER, place):
        assert total(found, "ModelCalls", **each) == 28
        assert total(found, "ModelErrors", **each) == 3
        assert total(found, "Throttles", **each) == 2
        assert total(found, "InputTokens", **each) == sum(job["usage"]["input_tokens"] for job in jobs)
        assert total(found, "OutputTokens", **each) == sum(job["usage"]["output_tokens"] for job in jobs)
    assert total(found, "ModelErrors", **WORKER, Error="throttled") == 2
    assert total(found, "ModelErrors", **WORKER, Error="model_failed") == 1
    latencies = [each for each in found if each.name.metric == "ModelLatency" and each.place == WORKER]
    assert (sum(each.count for each in latencies), {each.unit for each in latencies}) == (28, {"Seconds"})
    assert 0 < max(max(each.values) for each in latencies) < 30
    assert {each.name for each in found} == published()


def test_what_is_left_is_told_at_the_end(stack: Stack) -> None:
    """A process that ends between two lines, as each does, tells the rest.

    Red when: `worker/app.py`: `stack.callback(publisher.flush)` -> `pass`
    Red when: `producer/app.py`: `stack.callback(publisher.flush)` -> `pass`
    """
    seldom = {**EMF, "QUARRY_EMF__SECONDS": "3600"}
    with stack.running_api(**seldom), stack.running_worker(**seldom) as worker:
        stack.finished(stack.submit(prompt="Hi"))
        assert seen(worker.output) == []
        worker.stop()
    assert total(seen(worker.output), "JobsFinished", **WORKER) == 1
    assert total(seen((stack.directory / "api.log").read_text()), "Submissions", Service="producer", Outcome="accepted") == 1


def test_a_function_tells_after_each_request(stack: Stack) -> None:
    """It may be ended afterwards, without a word.

    Red when: `producer/lambda_handler.py`: `between.after.append(Publisher(` -> `(Publisher(`
    """
    with stack.running_function(**EMF) as client:
        stack.submit(prompt="Hi")
        assert total(seen((stack.directory / "api.log").read_text()), "Submissions", Service="producer", Outcome="accepted") == 1
        client.get("/v1/jobs/unknown")
        found = seen((stack.directory / "api.log").read_text())
    assert total(found, "Requests", Service="producer") == 2
    assert total(found, "Requests", Service="producer", Status="4xx") == 1
    names = {each.name.metric for each in found}
    assert {each.name for each in found} == {name for name in published() if name.metric in names}
    assert Name(OURS, "RequestLatency", frozenset({"Service", "Route"})) in {each.name for each in found}


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
