"""A worker that is told to stop finishes what can finish, hands back the rest, and exits 0."""

import signal

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_calls_under_way_are_finished(stack: Stack, simulator: Simulator) -> None:
    """SIGTERM in the middle of ten calls: ten answers, ten calls.

    Red when: `worker/shutdown.py`:
    `if not await loop.finish(max(budget_seconds - reserve, 0)):` -> `if True:`: calls are cut at once.
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 2})
    with stack.running_api():
        with stack.running_worker(QUARRY_WORKER__DRAIN_SECONDS="25") as worker:
            requests = [stack.submit(prompt=f"job {i}") for i in range(10)]
            eventually(lambda: simulator.calls()["calls"] == 10 or None)
            worker.signal(signal.SIGTERM)
            assert worker.popen.wait(40) == 0
        jobs = [stack.job(request_id) for request_id in requests]
    assert {(job["status"], job["attempts"]) for job in jobs} == {("completed", 1)}
    assert simulator.calls()["calls"] == 10
    assert stack.queue_is_empty()


def test_a_call_that_outlasts_the_budget_is_cut_and_handed_back(stack: Stack, simulator: Simulator) -> None:
    """The job waits for another worker, its cut attempt spent and of unknown outcome; the message is visible at once.

    Red when: `worker/outcome.py`: `Verdict(HandedBack(call_cut=result.call_started),` -> `Verdict(None,`
    """
    stack.use(simulator)
    simulator.rule(act={"hang": True}, times=1)
    with stack.running_api():
        with stack.running_worker(QUARRY_WORKER__DRAIN_SECONDS="2") as worker:
            request_id = stack.submit(prompt="Hello")
            eventually(lambda: simulator.calls()["calls"] == 1 or None)
            worker.signal(signal.SIGTERM)
            assert worker.popen.wait(20) == 0
        job = stack.job(request_id)
        assert (job["status"], job["status_reason"], job["attempts"]) == ("retrying", "handed_back", 1)
        assert [each["outcome"] for each in job["attempt_history"]] == ["outcome_unknown"]
        assert stack.queue_counts() == (1, 0)
        with stack.running_worker("another"):
            job = stack.finished(request_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
