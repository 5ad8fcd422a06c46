"""An error that time mends costs an attempt and a wait, and the job is answered."""

from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_a_failing_model_is_tried_again_and_answers(stack: Stack, simulator: Simulator) -> None:
    """Two errors, then an answer: three attempts, each in the history with its outcome.

    Red when: `quarry/job/transitions.py`, after `def _retry_scheduled(`:
    `_ended_failed(job, event, now, event.resume_at)` -> `job.given_back()`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "InternalServerException"}, times=1)
    simulator.rule(act={"error": "ModelErrorException"}, times=1)
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello"))
    assert (job["status"], job["attempts"], job["result"]["text"]) == ("completed", 3, "Hello")
    history = [(each["attempt"], each["outcome"], (each["error"] or {}).get("code")) for each in job["attempt_history"]]
    assert history == [(1, "failed", "model_failed"), (2, "failed", "model_failed"), (3, "completed", None)]
    assert all(each["target"] == f"bedrock/us-east-1/{stack.model}" for each in job["attempt_history"])
    assert job["usage"] == job["attempt_history"][2]["usage"]
    assert simulator.calls()["calls"] == 3


def test_a_throttle_costs_no_attempt(stack: Stack, simulator: Simulator) -> None:
    """Two throttles are more than the budget of one attempt: waiting for capacity is free.

    Red when: `quarry/errors/invocation.py`, after `class Throttled(`: `lacks_capacity = True` -> `lacks_capacity = False`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "ThrottlingException"}, times=2)
    # Without patience, each throttle ends a delivery; with it, the job would wait in its slot.
    with stack.running_api(), stack.running_worker(QUARRY_LIMITER__WAIT_SECONDS="0"):
        job = stack.finished(stack.submit(prompt="Hello", max_attempts=1))
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert simulator.calls()["calls"] == 3


def test_a_timed_out_call_is_an_unknown_outcome(stack: Stack, simulator: Simulator) -> None:
    """A connection that breaks after the request was sent may have been billed: history and metrics say so.

    Red when: `worker/outcome.py`: `AttemptOutcome.OUTCOME_UNKNOWN if unknown else AttemptOutcome.FAILED` -> `AttemptOutcome.FAILED`
    """
    stack.use(simulator)
    simulator.rule(act={"reset": True}, times=1)
    with stack.running_api(), stack.running_worker() as worker:
        job = stack.finished(stack.submit(prompt="Hello"))
        assert 'quarry_calls_repeated_total{reason="invocation_timed_out"} 1.0' in stack.metrics(worker)
    assert job["status"] == "completed"
    assert [each["outcome"] for each in job["attempt_history"]] == ["outcome_unknown", "completed"]
    assert simulator.calls()["billed"] == 2
