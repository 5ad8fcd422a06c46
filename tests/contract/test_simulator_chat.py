"""What the simulator says as a server of chat completions, and as SageMaker."""

from typing import Any

import httpx
import pytest

from tests.support.simulator import Simulator

MODEL = "gpt-oss-120b"
HELLO = {"model": MODEL, "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "Hello there"}]}
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-3/sagemaker/aws4_request, SignedHeaders=host"}
CHAT, ENDPOINT = "/v1/chat/completions", "/endpoints/llama-8b/invocations"


def post(simulator: Simulator, path: str, body: Any, **headers: str) -> httpx.Response:
    """As a client without any SDK."""
    return httpx.post(f"{simulator.url}{path}", json=body, headers=headers, timeout=10)


def test_an_answer_has_the_form_of_a_chat_completion(simulator: Simulator) -> None:
    """As its public type in openai-python requires: `id`, `choices`, `created`, `model`, `object`."""
    body = post(simulator, CHAT, HELLO).json()
    [choice] = body.pop("choices")
    assert choice == {"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}
    assert body.pop("usage") == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert body.pop("id").startswith("chatcmpl-")
    assert body == {"object": "chat.completion", "created": 0, "model": MODEL}


def test_the_bound_is_kept(simulator: Simulator) -> None:
    """By either name; a stop sequence likewise."""
    for bound in ("max_tokens", "max_completion_tokens"):
        [choice] = post(simulator, CHAT, HELLO | {bound: 1}).json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("Hell", "length")
    [choice] = post(simulator, CHAT, HELLO | {"stop": " there"}).json()["choices"]
    assert choice["message"]["content"] == "Hello"


def test_a_call_is_counted_for_its_job(simulator: Simulator) -> None:
    """By the mark that Quarry puts on it, at either service."""
    post(simulator, CHAT, HELLO, **{"X-Request-Id": "0193-1"})
    post(simulator, ENDPOINT, {"messages": HELLO["messages"]}, **SIGNED, **{"X-Amzn-SageMaker-Inference-Id": "0193-2"})
    assert simulator.calls()["by_request_id"] == {"0193": {"calls": 2, "billed": 2}}


def test_a_rule_for_a_region_holds_for_its_endpoints(simulator: Simulator) -> None:
    """The endpoint's name is the model, the signature names the region."""
    simulator.rule({"text": "ruled"}, match={"region": "eu-west-3", "model": "llama-8b"})
    [choice] = post(simulator, ENDPOINT, {"messages": HELLO["messages"]}, **SIGNED).json()["choices"]
    assert choice["message"]["content"] == "ruled"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": HELLO["messages"]},
        HELLO | {"messages": []},
        HELLO | {"messages": "Hello"},
        HELLO | {"messages": [{"role": "assistant", "content": "Hello"}]},
        HELLO | {"messages": [{"role": "user", "content": [{"text": "no type"}]}]},
    ],
)
def test_a_bad_request_is_refused(simulator: Simulator, body: Any) -> None:
    """In OpenAI's form; nothing is billed."""
    answer = post(simulator, CHAT, body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (simulator.calls()["calls"], simulator.calls()["billed"]) == (1, 0)


def test_errors_have_the_form_of_their_service(simulator: Simulator) -> None:
    """A code of OpenAI's is told; of an exception of AWS, a chat completion has the status only."""
    simulator.rule({"error": "insufficient_quota", "status": 429, "message": "pay", "headers": {"Retry-After": "3"}}, times=1)
    simulator.rule({"error": "ServiceUnavailableException"}, times=1)
    simulator.rule({"error": "ModelError", "status": 424, "message": "why"}, times=1)
    first, second = post(simulator, CHAT, HELLO), post(simulator, CHAT, HELLO)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "3")
    assert first.json()["error"] == {
        "message": "pay", "type": "invalid_request_error", "param": None, "code": "insufficient_quota",
    }  # fmt: skip
    assert (second.status_code, second.json()["error"]["code"], second.json()["error"]["type"]) == (503, None, "server_error")
    third = post(simulator, ENDPOINT, HELLO, **SIGNED)
    assert (third.status_code, third.headers["x-amzn-ErrorType"], third.json()) == (424, "ModelError", {"message": "why"})


def test_an_endpoint_wants_a_signature(simulator: Simulator) -> None:
    """A server of chat completions does not: a key is its operator's affair."""
    assert post(simulator, ENDPOINT, HELLO).status_code == 403
