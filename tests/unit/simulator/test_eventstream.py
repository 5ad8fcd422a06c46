"""Event streams: frames as botocore reads them, and a generation's blocks in pieces."""

import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from quarry.simulator.eventstream import chunk, event, exception, pieces, said
from quarry.simulator.wire import Generation, Refusal

TEXT = "Hello, this is more than one piece of text."
PIECES = ["Hello, this is m", "ore than one pie", "ce of text."]


def read(*messages: bytes) -> list[tuple[Any, Any]]:
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(messages))
    return [(frame.headers, json.loads(frame.payload)) for frame in buffer]


def test_frames_are_read_by_botocore() -> None:
    """Which checks their lengths and sums: an event, a chunk in base64, an error by the name of its member."""
    first, second, third = read(event("messageStop", {"a": "é"}), chunk({"a": 1}), exception(Refusal("ThrottlingException", "No.")))
    kind = {":content-type": "application/json"}
    assert first == ({":event-type": "messageStop", ":message-type": "event", **kind}, {"a": "é"})
    assert second == ({":event-type": "chunk", ":message-type": "event", **kind}, {"bytes": "eyJhIjogMX0="})
    assert third == ({":exception-type": "throttlingException", ":message-type": "exception", **kind}, {"message": "No."})


def test_pieces_are_the_text() -> None:
    """In order; of nothing there are none."""
    assert (pieces(TEXT), pieces("")) == (PIECES, [])


@pytest.mark.parametrize(
    ("block", "start", "deltas"),
    [
        ({"text": TEXT}, None, [{"text": piece} for piece in PIECES]),
        (
            {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}},
            {"toolUse": {"toolUseId": "t1", "name": "weather"}},
            [{"toolUse": {"input": '{"city": "Bern"}'}}],
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": TEXT, "signature": "s"}}},
            None,
            [*({"reasoningContent": {"text": piece}} for piece in PIECES), {"reasoningContent": {"signature": "s"}}],
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "hm"}}},
            None,
            [{"reasoningContent": {"text": "hm"}}],
        ),
        (
            {"reasoningContent": {"redactedContent": "aGk="}},
            None,
            [{"reasoningContent": {"redactedContent": "aGk="}}],
        ),
        (
            {"image": {"format": "png", "source": {"bytes": "aGk="}}},
            {"image": {"format": "png"}},
            [{"image": {"source": {"bytes": "aGk="}}}],
        ),
        ({"document": {"name": "d", "source": {"text": "t"}}}, None, []),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_block_is_said_in_deltas(block: dict[str, Any], start: Any, deltas: list[Any]) -> None:
    """Between a start, where there is something to say at once, and a stop; each with the block's number."""
    events = list(said(Generation([{"text": ""}, block], "end_turn", 5, 2), 7))
    assert events[:2] == [("messageStart", {"role": "assistant"}), ("contentBlockStop", {"contentBlockIndex": 0})]
    assert events[2:-2] == [
        *([("contentBlockStart", {"start": start, "contentBlockIndex": 1})] if start else []),
        *(("contentBlockDelta", {"delta": delta, "contentBlockIndex": 1}) for delta in deltas),
        ("contentBlockStop", {"contentBlockIndex": 1}),
    ]
    assert events[-2] == ("messageStop", {"stopReason": "end_turn"})
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    assert events[-1] == ("metadata", {"usage": usage, "metrics": {"latencyMs": 7}})
