"""ConverseStream's events put together: what comes of them has the shape of Converse's answer, and is read as that.

Source of the events: the output of ConverseStream in botocore 1.43.117, `bedrock-runtime/2023-09-30/service-2.json` (November
2026). What a newer service adds to them is passed over.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from quarry.inference.providers.base import Heard


@dataclass(frozen=True, slots=True)
class Patience:
    """How long nothing may come before a stream counts as stalled, in seconds. Our own choices.

    A model that writes sends several events a second. But the input of a tool may be held back until it is whole, which for a
    long one takes the most of a minute; and before the first event there is a queue, and a prompt to be read.
    """

    first: float = 120.0
    next: float = 60.0


PATIENT: Final = Patience()
#: Between the last event and the end of the stream.
_PARTING_SECONDS: Final = 1.0
#: The answer was cut off, so what it ends in may be a part.
_CUT_OFF: Final = frozenset({"max_tokens", "model_context_window_exceeded"})


class StreamEnded(Exception):
    """The stream is over, in good order, and the answer is not."""


class StreamStalled(Exception):
    """Nothing came for too long."""


class Assembly:
    """An answer as far as it has come."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._stop_reason: str | None = None
        #: Tokens, as Converse says them; None before it has.
        self.usage: Mapping[str, Any] | None = None
        #: The model has begun to answer, so that what has come is billed.
        self.has_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether all has come: why it ended, and what it cost."""
        return self._stop_reason is not None and self.usage is not None

    def take(self, event: Mapping[str, Any]) -> str:
        """Add an event; returns the text that it brings."""
        text = ""
        for name, told in event.items():
            match name:
                case "contentBlockStart":
                    self._block(told).update({kind: dict(start) for kind, start in told["start"].items()})
                case "contentBlockDelta":
                    text += _add(self._block(told), told["delta"])
                case "messageStop":
                    self._stop_reason = told["stopReason"]
                case "metadata":
                    self.usage = told.get("usage") or {}
        return text

    def answer(self) -> dict[str, Any]:
        """The whole, as Converse would have answered."""
        stop_reason, content = self._stop_reason, []
        for _, parts in sorted(self._blocks.items()):
            block = _whole(parts)
            use = block.get("toolUse")
            if use is not None and not _read_input(use) and stop_reason not in _CUT_OFF:
                stop_reason = "malformed_tool_use"
            content.append(_finished(block))
        return {"output": {"message": {"content": content}}, "stopReason": stop_reason, "usage": self.usage}

    def _block(self, told: Mapping[str, Any]) -> dict[str, Any]:
        self.has_begun = True
        return self._blocks.setdefault(told["contentBlockIndex"], {})


class Growing(Protocol):
    """What an answer is put together in."""

    @property
    def is_whole(self) -> bool:
        """Whether all has come."""

    def take(self, event: Mapping[str, Any], /) -> str:
        """Add an event; returns the text that it brings."""


async def listen(stream: Any, assembly: Growing, heard: Heard, patience: Patience = PATIENT) -> None:
    """Put a stream together, telling its text as it comes; closes it, whatever happens.

    Raises:
        StreamStalled: nothing came for longer than that.
        StreamEnded: it ended before the answer did.
        Exception: what the SDK raises for an error within the stream, and for a connection that breaks.
    """
    try:
        async with aclosing(aiter(stream)) as events:
            wait = patience.first
            while not assembly.is_whole:
                if (event := await _next(events, wait)) is None:
                    raise StreamEnded
                wait = patience.next
                if text := assembly.take(event):
                    heard(text)
            with suppress(Exception):  # nothing more is needed; only a connection that was read to its end is used again
                await _next(events, _PARTING_SECONDS)
    finally:
        stream.close()


async def _next(events: AsyncIterator[Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await anext(events, None)
    except TimeoutError as error:
        raise StreamStalled(f"nothing came for {seconds:g} s") from error


def _add(block: dict[str, Any], delta: Mapping[str, Any]) -> str:
    """Add a delta to its block; returns its text."""
    for kind, value in delta.items():
        match kind:
            case "text":
                _join(block, {"text": value})
                return str(value)
            case "citation":
                block.setdefault("citations", []).append(value)
            case "toolResult":
                block.setdefault("toolResult", {}).setdefault("content", []).extend(value)
            case "toolUse" | "reasoningContent" | "image":
                _join(block.setdefault(kind, {}), value)
    return ""


def _join(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add what follows to texts and bytes, which are kept in parts: a long one has thousands."""
    for name, value in part.items():
        if isinstance(value, Mapping):
            _join(whole.setdefault(name, {}), value)
        else:
            whole.setdefault(name, []).append(value)


def _whole(value: Any) -> Any:
    """A block whose texts and bytes are no longer in parts."""
    match value:
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case [str() | bytes() as first, *_]:
            return type(first)().join(value)
    return value


def _read_input(use: dict[str, Any]) -> bool:
    """A tool's input, which comes as the text of its JSON, and stays that where it is none: whether it is JSON."""
    text = use.setdefault("input", "")
    try:
        use["input"] = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return False
    return True


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    """A block as Converse has it."""
    thought = block.get("reasoningContent")
    if thought is not None and "redactedContent" not in thought:
        return {"reasoningContent": {"reasoningText": thought}}
    if "citations" in block:
        return {"citationsContent": {"content": [{"text": block.get("text", "")}], "citations": block["citations"]}}
    return block
