"""A malformed message goes to the dead-letter queue with a reason, and the worker works on."""

import json

from tests.support.processes import eventually
from tests.support.stack import Stack

POISON = [
    "not json",
    "[]",
    '"text"',
    "null",
    "{}",
    '{"v": "1", "request_id": "x", "tenant": "default"}',
    '{"v": 1, "request_id": "x", "tenant": "default"}',
    '{"v": 1, "request_id": "01a1fce02be7769abb984e7979ea003e"}',
    '{"v": 1, "request_id": "01a1fce02be7769abb984e7979ea003e", "tenant": "default", "generation": -1}',
    "[" * 5000,
]


def test_each_malformed_message_is_buried_and_the_worker_works_on(stack: Stack) -> None:
    """Not JSON, no object, missing and wrong fields, nested five thousand deep.

    Red when: `worker/outcome.py`: `return Verdict(None, Bury(name))` -> `return Verdict(None, Ack(name))`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    with stack.running_api(), stack.running_worker() as worker:
        for body in POISON:
            stack.send(body)
        request_id = stack.submit(prompt="still there?")
        assert stack.finished(request_id)["status"] == "completed"
        letters = eventually(lambda: found if len(found := stack.dead_letters()) == len(POISON) else None)
        eventually(stack.queue_is_empty)
        assert worker.popen.poll() is None
    assert {letter["Body"] for letter in letters} == set(POISON)
    assert {letter["MessageAttributes"]["reason"]["StringValue"] for letter in letters} == {"malformed_envelope"}


def test_an_envelope_of_a_newer_version_waits_for_a_newer_worker(stack: Stack) -> None:
    """During a rolling deploy a newer producer's message is left to newer workers.

    Red when: `worker/outcome.py`: `now - delivery.sent_at < UNSUPPORTED_PATIENCE` -> `False`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    with stack.running_api(), stack.running_worker() as worker:
        stack.send(json.dumps({"v": 9, "request_id": "x", "shape": "unknown"}))
        eventually(lambda: '"unsupported_envelope"' in stack.metrics(worker) or None, what="the message to be released")
    assert stack.dead_letters() == []
    assert stack.queue_counts() != (0, 0)
