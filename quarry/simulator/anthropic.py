"""Claude's bodies: the Messages API as InvokeModel has it, in Converse's words and back."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from quarry.invocation import Json
from quarry.simulator.eventstream import pieces
from quarry.simulator.wire import Generation, Refusal

VERSION: Final = "bedrock-2023-05-31"
#: Members that a request must have.
REQUIRED: Final = ("anthropic_version", "max_tokens", "messages")


def read(body: Json) -> dict[str, Any]:
    """A request's body as Converse would have it. No block is dropped: one that cannot be said there is refused.

    Raises:
        Refusal: a ValidationException.
    """
    if body["anthropic_version"] != VERSION:
        # The words: github.com/boto/boto3/issues/4218.
        raise Refusal("ValidationException", f"Invalid API version: {body['anthropic_version']}")
    config = {
        "maxTokens": body["max_tokens"],
        "temperature": body.get("temperature"),
        "topP": body.get("top_p"),
        "stopSequences": body.get("stop_sequences"),
    }
    return {
        "messages": _turns(body["messages"]),
        "system": _blocks(body.get("system", []), "system"),
        "inferenceConfig": {name: value for name, value in config.items() if value is not None},
        "toolConfig": _tools(body),
    }


def say(generation: Generation, _body: Json) -> dict[str, Any]:
    """A generation as an answer's body."""
    return {
        "id": "msg_bdrk_simulated",
        "type": "message",
        "role": "assistant",
        "content": [_said(block) for block in generation.content],
        "stop_reason": generation.stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": generation.input_tokens, "output_tokens": generation.output_tokens},
    }


def stream(generation: Generation) -> Iterator[dict[str, Any]]:
    """A generation as the bodies of the stream's chunks."""
    usage = {"input_tokens": generation.input_tokens, "output_tokens": 0}
    yield {"type": "message_start", "message": say(generation, {}) | {"content": [], "stop_reason": None, "usage": usage}}
    for i, block in enumerate(generation.content):
        said = _said(block)
        started, deltas = _STARTS[said["type"]](said)
        yield {"type": "content_block_start", "index": i, "content_block": said | started}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": i, "delta": delta}
        yield {"type": "content_block_stop", "index": i}
    ended = {"stop_reason": generation.stop_reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": generation.output_tokens}}
    yield {"type": "message_stop"}


def _turns(messages: Any) -> list[Any]:
    """Messages of one role that follow each other are one turn: so says the reference of Anthropic's Messages API."""
    turns: list[Any] = []
    for i, message in enumerate(messages):
        content = _blocks(message["content"], f"messages.{i}.content")
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        else:
            turns.append({"role": message["role"], "content": content})
    return turns


def _blocks(content: Any, path: str) -> list[Any]:
    if isinstance(content, str):
        return [{"text": content}]
    return [_block(block, f"{path}.{i}") for i, block in enumerate(content)]


def _block(block: Json, path: str) -> dict[str, Any]:
    kind = block["type"]
    if kind not in _READ:
        raise Refusal("ValidationException", f"{path}.type: the simulator reads {', '.join(_READ)}")
    return _READ[kind](block, path)


def _source(block: Json) -> dict[str, Any]:
    source = block["source"]
    if source["type"] == "text":
        return {"format": "txt", "source": {"text": source["data"]}}
    return {"format": source["media_type"].rpartition("/")[2], "source": {"bytes": source["data"]}}


def _tool_result(block: Json, path: str) -> dict[str, Any]:
    content = _blocks(block.get("content", []), f"{path}.content")
    status = {"status": "error"} if block.get("is_error") else {}
    return {"toolResult": {"toolUseId": block["tool_use_id"], "content": content, **status}}


def _thinking(block: Json) -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": block["signature"]}}}


def _tools(body: Json) -> dict[str, Any]:
    """The tools with a schema; those that Anthropic defines have none."""
    tools = [
        {
            "toolSpec": {
                "name": each["name"],
                "inputSchema": {"json": each["input_schema"]},
                **({"description": each["description"]} if "description" in each else {}),
            }
        }
        for each in body.get("tools", [])
        if "input_schema" in each
    ]
    return {"tools": tools} if tools else {}


def _said(block: Json) -> dict[str, Any]:
    for kind, say_block in _SAID.items():
        if kind in block:
            return say_block(block[kind])
    return {"type": "text", "text": json.dumps(block)}


def _reasoned(content: Json) -> dict[str, Any]:
    if "redactedContent" in content:
        return {"type": "redacted_thinking", "data": content["redactedContent"]}
    said = content["reasoningText"]
    return {"type": "thinking", "thinking": said["text"], "signature": said.get("signature", "")}


#: Kind of block → Converse's.
_READ: Final[Mapping[str, Callable[[Json, str], dict[str, Any]]]] = {
    "text": lambda block, _: {"text": block["text"]},
    "image": lambda block, _: {"image": _source(block)},
    "document": lambda block, _: {"document": {"name": block.get("title", "document"), **_source(block)}},
    "tool_use": lambda block, _: {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}},
    "tool_result": _tool_result,
    "thinking": lambda block, _: _thinking(block),
    "redacted_thinking": lambda block, _: {"reasoningContent": {"redactedContent": block["data"]}},
}
#: Converse's kinds of block that a model generates → ours.
_SAID: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "text": lambda text: {"type": "text", "text": text},
    "toolUse": lambda use: {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]},
    "reasoningContent": _reasoned,
}
#: Kind of block → what is different in its start, and its deltas.
_STARTS: Final[Mapping[str, Callable[[Json], tuple[dict[str, Any], list[dict[str, Any]]]]]] = {
    "text": lambda said: ({"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(said["text"])]),
    "tool_use": lambda said: ({"input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(said["input"])}]),
    "thinking": lambda said: (
        {"thinking": "", "signature": ""},
        [
            *({"type": "thinking_delta", "thinking": piece} for piece in pieces(said["thinking"])),
            {"type": "signature_delta", "signature": said["signature"]},
        ],
    ),
    "redacted_thinking": lambda _: ({}, []),
}
