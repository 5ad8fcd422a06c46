"""InvokeModel's bodies at the simulator: each family's request read as a Converse one, and a generation said in its words.

So rules, brain and validation know one form only. The formats are our knowledge of the families; they were not compared with the
service, and members that steer sampling are neither checked nor used.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from quarry.invocation import Json
from quarry.simulator.eventstream import pieces
from quarry.simulator.wire import Generation, Refusal, text_of

ANTHROPIC_VERSION: Final = "bedrock-2023-05-31"
#: Titan's default; other sizes are asked for by `dimensions`.
_DIMENSIONS: Final = 1024
_DIMENSIONS_ALLOWED: Final = (256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family's bodies."""

    #: Members that a request must have.
    required: tuple[str, ...]
    #: A request's body → Converse's.
    read: Callable[[Json], dict[str, Any]]
    #: A generation and the request's body → the answer's body.
    say: Callable[[Generation, Json], dict[str, Any]]
    #: A generation → the bodies of its stream's chunks; None where the family does not stream.
    stream: Callable[[Generation], Iterator[dict[str, Any]]] | None = None


def dialect_of(model: str) -> Dialect:
    """The family that a model id or ARN belongs to.

    Raises:
        Refusal: a family that is not spoken here.
    """
    for mark, dialect in _DIALECTS.items():
        if mark in model:
            return dialect
    raise Refusal("ValidationException", "The provided model identifier is invalid.")


def read_native(dialect: Dialect, body: Json) -> dict[str, Any]:
    """A request as Converse would have it.

    Raises:
        Refusal: a ValidationException: a member is missing or of the wrong kind.
    """
    for name in dialect.required:
        if name not in body:
            raise _malformed(f"required key [{name}] not found")
    try:
        return {name: value for name, value in dialect.read(body).items() if value not in (None, {})}
    except (TypeError, AttributeError, KeyError) as error:
        raise _malformed("a member is of the wrong type") from error


def _anthropic(body: Json) -> dict[str, Any]:
    if body["anthropic_version"] != ANTHROPIC_VERSION:
        raise _malformed(f"anthropic_version: must be {ANTHROPIC_VERSION}")
    messages = [{"role": each["role"], "content": _blocks(each["content"])} for each in body["messages"]]
    config = _given(maxTokens=body["max_tokens"], stopSequences=body.get("stop_sequences"))
    return {"messages": messages, "system": _blocks(body.get("system", [])), "inferenceConfig": config}


def _say_anthropic(generation: Generation, _body: Json) -> dict[str, Any]:
    return {
        "id": "msg_bdrk_simulated",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text_of(generation.content)}],
        "stop_reason": generation.stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": generation.input_tokens, "output_tokens": generation.output_tokens},
    }


