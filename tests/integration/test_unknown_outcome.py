"""After a call that may have been paid and whose answer nobody saw, a route says whether it is paid again: `on_unknown_outcome`."""

import signal

import pytest

from tests.support.processes import eventually
from tests.support.routing import REGIONS, route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def use(stack: Stack, simulator: Simulator, policy: str) -> None:
    stack.use(simulator)
    stack.declare(route(*map(target, REGIONS), on_unknown_outcome=policy))


@pytest.fixture(autouse=True)
def _pays_once(stack: Stack, simulator: Simulator) -> None:
    use(stack, simulator, "fail")


def test_a_call_that_was_cut_is_not_paid_again(stack: Stack, simulator: Simulator) -> None:
    """A reset after the request was sent: the job fails with its reason, is buried, and no target is called a second time. The
    call that was not repeated is counted; an operator who puts the job back decides to pay.

    Red when: `worker/outcome.py`: `case errors.InvocationTimedOut() | errors.InternalFault() if pays_once(route):` ->
    `case errors.InternalFault() if pays_once(route):`
    """
    simulator.rule(act={"reset": True}, times=1)
    with stack.running_api(), stack.running_worker() as worker:
        job = stack.finished(stack.submit(prompt="Hello"))
        eventually(stack.queue_is_empty)
        assert 'quarry_calls_withheld_total{reason="invocation_timed_out"} 1.0' in stack.metrics(worker)
        assert "quarry_calls_repeated_total{" not in stack.metrics(worker)
    assert (job["status"], job["status_reason"], job["error"]["code"]) == ("failed", "outcome_unknown", "outcome_unknown")
    assert [each["outcome"] for each in job["attempt_history"]] == ["outcome_unknown"]
    [letter] = stack.dead_letters()
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "outcome_unknown"
    assert simulator.calls()["calls"] == 1


def test_who_takes_over_from_a_dead_worker_does_not_call(stack: Stack, simulator: Simulator) -> None:
    """SIGKILL during the call: the next worker sees in the history that an attempt ended unseen, and does not pay again.

    Red when: `worker/invoke.py`: `if job.unseen and pays_once(route):` -> `if False:`
    """
    stack.env["QUARRY_WORKER__LEASE_SECONDS"] = "10"
    simulator.rule(act={"hang": True}, times=1)
    with stack.running_api():
        with stack.running_worker("first") as first:
            request_id = stack.submit(prompt="Hello")
            eventually(lambda: simulator.calls()["calls"] == 1)
            first.signal(signal.SIGKILL)
            assert first.popen.wait(10) == -signal.SIGKILL
        with stack.running_worker("second") as second:
            job = stack.finished(request_id, seconds=60)
            eventually(stack.queue_is_empty)
            assert 'quarry_calls_withheld_total{reason="worker_vanished"} 1.0' in stack.metrics(second)
    assert (job["status"], job["status_reason"], job["attempts"]) == ("failed", "outcome_unknown", 1)
    assert [(each["outcome"], each["finished_at"]) for each in job["attempt_history"]] == [("outcome_unknown", None)]
    assert simulator.calls()["calls"] == 1


def test_a_call_that_a_drain_cut_is_not_paid_again(stack: Stack, simulator: Simulator) -> None:
    """SIGTERM, and a call that outlasts the time to drain: the worker fails the job itself, before it ends.

    Red when: `worker/outcome.py`: `return _of_unknown(None) if cut and pays_once(route) else` -> `return`
    """
    simulator.rule(act={"hang": True}, times=1)
    with stack.running_api():
        with stack.running_worker(QUARRY_WORKER__DRAIN_SECONDS="2") as worker:
            request_id = stack.submit(prompt="Hello")
            eventually(lambda: simulator.calls()["calls"] == 1)
            worker.signal(signal.SIGTERM)
            assert worker.popen.wait(20) == 0
        job = stack.job(request_id)
    assert (job["status"], job["status_reason"]) == ("failed", "outcome_unknown")
    assert len(stack.dead_letters()) == 1


def test_without_such_a_route_the_next_attempt_looks_elsewhere(stack: Stack, simulator: Simulator) -> None:
    """The default: the job is worth a second payment. The target that broke comes last then, and the repeat is counted.

    Red when: `quarry/inference/fallback.py`: `key=lambda each: failures.get(str(each.place.target), 0)` -> `key=lambda each: 0`
    """
    use(stack, simulator, "retry")
    simulator.rule(match={"region": "us-east-1"}, act={"reset": True})
    with stack.running_api(), stack.running_worker() as worker:
        job = stack.finished(stack.submit(prompt="Hello"))
        assert 'quarry_calls_repeated_total{reason="invocation_timed_out"} 1.0' in stack.metrics(worker)
    assert (job["status"], job["served_by"]["region"]) == ("completed", "us-west-2")
    assert [each["outcome"] for each in job["attempt_history"]] == ["outcome_unknown", "completed"]
