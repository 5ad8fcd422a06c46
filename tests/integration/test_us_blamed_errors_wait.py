"""Expired credentials or a denied model never burn jobs: they wait, and `/readyz` goes red."""

import pytest

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@pytest.mark.parametrize("error", ["AccessDeniedException", "ExpiredTokenException"])
def test_a_job_outlasts_our_own_misconfiguration(stack: Stack, simulator: Simulator, error: str) -> None:
    """While we are refused the job is `queued` and `blocked`, at no cost; once mended it is answered and the worker is ready.

    Red when: `quarry/errors/invocation.py`, after `class AccessDenied(`: `blames = "us"` -> `blames = "provider"`
    """
    stack.use(simulator)
    simulator.rule(act={"error": error})
    with stack.running_api(), stack.running_worker() as worker:
        request_id = stack.submit(prompt="Hello", max_attempts=1)
        blocked = eventually(lambda: job if (job := stack.job(request_id))["status_reason"] == "blocked" else None)
        assert (blocked["status"], blocked["attempts"], blocked["attempt_history"]) == ("queued", 0, [])
        status, reason = stack.readiness(worker)
        assert (status, "bedrock/us-east-1" in reason) == (503, True)
        simulator.reset()
        job = stack.finished(request_id, seconds=90)
        assert stack.readiness(worker)[0] == 200
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert stack.dead_letters() == []
