"""A job whose attempts are spent fails, and its message goes to the dead-letter queue with a reason."""

import json

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_a_spent_budget_is_buried_with_its_reason(stack: Stack, simulator: Simulator) -> None:
    """Two attempts asked for, two made; the dead letter names the job and the reason.

    Red when: `worker/outcome.py`:
    `Failed(reason, failure, True, target, usage, fallbacks), Bury(` ->
    `Failed(reason, failure, True, target, usage, fallbacks), Ack(`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "ModelErrorException"})
    with stack.running_api(), stack.running_worker():
        request_id = stack.submit(prompt="Hello", max_attempts=2)
        job = stack.finished(request_id)
        [letter] = eventually(stack.dead_letters)
        eventually(stack.queue_is_empty)
        eventually(lambda: "bury_reason" not in stack.item(request_id) or None, what="the bury to be noted")
    assert (job["status"], job["status_reason"], job["attempts"]) == ("failed", "attempts_exhausted", 2)
    assert job["error"]["code"] == "model_failed"
    assert simulator.calls()["calls"] == 2
    attributes = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert attributes == {"reason": "attempts_exhausted", "request_id": request_id}
    assert json.loads(letter["Body"])["request_id"] == request_id
