"""Chat completions read as completions, whatever servers answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from quarry.errors import MalformedCompletion
from quarry.inference.chat_answer import chat_completion
from quarry.invocation import Completion, Target, Usage

TARGET = Target("vllm", "", "m")


def body(message: Any = None, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """An answer."""
    message = {"role": "assistant", "content": "hi"} if message is None else message
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 4}}
    return {"id": "c-1", "choices": [{"index": 0, "message": message, "finish_reason": finish} | more], "usage": usage}


def read(document: Any, *, native: bool = False, request_id: str | None = None) -> Completion:
    """Read it."""
    return chat_completion(json.dumps(document).encode(), TARGET, request_id, native=native)


def test_an_answer_is_read() -> None:
    """What came out of a cache is counted apart, as Converse does, so that nothing is counted twice."""
    assert read(body(), request_id="r-1") == Completion(
        content=({"text": "hi"},),
        stop_reason="end_turn",
        filtered=False,
        usage=Usage(input_tokens=5, output_tokens=2, total_tokens=11, cache_read_input_tokens=4),
        served_by=TARGET,
        provider_request_id="r-1",
    )
    assert read(body()).provider_request_id == "c-1"


@pytest.mark.parametrize(
    ("finish", "more", "reason", "filtered"),
    [
        ("stop", {}, "end_turn", False),
        ("stop", {"stop_reason": "END"}, "stop_sequence", False),
        ("stop", {"stop_reason": 128001}, "end_turn", False),
        ("length", {}, "max_tokens", False),
        ("tool_calls", {}, "tool_use", False),
        ("function_call", {}, "tool_use", False),
        ("content_filter", {}, "content_filtered", True),
        ("eos_token", {}, "end_turn", False),
        ("stop_sequence", {}, "stop_sequence", False),
        ("of_tomorrow", {}, "of_tomorrow", False),
    ],
)
def test_finish_reasons(finish: str, more: Any, reason: str, filtered: bool) -> None:
    """In Converse's words; one that nobody knows is told as it is."""
    answer = read(body(None, finish, **more))
    assert (answer.stop_reason, answer.filtered) == (reason, filtered)


def test_a_refusal_is_filtered() -> None:
    """Its words are the answer's text."""
    answer = read(body({"content": None, "refusal": "I will not."}))
    assert (answer.text, answer.stop_reason, answer.filtered) == ("I will not.", "content_filtered", True)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_a_block_of_its_own(name: str) -> None:
    """Not part of the text."""
    answer = read(body({"content": "hi", name: "let me think"}))
    assert answer.content == ({"reasoningContent": {"reasoningText": {"text": "let me think"}}}, {"text": "hi"})
    assert answer.text == "hi"


def test_content_in_parts() -> None:
    """Some servers answer as callers may ask."""
    assert read(body({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]})).text == "hi"


@pytest.mark.parametrize("arguments", ['{"city": "Bath"}', {"city": "Bath"}])
def test_a_call_of_a_tool(arguments: Any) -> None:
    """Though the server may say `stop`; arguments are a text, or at some servers an object."""
    call = {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    answer = read(body({"content": None, "tool_calls": [call]}))
    assert answer.content == ({"toolUse": {"toolUseId": "t-1", "name": "weather", "input": {"city": "Bath"}}},)
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize("arguments", ['{"city": ', "[]", "3", '"x"', 3])
def test_arguments_that_are_no_object_are_the_model_s_fault(arguments: Any) -> None:
    """Billed, and unusable: the counts are told."""
    call = {"id": "t-1", "function": {"name": "weather", "arguments": arguments}}
    with pytest.raises(MalformedCompletion) as caught:
        read(body({"content": None, "tool_calls": [call]}))
    assert caught.value.usage == Usage(5, 2, 11, 4)


def test_arguments_that_were_cut_off_stay_text() -> None:
    """The job ends with what there is: to ask again would pay for the same cut."""
    call = {"id": "t-1", "function": {"name": "weather", "arguments": '{"city": "Ba'}}
    answer = read(body({"content": None, "tool_calls": [call]}, "length"))
    assert answer.content == ({"toolUse": {"toolUseId": "t-1", "name": "weather", "input": '{"city": "Ba'}},)
    assert answer.stop_reason == "max_tokens"


@pytest.mark.parametrize("finish", ["abort", "error"])
def test_what_the_server_broke_off_is_unusable(finish: str) -> None:
    """The text is a part of an answer, and nobody chose its end."""
    with pytest.raises(MalformedCompletion):
        read(body(None, finish))


@pytest.mark.parametrize(
    "document",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"[" * 100_000, b"\xff\xfe"],
)
def test_what_is_no_answer_is_malformed(document: bytes) -> None:
    """It came with 200, so it was billed for all we know."""
    with pytest.raises(MalformedCompletion) as caught:
        chat_completion(document, TARGET, "r-1", native=False)
    assert (caught.value.target, caught.value.provider_request_id) == (str(TARGET), "r-1")


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-5, 5) | some.text(max_size=3),
    lambda inner: (
        some.lists(inner, max_size=2)
        | some.dictionaries(
            some.sampled_from(["message", "content", "tool_calls", "function", "id", "text", "type", "cached_tokens"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(message=_JSON, finish=_JSON, usage=_JSON, native=some.booleans())
def test_any_shape_is_an_answer_or_malformed(message: Any, finish: Any, usage: Any, native: bool) -> None:
    """Never another error: the server is not ours."""
    document = {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
    try:
        answer = read(document, native=native)
    except MalformedCompletion:
        return
    assert isinstance(answer.text, str)
    assert answer.usage.input_tokens >= 0


def test_a_native_answer_is_kept_as_it_came() -> None:
    """Text, reason and counts are read from it."""
    document = body() | {"system_fingerprint": "f"}
    answer = read(document, native=True)
    assert answer.content == ({"native": document},)
    assert (answer.text, answer.stop_reason, answer.usage) == ("hi", "end_turn", Usage(5, 2, 11, 4))