def _stream_anthropic(generation: Generation) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": generation.input_tokens, "output_tokens": 0}
    message = _say_anthropic(generation, {}) | {"content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for piece in pieces(text_of(generation.content)):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": generation.stop_reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": generation.output_tokens}}
    yield {"type": "message_stop"}


def _nova(body: Json) -> dict[str, Any]:
    asked = body.get("inferenceConfig", {})
    config = _given(maxTokens=asked.get("maxTokens", asked.get("max_new_tokens")), stopSequences=asked.get("stopSequences"))
    return {"messages": body["messages"], "system": body.get("system"), "inferenceConfig": config}


def _say_nova(generation: Generation, _body: Json) -> dict[str, Any]:
    used = {"inputTokens": generation.input_tokens, "outputTokens": generation.output_tokens}
    return {
        "output": {"message": {"role": "assistant", "content": generation.content}},
        "stopReason": generation.stop_reason,
        "usage": {**used, "totalTokens": generation.input_tokens + generation.output_tokens},
    }


def _stream_nova(generation: Generation) -> Iterator[dict[str, Any]]:
    yield {"messageStart": {"role": "assistant"}}
    for piece in pieces(text_of(generation.content)):
        yield {"contentBlockDelta": {"delta": {"text": piece}, "contentBlockIndex": 0}}
    yield {"contentBlockStop": {"contentBlockIndex": 0}}
    yield {"messageStop": {"stopReason": generation.stop_reason}}
    yield {"metadata": {"usage": _say_nova(generation, {})["usage"]}}


def _titan(body: Json) -> dict[str, Any]:
    asked = body.get("textGenerationConfig", {})
    config = _given(maxTokens=asked.get("maxTokenCount"), stopSequences=asked.get("stopSequences"))
    return {"messages": _prompted(body["inputText"]), "inferenceConfig": config}


def _say_titan(generation: Generation, _body: Json) -> dict[str, Any]:
    words = {"max_tokens": "LENGTH", "content_filtered": "CONTENT_FILTERED", "stop_sequence": "STOP_CRITERIA_MET"}
    result = {
        "tokenCount": generation.output_tokens,
        "outputText": text_of(generation.content),
        "completionReason": words.get(generation.stop_reason, "FINISHED"),
    }
    return {"inputTextTokenCount": generation.input_tokens, "results": [result]}


def _stream_titan(generation: Generation) -> Iterator[dict[str, Any]]:
    whole = _say_titan(generation, {})
    end = whole["results"][0]
    for piece in pieces(end["outputText"]):
        yield {"index": 0, "outputText": piece, "completionReason": None, "totalOutputTextTokenCount": None}
    counts = {"inputTextTokenCount": generation.input_tokens, "totalOutputTextTokenCount": generation.output_tokens}
    yield {"index": 0, "outputText": "", "completionReason": end["completionReason"], **counts}


def _llama(body: Json) -> dict[str, Any]:
    return {"messages": _prompted(body["prompt"]), "inferenceConfig": _given(maxTokens=body.get("max_gen_len"))}


def _say_llama(generation: Generation, _body: Json) -> dict[str, Any]:
    return {
        "generation": text_of(generation.content),
        "prompt_token_count": generation.input_tokens,
        "generation_token_count": generation.output_tokens,
        "stop_reason": "length" if generation.stop_reason == "max_tokens" else "stop",
    }


def _stream_llama(generation: Generation) -> Iterator[dict[str, Any]]:
    whole = _say_llama(generation, {})
    for piece in pieces(whole["generation"]):
        yield whole | {"generation": piece, "stop_reason": None}
    yield whole | {"generation": ""}


def _embed(body: Json) -> dict[str, Any]:
    if body.get("dimensions", _DIMENSIONS) not in _DIMENSIONS_ALLOWED:
        raise _malformed(f"dimensions: must be one of {', '.join(map(str, _DIMENSIONS_ALLOWED))}")
    return {"messages": _prompted(body["inputText"])}


def _say_embedding(generation: Generation, body: Json) -> dict[str, Any]:
    return {
        "embedding": vector(body["inputText"], body.get("dimensions", _DIMENSIONS)),
        "inputTextTokenCount": generation.input_tokens,
    }


def vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that says nothing, always the same for the same text."""
    raw = hashlib.shake_256(text.encode()).digest(dimensions)
    values = [byte / 127.5 - 1.0 for byte in raw]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


#: What is in a model's id → its family; the first that fits.
_DIALECTS: Final[Mapping[str, Dialect]] = {
    "anthropic.": Dialect(("anthropic_version", "max_tokens", "messages"), _anthropic, _say_anthropic, _stream_anthropic),
    "amazon.nova": Dialect(("messages",), _nova, _say_nova, _stream_nova),
    "amazon.titan-embed": Dialect(("inputText",), _embed, _say_embedding),
    "amazon.titan": Dialect(("inputText",), _titan, _say_titan, _stream_titan),
    "meta.llama": Dialect(("prompt",), _llama, _say_llama, _stream_llama),
}


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _prompted(text: Any) -> list[Any]:
    return [{"role": "user", "content": [{"text": text}]}]


def _blocks(content: Any) -> list[Any]:
    """Anthropic's content as Converse has it; of the blocks, only those with text."""
    if isinstance(content, str):
        return [{"text": content}]
    return [{"text": block["text"]} for block in content if block.get("type") == "text"]


def _malformed(what: str) -> Refusal:
    return Refusal("ValidationException", f"Malformed input request: {what}, please reformat your input and try again.")
