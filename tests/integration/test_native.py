"""A native body goes through InvokeModel as it is, and its answer comes back with text, counts and the body itself."""

from typing import Any

import pytest

from tests.support.simulator import Simulator
from tests.support.stack import Stack

MODELS: dict[str, tuple[dict[str, Any], str, str]] = {
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": (
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]},
        "Hello",
        "end_turn",
    ),
    "amazon.titan-embed-text-v2:0": ({"inputText": "Hello", "dimensions": 256}, "", "unknown"),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_native_body_comes_back_answered(stack: Stack, simulator: Simulator, model: str) -> None:
    """One billed call, counted for the job; the whole answer is in `content`, what is known of it beside.

    Red when: `quarry/inference/providers/bedrock.py`: `content=({"native": body},),` -> `content=(),`
    Red when: `quarry/inference/providers/bedrock.py`: `{"requestMetadata": json.dumps(dict(labels))} if labels else {}` -> `{}`
    """
    body, text, stop_reason = MODELS[model]
    stack.model = model
    stack.use(simulator)
    with stack.running_api(), stack.running_worker():
        request_id = stack.submit(native=body, model=model)
        job = stack.finished(request_id)
    assert (job["status"], job["served_by"]["model"]) == ("completed", model)
    result = job["result"]
    assert (result["text"], result["stop_reason"], result["filtered"]) == (text, stop_reason, False)
    assert len(result["content"]) == 1
    answer = result["content"][0]["native"]
    assert len(answer["embedding"]) == 256 if model.startswith("amazon") else answer["content"][0]["text"] == "Hello"
    assert job["usage"]["input_tokens"] == 2
    assert simulator.calls()["by_request_id"] == {request_id: {"calls": 1, "billed": 1}}
