"""ConverseStream's events, put together."""

from typing import Any

import pytest

from quarry.inference.converse import service_model
from quarry.inference.converse_stream import Assembly
from quarry.inference.providers.bedrock import completion
from quarry.inference.verdicts import ERROR_CODES
from quarry.invocation import Target

USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8, "cacheReadInputTokens": 2}
TARGET = Target("bedrock", "us-east-1", "m")


def start(i: int, **block: Any) -> dict[str, Any]:
    return {"contentBlockStart": {"contentBlockIndex": i, "start": block}}


def delta(i: int, **part: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": i, "delta": part}}


def assembled(*events: dict[str, Any], stop_reason: str = "end_turn") -> tuple[dict[str, Any], str]:
    """The answer, and the text that was heard."""
    assembly, text = Assembly(), ""
    for event in ({"messageStart": {"role": "assistant"}}, *events, {"messageStop": {"stopReason": stop_reason}}):
        text += assembly.take(event)
        assert not assembly.is_whole
    assembly.take({"metadata": {"usage": USAGE, "metrics": {"latencyMs": 1}}})
    assert assembly.is_whole
    return assembly.answer(), text


def content(*events: dict[str, Any], stop_reason: str = "end_turn") -> list[Any]:
    answer, text = assembled(*events, stop_reason=stop_reason)
    made = completion(answer, TARGET)
    assert text == made.text
    return list(made.content)


def test_every_delta_of_the_service_is_put_together() -> None:
    """Whatever the installed botocore knows; a new one makes this fail until somebody has said what becomes of it."""
    known = {
        "text": "a", "toolUse": {"input": "{}"}, "toolResult": [{"text": "a"}], "reasoningContent": {"text": "a"},
        "citation": {"title": "a"}, "image": {"source": {"bytes": b"a"}},
    }  # fmt: skip
    assert set(service_model().shape_for("ContentBlockDelta").members) == set(known)  # type: ignore[attr-defined]
    for name, value in known.items():
        assert assembled(delta(0, **{name: value}))[0]["output"]["message"]["content"] != [{}], name


def test_every_error_within_a_stream_has_a_row() -> None:
    """Of the table that says what it means."""
    members = service_model().shape_for("ConverseStreamOutput").members  # type: ignore[attr-defined]
    errors = {name[0].upper() + name[1:] for name, shape in members.items() if shape.metadata.get("exception")}
    assert errors
    assert errors <= set(ERROR_CODES)


def test_text_and_thoughts_are_joined() -> None:
    """In the order of the blocks, whatever the order of the events."""
    made = content(
        delta(1, text="Yes"),
        delta(0, reasoningContent={"text": "Hm"}),
        delta(0, reasoningContent={"text": "m."}),
        delta(1, text="!"),
        delta(0, reasoningContent={"signature": "c2ln"}),
    )
    assert made == [{"reasoningContent": {"reasoningText": {"text": "Hmm.", "signature": "c2ln"}}}, {"text": "Yes!"}]


def test_a_tools_input_is_read_when_it_is_whole() -> None:
    """It comes in pieces of JSON; none at all is an empty object."""
    made = content(
        start(0, toolUse={"toolUseId": "a", "name": "look"}),
        delta(0, toolUse={"input": '{"at": [1'}),
        delta(0, toolUse={"input": ", 2]}"}),
        start(1, toolUse={"toolUseId": "b", "name": "go"}),
        stop_reason="tool_use",
    )
    assert made == [
        {"toolUse": {"toolUseId": "a", "name": "look", "input": {"at": [1, 2]}}},
        {"toolUse": {"toolUseId": "b", "name": "go", "input": {}}},
    ]


@pytest.mark.parametrize("stop_reason", ["tool_use", "end_turn"])
def test_an_input_that_is_no_json_is_malformed(stop_reason: str) -> None:
    """As Converse itself says of it."""
    broken = start(0, toolUse={"toolUseId": "a", "name": "look"}), delta(0, toolUse={"input": '{"at": '})
    assert assembled(*broken, stop_reason=stop_reason)[0]["stopReason"] == "malformed_tool_use"


@pytest.mark.parametrize("stop_reason", ["max_tokens", "model_context_window_exceeded"])
def test_an_input_that_was_cut_off_is_kept_as_it_came(stop_reason: str) -> None:
    """To pay for it again would cut it off again."""
    [block] = content(
        start(0, toolUse={"toolUseId": "a", "name": "look"}), delta(0, toolUse={"input": '{"at": '}), stop_reason=stop_reason
    )
    assert block["toolUse"]["input"] == '{"at": '


def test_cited_text_is_text() -> None:
    """The citations of a block stay with it, in the shape that Converse has for them."""
    cited = {"title": "A book", "sourceContent": [{"text": "It is so."}], "location": {"web": {"url": "https://a.example"}}}
    [block] = content(delta(0, text="It is "), delta(0, citation=cited), delta(0, text="so."))
    assert block == {"citationsContent": {"content": [{"text": "It is so."}], "citations": [cited]}}


def test_results_of_the_services_own_tools_are_kept() -> None:
    """What they were begun with, and all that came."""
    [block] = content(
        start(0, toolResult={"toolUseId": "a", "status": "success"}),
        delta(0, toolResult=[{"text": "x"}]),
        delta(0, toolResult=[{"json": {"y": 1}}]),
    )
    assert block == {"toolResult": {"toolUseId": "a", "status": "success", "content": [{"text": "x"}, {"json": {"y": 1}}]}}


def test_what_a_newer_service_adds_is_passed_over() -> None:
    """Events and deltas that nobody knows."""
    assert content({"somethingNew": {"a": 1}}, delta(0, text="Hi", somethingElse={"b": 2})) == [{"text": "Hi"}]


def test_what_is_billed_has_begun() -> None:
    """Not with the start of the message, but with the first block."""
    assembly = Assembly()
    assembly.take({"messageStart": {"role": "assistant"}})
    assert not assembly.has_begun
    assembly.take(delta(0, text=""))
    assert assembly.has_begun
