"""Answers in the words of OpenAI's chat completions: read as a completion, whose words are Converse's, whatever their shape. Pure.

Source of the members: `types/chat/chat_completion.py` of github.com/openai/openai-python; `reasoning_content`, `reasoning` and a
choice's `stop_reason` are vLLM's (all of November 2026). Finish reasons are in `quarry/dialects.py`: native bodies have the same.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from quarry import dialects
from quarry.errors import MalformedCompletion
from quarry.inference.verdicts import STOP_REASONS
from quarry.invocation import Completion, Json, Target, Usage

#: Of vLLM: cut off by its server, not by the model. Source: `FINISH_REASON_STRINGS` in its `vllm/v1/engine/__init__.py`.
_UNUSABLE: Final = frozenset({"abort", "error"})


def chat_completion(document: bytes, target: Target, request_id: str | None, *, native: bool) -> Completion:
    """Read the body of an answer with status 200. Nobody has checked it. `native` keeps it as it came.

    Raises:
        MalformedCompletion: it is not one, or it is unusable; it was billed.
    """
    try:
        body: Any = json.loads(document)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise MalformedCompletion("the body is no JSON object", target=str(target), provider_request_id=request_id)
    return completion_of(body, target, request_id, native=native)


def completion_of(body: Json, target: Target, request_id: str | None, *, native: bool = False) -> Completion:
    """The same, of a body that is JSON.

    Raises:
        MalformedCompletion: it is not one, or it is unusable; it was billed.
    """
    request_id = request_id or _text(body.get("id")) or None
    usage = chat_usage(body)
    reason, content = dialects.read(body).stop_reason, _as_it_came(body)
    if not native:
        try:
            reason, content = _told(body)
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            fault = str(error) if isinstance(error, _Unusable) else "the answer is not a chat completion"
            raise MalformedCompletion(fault, target=str(target), provider_request_id=request_id, usage=usage) from error
    return Completion(
        content=content,
        stop_reason=reason,
        filtered=STOP_REASONS.get(reason) is True,
        usage=usage,
        served_by=target,
        provider_request_id=request_id,
    )


def _as_it_came(body: Json) -> tuple[Json, ...]:
    return ({"native": body},)


class _Unusable(ValueError):
    """It has the shape of an answer, and is none."""


def _told(body: Json) -> tuple[str, tuple[Json, ...]]:
    """Stop reason and content."""
    choice = body["choices"][0]
    message, finished = choice["message"], choice["finish_reason"]
    if not isinstance(message, Mapping) or not isinstance(finished, str):
        raise TypeError
    if finished in _UNUSABLE:
        raise _Unusable(f"the server stopped with {finished}")
    content = tuple(_blocks(message, cut_off=finished == "length"))
    if message.get("refusal"):
        return "content_filtered", content
    if finished == "stop" and any("toolUse" in block for block in content):
        # Some servers say `stop` of a call of a tool too.
        return "tool_use", content
    if finished == "stop" and isinstance(choice.get("stop_reason"), str):
        return "stop_sequence", content
    return dialects.read(body).stop_reason, content


def _blocks(message: Json, cut_off: bool) -> Iterator[Json]:
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    if reasoning:
        yield {"reasoningContent": {"reasoningText": {"text": reasoning}}}
    content = message.get("content")
    if not isinstance(content, (str, list, type(None))):
        raise TypeError
    text = content if isinstance(content, str) else "".join(part["text"] for part in content or () if part["type"] == "text")
    text = text or _text(message.get("refusal"))
    if text:
        yield {"text": text}
    for call in message.get("tool_calls") or ():
        yield {"toolUse": _tool_use(call["id"], call["function"], cut_off)}


def _tool_use(call_id: Any, function: Any, cut_off: bool) -> Json:
    name, arguments = function["name"], function["arguments"]
    if not isinstance(call_id, str) or not isinstance(name, str):
        raise TypeError
    try:
        given = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
    except ValueError:
        if cut_off:
            # The part stays text: more tokens would have made it whole, another try would not.
            return {"toolUseId": call_id, "name": name, "input": arguments}
        given = None
    if not isinstance(given, dict):
        raise _Unusable("the model called a tool with arguments that are no JSON object")
    return {"toolUseId": call_id, "name": name, "input": given}


def chat_usage(body: Json) -> Usage:
    """The counts of an answer; zero where it has none."""
    read = dialects.read(body)
    sent, made, cached = read.input_tokens or 0, read.output_tokens or 0, read.cache_read_input_tokens or 0
    # As Converse has it, what came out of a cache is not among the input.
    return Usage(input_tokens=sent, output_tokens=made, total_tokens=sent + made + cached, cache_read_input_tokens=cached)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
