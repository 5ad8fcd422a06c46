"""Nothing secret is logged: no prompt, completion, key or receipt handle; and the log of one job reads well."""

import json

from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack

CONTENT = "the launch code is 4711"


def test_no_content_reaches_the_log(stack: Stack, simulator: Simulator) -> None:
    """Answered, failed, rejected and malformed: at the most talkative level, no line holds what a caller or a model said.

    Red when: `worker/report.py`: `told_reason(result.stop_reason)}` -> `str(result.content)}`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "ValidationException", "message": f"bad prompt: {CONTENT}"}, match={"text_contains": "reject"})
    simulator.rule(act={"error": "ModelErrorException", "message": CONTENT}, match={"text_contains": "fail"})
    with stack.running_api(QUARRY_LOG_LEVEL="debug"), stack.running_worker(QUARRY_LOG_LEVEL="debug") as worker:
        answered = stack.submit(prompt=f"answer {CONTENT}", system=CONTENT, metadata={"note": CONTENT}, max_tokens=64)
        rejected = stack.submit(prompt=f"reject {CONTENT}")
        failed = stack.submit(prompt=f"fail {CONTENT}", max_attempts=1)
        stack.send(f"malformed {CONTENT}")
        assert CONTENT in stack.finished(answered)["result"]["text"]
        assert [stack.finished(each)["status"] for each in (rejected, failed)] == ["failed", "failed"]
        eventually(stack.queue_is_empty)
        log = worker.output + (stack.directory / "api.log").read_text()
    assert answered in log
    assert CONTENT not in log
    assert "4711" not in log
    assert "ReceiptHandle" not in log


def test_an_attempt_is_one_line_that_says_it_all(stack: Stack, simulator: Simulator) -> None:
    """Every line is a JSON object; one of them per attempt is the canonical line.

    Red when: `worker/report.py`: `log(Event.ATTEMPT_FINISHED, **fields)` -> `pass`
    Red when: `worker/report.py`: `fields |= {"input_tokens": result.usage.input_tokens,` -> `_ = {"input_tokens": 0,`
    """
    stack.use(simulator)
    with stack.running_api(), stack.running_worker() as worker:
        request_id = stack.submit(prompt="Hello")
        stack.finished(request_id)
        lines = eventually(
            lambda: [line for line in map(json.loads, worker.output.splitlines()) if line["event"] == "attempt.finished"]
        )
    [line] = lines
    assert line["request_id"] == request_id
    assert (line["attempt"], line["status"], line["outcome"]) == (1, "completed", "Succeeded")
    assert line["target"] == f"bedrock/us-east-1/{stack.model}"
    assert {"duration_seconds", "input_tokens", "output_tokens", "stop_reason", "at", "level", "service"} <= set(line)
