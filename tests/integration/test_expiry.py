"""The deadline bounds the start of calls."""

from datetime import datetime

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_a_job_past_its_deadline_expires_without_a_call(stack: Stack, simulator: Simulator) -> None:
    """A reader sees `expired` even before a worker wrote it; the worker then writes it, and calls nobody.

    Red when: `producer/answers.py`: `"status": effective_status(job, now).value,` -> `"status": job.status.value,`
    Red when: `worker/outcome.py`, after `case errors.DeadlinePassed():`:
    `Verdict(Expired(), Ack("expired"))` -> `Verdict(None, Ack("expired"))`
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

    Red when: `worker/outcome.py`:
    `return _of_completion(result)` ->
    `return _of_completion(result) if now < job.deadline_at else Verdict(Expired(), Ack("expired"))`
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 7})
    with stack.running_worker(), stack.running_api():
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=6))
    assert job["status"] == "completed"
    assert datetime.fromisoformat(job["finished_at"]) > datetime.fromisoformat(job["deadline_at"])


def test_a_retry_that_would_land_past_the_deadline_expires_instead(stack: Stack, simulator: Simulator) -> None:
    """No job waits for what cannot come any more.

    Red when: `worker/outcome.py`: `if leaves_no_time(job.deadline_at, event.resume_at):` -> `if False:`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "AccessDeniedException"})
    with stack.running_worker(), stack.running_api():
        job = stack.finished(stack.submit(prompt="Hello", deadline_seconds=5))
    # Written by the worker, not only shown.
    assert (job["status"], job["finished_at"] is not None) == ("expired", True)
    assert datetime.fromisoformat(job["finished_at"]) < datetime.fromisoformat(job["deadline_at"])
    assert simulator.calls()["calls"] == 1
