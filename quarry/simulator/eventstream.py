"""Event streams: `application/vnd.amazon.eventstream` frames, and a generation as the events of each streaming operation.

The framing is what `botocore/eventstream.py` (1.43.117) decodes: two lengths and their CRC, headers of type 7 (text), the payload,
a CRC of it all. The names of events and exceptions are those of the Bedrock Runtime service model there.
"""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zlib import crc32

from quarry.simulator.wire import Generation, Refusal

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"
#: How much text one event carries. Our own choice: a few tokens, so that a short answer has several.
_CHUNK_CHARACTERS: Final = 16
_TEXT: Final = 7


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))


def event(name: str, body: Any) -> bytes:
    """An event of that name."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(body).encode())


def exception(refusal: Refusal) -> bytes:
    """An error within a stream: the class as the stream's member names it."""
    name = refusal.code[0].lower() + refusal.code[1:]
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": refusal.message}).encode())


def chunk(body: Any) -> bytes:
    """A part of InvokeModelWithResponseStream's answer."""
    return event("chunk", {"bytes": base64.b64encode(json.dumps(body).encode()).decode()})


def pieces(text: str) -> list[str]:
    """A text in the order in which it is sent."""
    return [text[i : i + _CHUNK_CHARACTERS] for i in range(0, len(text), _CHUNK_CHARACTERS)]


def conversed(generation: Generation, latency_ms: int) -> Iterator[bytes]:
    """ConverseStream's events."""
    for name, body in said(generation, latency_ms):
        yield event(name, body)


def said(generation: Generation, latency_ms: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """A generation as ConverseStream's events: the name of each, and its body."""
    yield "messageStart", {"role": "assistant"}
    for i, block in enumerate(generation.content):
        start, deltas = _parts(block)
        if start:
            yield "contentBlockStart", {"start": start, "contentBlockIndex": i}
        for delta in deltas:
            yield "contentBlockDelta", {"delta": delta, "contentBlockIndex": i}
        yield "contentBlockStop", {"contentBlockIndex": i}
    yield "messageStop", {"stopReason": generation.stop_reason}
    used = {"inputTokens": generation.input_tokens, "outputTokens": generation.output_tokens}
    usage = {**used, "totalTokens": generation.input_tokens + generation.output_tokens}
    yield "metadata", {"usage": usage, "metrics": {"latencyMs": latency_ms}, **generation.echoed}


def _parts(block: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """How a block starts, where that has an event, and its deltas. What the stream has no deltas for has none."""
    match block:
        case {"text": str(text)}:
            return None, [{"text": piece} for piece in pieces(text)]
        case {"toolUse": use}:
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            return start, [{"toolUse": {"input": json.dumps(use["input"])}}]
        case {"reasoningContent": {"reasoningText": thought}}:
            deltas = [{"reasoningContent": {"text": piece}} for piece in pieces(thought["text"])]
            signature = [{"reasoningContent": {"signature": thought["signature"]}}] if "signature" in thought else []
            return None, [*deltas, *signature]
        case {"reasoningContent": redacted}:
            return None, [{"reasoningContent": redacted}]
        case {"image": image}:
            return {"image": {"format": image["format"]}}, [{"image": {"source": image["source"]}}]
    return None, []


def metrics(generation: Generation, latency_ms: int) -> dict[str, Any]:
    """What the last chunk of InvokeModelWithResponseStream says of the call."""
    return {
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": generation.input_tokens,
            "outputTokenCount": generation.output_tokens,
            "invocationLatency": latency_ms,
            "firstByteLatency": latency_ms,
        }
    }
