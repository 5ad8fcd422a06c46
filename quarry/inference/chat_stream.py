"""Chat completions that come in chunks put together: what comes of them has the shape of one that comes whole, and is read as that.

A chunk is the data of a server-sent event; the last event's is `[DONE]`. Source: `types/chat/chat_completion_chunk.py` and
`_streaming.py` of github.com/openai/openai-python (November 2026). An error within a stream comes as a chunk that has `error`.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from aiohttp import ClientResponse

from quarry.inference.chat_answer import chat_usage
from quarry.inference.chat_verdicts import chat_error
from quarry.invocation import Json, Usage

#: What a request for a stream says beside: with counts, in a last chunk.
STREAMED: Final[dict[str, Any]] = {"stream": True, "stream_options": {"include_usage": True}}
MEDIA_TYPE: Final = "text/event-stream"
#: Our own choices: each token comes in some 300 bytes, the input of a tool at some servers in one piece.
_STREAM_MAX_BYTES: Final = 64 * 1024 * 1024
_LINE_MAX_BYTES: Final = 4 * 1024 * 1024
#: What stands for the end of the stream.
_DONE: Final[Json] = {}
#: Members of a delta that are texts, each of which goes on.
_TEXTS: Final = ("content", "refusal", "reasoning_content", "reasoning")


class ChatAssembly:
    """An answer as far as it has come."""

    def __init__(self) -> None:
        self._message: dict[str, str] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._document: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._is_done = False
        #: The model has begun to answer, so that what has come is billed.
        self.has_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether all has come: why it ended, and what it cost, unless the server does not tell."""
        return "finish_reason" in self._choice and (self._is_done or "usage" in self._document)

    @property
    def usage(self) -> Usage | None:
        """What was billed, as far as the server has told."""
        return chat_usage(self.answer()) if "usage" in self._document else None

    @property
    def provider_request_id(self) -> str | None:
        """The server's name for the answer, once it has told."""
        name = self._document.get("id")
        return name if isinstance(name, str) else None

    def take(self, chunk: Json) -> str:
        """Add a chunk; returns the text that it brings.

        Raises:
            InvocationError: it is an error.
            LookupError, TypeError, AttributeError: it has not a chunk's shape.
        """
        if chunk is _DONE:
            self._is_done = True
            return ""
        if chunk.get("error"):
            fault = chunk["error"]
            code = fault.get("code") if isinstance(fault, Mapping) else None
            raise chat_error(code if isinstance(code, int) else 500, json.dumps(chunk).encode(), {}, "")
        self._document |= {name: chunk[name] for name in ("id", "usage") if chunk.get(name)}
        return "".join(self._add(choice) for choice in chunk.get("choices") or () if choice.get("index", 0) == 0)

    def answer(self) -> dict[str, Any]:
        """The whole, as it would have come without a stream."""
        calls = {"tool_calls": [call for _, call in sorted(self._calls.items())]} if self._calls else {}
        return {**self._document, "choices": [{**self._choice, "message": {"content": None, **self._message, **calls}}]}

    def _add(self, choice: Json) -> str:
        self._choice |= {name: choice[name] for name in ("finish_reason", "stop_reason") if choice.get(name)}
        delta = choice.get("delta") or {}
        for name in _TEXTS:
            if delta.get(name):
                self.has_begun = True
                self._message[name] = self._message.get(name, "") + delta[name]
        for part in delta.get("tool_calls") or ():
            self.has_begun = True
            self._join(part)
        return delta.get("content") or ""

    def _join(self, part: Json) -> None:
        index = part.get("index", 0)
        if not isinstance(index, int):
            raise TypeError("a call without a place among the others")
        call = self._calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = part.get("id") or call["id"]
        for name in ("name", "arguments"):
            call["function"][name] += (part.get("function") or {}).get(name) or ""


class Chunks:
    """The chunks of an answer, and what stands for its end, where it comes."""

    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer
        self.close: Callable[[], Any] = answer.release

    async def __aiter__(self) -> AsyncIterator[Json]:
        """One by one.

        Raises:
            ValueError: the data of an event is no JSON object, or it never ends.
        """
        read, rest = 0, b""
        async for piece in self._answer.content.iter_any():
            *lines, rest = (rest + piece).split(b"\n")
            read += len(piece)
            if read > _STREAM_MAX_BYTES or len(rest) > _LINE_MAX_BYTES:
                raise ValueError("the stream is too long")
            for line in lines:
                name, _, data = line.partition(b":")
                if name == b"data":
                    yield _DONE if data.strip() == b"[DONE]" else _chunk(data)


def _chunk(data: bytes) -> dict[str, Any]:
    chunk = json.loads(data)
    if not isinstance(chunk, dict) or not chunk:
        raise ValueError("a chunk is no object")
    return chunk
