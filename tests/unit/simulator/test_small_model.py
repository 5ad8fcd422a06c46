"""The small model behind Converse's shapes: what is asked of it, and what its answers mean. Pure."""

from typing import Any

import pytest

from quarry.simulator.llama import CONTEXT_TOKENS
from quarry.simulator.smollm2 import generation, refusal, request
from quarry.simulator.wire import Call, Refusal

USAGE = {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 5}


def call(*messages: tuple[str, str], **members: Any) -> Call:
    said = [{"role": role, "content": [{"text": text}]} for role, text in messages or [("user", "hello")]]
    return Call("m", "us-east-1", {"messages": said, **members})


def answer(text: str = "hi", stop_reason: str = "end_turn", stop_sequence: str | None = None) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "stop_reason": stop_reason, "stop_sequence": stop_sequence, "usage": USAGE}


def test_a_request_is_put_into_the_servers_words() -> None:
    """Each of Converse's parameters has its counterpart; what is not given is left to the server."""
    config = {"maxTokens": 9, "temperature": 0, "topP": 0.5, "stopSequences": ["END"]}
    asked = request(call(("user", "a"), ("assistant", "b"), ("user", "c"), inferenceConfig=config, system=[{"text": "terse"}]))
    assert asked == {
        "max_tokens": 9, "temperature": 0, "top_p": 0.5, "stop_sequences": ["END"], "system": "terse",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
    }  # fmt: skip
    assert request(call()) == {"max_tokens": CONTEXT_TOKENS, "messages": [{"role": "user", "content": "hello"}]}


def test_system_messages_in_between_join_the_system_prompt() -> None:
    """The model's template knows one, at the head."""
    asked = request(call(("user", "a"), ("system", "be kind"), ("assistant", "b"), ("user", "c"), system=[{"text": "terse"}]))
    assert asked["system"] == "terse\nbe kind"
    assert [each["role"] for each in asked["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"toolConfig": {"tools": []}}, "tool use"),
        ({"system": [{"cachePoint": {"type": "default"}}]}, "cachePoint"),
        ({"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]}, "image"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "empty"),
    ],
)
def test_what_it_cannot_do_is_refused(members: dict[str, Any], words: str) -> None:
    """It reads text and calls no tools."""
    with pytest.raises(Refusal) as caught:
        request(Call("m", "us-east-1", {"messages": [{"role": "user", "content": [{"text": "a"}]}], **members}))
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("given", "max_tokens", "reason"),
    [
        (answer(), 9, "end_turn"),
        (answer(stop_sequence="END"), 9, "stop_sequence"),
        (answer(stop_reason="max_tokens"), 5, "max_tokens"),
        # It was cut, and not by what was asked for: there was no more room.
        (answer(stop_reason="max_tokens"), 6, "model_context_window_exceeded"),
    ],
)
def test_reason_and_counts_are_the_models_own(given: dict[str, Any], max_tokens: int, reason: str) -> None:
    """The reason as Converse names it; what was read from a cache was read."""
    said = generation(call(serviceTier={"type": "flex"}), given, max_tokens)
    assert (said.content, said.stop_reason) == ([{"text": "hi"}], reason)
    assert (said.input_tokens, said.output_tokens) == (9, 5)
    assert said.echoed == {"serviceTier": {"type": "flex"}}


def test_the_beginning_of_an_answer_is_not_given_back() -> None:
    """Only where the caller has begun it."""
    begun = call(("user", "a"), ("assistant", "It is"))
    assert generation(begun, answer("It is so."), 9).content == [{"text": " so."}]
    assert generation(call(("user", "It is")), answer("It is so."), 9).content == [{"text": "It is so."}]


def test_other_blocks_of_an_answer_are_left_out() -> None:
    """A server may show how it thought."""
    given = answer() | {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}]}
    assert generation(call(), given, 9).content == [{"text": "hi"}]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ({"type": "exceed_context_size_error", "message": "x"}, "ValidationException", "Input is too long"),
        ({"type": "server_error", "message": "out of memory"}, "ModelErrorException", "out of memory"),
        ({}, "ModelErrorException", "The model returned an error"),
    ],
)
def test_errors_are_said_in_the_services_words(error: dict[str, str], code: str, words: str) -> None:
    """A prompt that is too long is the caller's fault, all else the model's."""
    refused = refusal({"error": error})
    assert refused.code == code
    assert words in refused.message
