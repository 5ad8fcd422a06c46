"""The deadline bounds the start of calls."""

from datetime import UTC, datetime

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_a_job_past_its_deadline_expires_without_a_call(stack: Stack, simulator: Simulator) -> None:
    """A reader sees `expired` even before a worker wrote it; the worker then writes it, and calls nobody.

    Mutation: in `quarry/store/expressions.py`, drop `#deadline_at > :now` from the claim's condition.
    """
    stack.use(simulator)
    with stack.running_api():
        request_id = stack.submit(prompt="Hello", deadline_seconds=1)
        eventually(lambda: stack.job(request_id)["status"] == "expired" or None)
        assert stack.item(request_id)["status"]["S"] == "queued"
        with stack.running_worker():
            eventually(lambda: stack.item(request_id)["status"]["S"] == "expired" or None)
            eventually(stack.queue_is_empty)
        job = stack.job(request_id)
    assert (job["status"], job["attempts"], job["error"]["code"]) == ("expired", 0, "deadline_passed")
    assert simulator.calls()["calls"] == 0
    assert "expires_at" in stack.item(request_id)


def test_a_call_under_way_at_the_deadline_may_finish(stack: Stack, simulator: Simulator) -> None:
    """Its result is kept.

    Mutation: in `worker/process.py`, decide `Expired` where the deadline has passed after the call.
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 3})
    with stack.running_worker(), stack.running_api():
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=2))
    assert job["status"] == "completed"
    assert datetime.fromisoformat(job["finished_at"]) > datetime.fromisoformat(job["deadline_at"])


def test_a_retry_that_would_land_past_the_deadline_expires_instead(stack: Stack, simulator: Simulator) -> None:
    """No job waits for what cannot come any more.

    Mutation: in `worker/outcome.py`, let `_wait` ignore the deadline.
    """
    stack.use(simulator)
    simulator.rule(act={"error": "AccessDeniedException"})
    with stack.running_worker(), stack.running_api():
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=4))
    assert job["status"] == "expired"
    assert datetime.fromisoformat(job["finished_at"]) < datetime.now(tz=UTC)
    assert simulator.calls()["calls"] == 1
