"""Bounds on what a submission may hold."""

import base64
from typing import Any

import pytest

from quarry.guard.measures import Bounds, beyond


def image(size: int, kind: str = "image") -> dict[str, Any]:
    return {kind: {"format": "png", "source": {"bytes": base64.b64encode(bytes(size)).decode()}}}


def messages(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


FAR = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b"}}}}
RESULT = {"toolResult": {"toolUseId": "t", "content": [image(4), {"text": "abc"}]}}


@pytest.mark.parametrize(
    ("bounds", "sent", "place"),
    [
        (Bounds(max_messages=1), {"messages": [{}, {}]}, ("messages",)),
        (Bounds(max_messages=1), {"native": {"messages": [{}, {}]}}, ("native", "messages")),
        (Bounds(max_blocks=2), messages({"text": "a"}, {"text": "b"}, {"text": "c"}), ("messages",)),
        (Bounds(max_blocks=2), messages(RESULT), ("messages",)),
        (Bounds(max_blocks=1), {"prompt": "a", "system": [{"text": "a"}, {"text": "b"}]}, ("prompt",)),
        (Bounds(max_text_characters=3), {"prompt": "abcd"}, ("prompt",)),
        (Bounds(max_text_characters=3), {"native": {"a": ["abc", "abcd"]}}, ("native", "a", 1)),
        (
            Bounds(max_text_characters=4),
            messages({"document": {"source": {"bytes": "YWJjZGU="}}}),
            ("messages", 0, "content", 0, "document", "source", "bytes"),
        ),
        (
            Bounds(max_text_characters=4),
            messages({"document": {"format": "txt", "source": {"bytes": "/2JjZGU="}}}),
            ("messages", 0, "content", 0, "document", "source", "bytes"),
        ),
        (Bounds(max_total_characters=5), {"prompt": "abc", "system": "abc"}, ("prompt",)),
        (Bounds(max_attachments=0), messages(image(1)), ("messages", 0, "content", 0, "image")),
        (Bounds(max_attachments=1), messages(image(1), RESULT), ("messages", 0, "content", 1, "toolResult", "content", 0, "image")),
        (Bounds(max_attachment_bytes=3), messages(image(4)), ("messages", 0, "content", 0, "image")),
        (Bounds(max_attachment_bytes=3), messages(FAR), ("messages", 0, "content", 0, "image")),
        (Bounds(allow_images=False), messages(RESULT), ("messages", 0, "content", 0, "toolResult", "content", 0, "image")),
        (Bounds(allow_documents=False), messages(image(1, "document")), ("messages", 0, "content", 0, "document")),
        (Bounds(allow_native=False), {"native": {}}, ("native",)),
    ],
)  # fmt: skip
def test_what_goes_beyond_is_told_by_its_place(bounds: Bounds, sent: dict[str, Any], place: tuple[Any, ...]) -> None:
    assert [steps for steps, _ in beyond(sent, bounds)] == [place]
    assert list(beyond(sent, Bounds())) == []


@pytest.mark.parametrize(
    ("bounds", "sent"),
    [
        (Bounds(max_messages=1, max_blocks=2, max_attachments=1, max_attachment_bytes=4), messages({"text": "a"}, image(4))),
        (Bounds(max_text_characters=3, max_total_characters=6), {"prompt": "abc", "system": "abc"}),
        (Bounds(max_attachment_bytes=3), messages(image(3))),
        (Bounds(allow_images=False, allow_documents=False), messages({"text": "image"})),
        (
            Bounds(max_messages=1, max_blocks=1, max_attachments=0),
            {"messages": "no list", "system": 7, "native": [], "prompt": None},
        ),
    ],
)
def test_the_bound_itself_is_allowed_and_no_shape_is_taken_for_granted(bounds: Bounds, sent: dict[str, Any]) -> None:
    assert list(beyond(sent, bounds)) == []
