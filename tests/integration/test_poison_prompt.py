"""A prompt that the model rejects fails after one call."""

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_a_rejected_prompt_fails_after_one_call(stack: Stack, simulator: Simulator) -> None:
    """Neither time nor another target makes a bad request right; the caller reads why.

    Red when: `quarry/errors/invocation.py`, after `class InvocationRejected(`:
    `blames = "caller"` -> `time_helps = True`: three calls.
    """
    stack.use(simulator)
    words = "The model returned the following errors: max_tokens: 99 > 10 (role arn:aws:iam::123456789012:role/worker)"
    simulator.rule(act={"error": "ValidationException", "message": words}, match={"text_contains": "poison"})
    with stack.running_api(), stack.running_worker():
        poison, healthy = stack.submit(prompt="poison"), stack.submit(prompt="healthy")
        job = stack.finished(poison)
        assert stack.finished(healthy)["status"] == "completed"
        eventually(stack.queue_is_empty)
    assert (job["status"], job["status_reason"], job["attempts"]) == ("failed", "rejected", 1)
    assert job["error"]["code"] == "invocation_rejected"
    assert "max_tokens: 99 > 10" in job["error"]["message"]
    assert "123456789012" not in job["error"]["message"]
    assert simulator.calls()["by_request_id"][poison]["calls"] == 1
    assert stack.dead_letters() == []


def test_a_prompt_that_does_not_fit_says_so(stack: Stack, simulator: Simulator) -> None:
    """Too long for the model is told apart from other bad requests, though AWS gives both one code.

    Red when: `quarry/inference/verdicts.py`: `(Input is too long|` -> `(`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "ValidationException", "message": "Input is too long for requested model."})
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="long"))
    assert (job["status"], job["error"]["code"]) == ("failed", "context_too_long")
