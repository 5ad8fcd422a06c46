"""Where nobody serves a job and its deadline is near, it is answered with what its route declares for that; never as a success."""

import json

import pytest

from tests.support.processes import Process, eventually
from tests.support.routing import FIRST, TWO_REGIONS, route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

_DECLARED = """
[routes.default.degraded]
text = "We will come back to you."
within_seconds = 60
"""


@pytest.fixture(autouse=True)
def _declares(stack: Stack, simulator: Simulator) -> None:
    stack.use(simulator)
    stack.declare(route(target()) + _DECLARED)


def counts(stack: Stack, worker: Process) -> str:
    """A worker's metrics, once it has counted the degraded job: that is a moment after the job can be read."""
    one = 'quarry_jobs_finished_total{outcome="degraded"} 1.0'
    return eventually(lambda: said if one in (said := stack.metrics(worker)) else None, what=one)


def test_a_declared_answer_near_the_deadline(stack: Stack, simulator: Simulator) -> None:
    """Every target throttles, and there is less than a minute left: the job has the declared text, says that no model answered, is
    counted apart, and its history and its explanation say why.

    Red when: `worker/outcome.py`: `is_near = job.deadline_at - now < timedelta(seconds=declared.within_seconds)` ->
    `is_near = False`
    """
    simulator.rule(act={"error": "ThrottlingException"})
    with stack.running_api() as api, stack.running_worker() as worker:
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=50))
        counted = counts(stack, worker)
        story = api.get(f"/v1/jobs/{job['request_id']}/explanation").json()
    assert (job["status"], job["status_reason"], job["degraded"]) == ("completed", "degraded", True)
    assert (job["result"]["text"], job["result"]["stop_reason"], job["served_by"]) == (
        "We will come back to you.",
        "degraded",
        None,
    )
    assert set(job["usage"].values()) == {0}
    [attempt] = job["attempt_history"]
    assert (attempt["outcome"], attempt["error"]["code"]) == ("failed", "throttled")
    assert 'quarry_jobs_finished_total{outcome="completed"}' not in counted
    assert 'quarry_attempts_total{outcome="Degraded"} 1.0' in counted
    assert story["summary"].startswith("No model answered in time")
    logged = [json.loads(line) for line in (stack.directory / "worker.log").read_text().splitlines() if "job.degraded" in line]
    assert [(each["event"], each["error"]) for each in logged] == [("job.degraded", "throttled")]
    assert stack.queue_is_empty()


def test_a_declared_answer_when_the_deadline_passes_between_two_targets(stack: Stack, simulator: Simulator) -> None:
    """The first one refuses so late that the second may not be asked any more: that is no worse than where both refuse.

    Red when: `quarry/inference/engine.py`: `exhausted(walk.passed) if len(walk.passed) > len(barred) else None` -> `None`
    """
    stack.declare(TWO_REGIONS + _DECLARED)
    simulator.rule(act={"error": "ThrottlingException", "delay_seconds": 7})
    with stack.running_api(), stack.running_worker() as worker:
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=6))
        counts(stack, worker)
    assert (job["status"], job["degraded"]) == ("completed", True)
    assert job["result"]["text"] == "We will come back to you."
    [attempt] = job["attempt_history"]
    assert (attempt["target"], attempt["error"]["code"]) == (FIRST, "throttled")
    assert simulator.calls()["calls"] == 1


def test_a_model_that_answers_is_not_forestalled(stack: Stack, simulator: Simulator) -> None:
    """However near the deadline is: a target that serves, serves; and what is refused early waits for its model.

    Red when: `worker/outcome.py`: `is_near = job.deadline_at - now < timedelta(seconds=declared.within_seconds)` ->
    `is_near = True`
    """
    simulator.rule(act={"error": "ModelNotReadyException"}, times=1)
    with stack.running_api(), stack.running_worker():
        patient = stack.finished(stack.submit(prompt="Hello", deadline_seconds=600))
        urgent = stack.finished(stack.submit(prompt="Hello", deadline_seconds=20))
    for job in (patient, urgent):
        assert (job["status"], job["degraded"], job["result"]["text"]) == ("completed", False, "Hello")
    [wait] = patient["waits"]
    assert (wait["reason"], [each["reason"] for each in wait["refusals"]]) == ("waiting_for_capacity", ["model_not_ready"])


def test_a_request_at_fault_is_told_so(stack: Stack, simulator: Simulator) -> None:
    """No declared answer hides from its caller that the request is wrong.

    Red when: `worker/outcome.py`: `if declared is None or error is None or error.blames == "caller":` ->
    `if declared is None or error is None:`
    """
    simulator.rule(act={"error": "ValidationException", "message": "no"})
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=20))
    assert (job["status"], job["degraded"], (job["error"] or {}).get("code")) == ("failed", False, "invocation_rejected")
