"""Chat completions, as OpenAI, LiteLLM, vLLM and Ollama serve them, and containers behind a SageMaker endpoint.

The same brain, rules and ledger as for Bedrock, so that a fallback from one to the other can be played. Where a rule's `error` is
Bedrock's, a chat completion has its status only. What one may hold is not checked as closely as Converse's: texts, images, tools.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from quarry.invocation import Json
from quarry.simulator.eventstream import pieces
from quarry.simulator.operations import Answer, Operation, Stream
from quarry.simulator.wire import REQUEST_ID_LABEL, Call, Generation, Refusal, read_object, region_of, request_headers, statuses

#: Converse's stop reason → a finish reason, where it is not `stop`.
_FINISHED: Final[Mapping[str, str]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
#: Where Quarry marks its calls, at either service.
_MARKS: Final = ("X-Request-Id", "X-Amzn-SageMaker-Inference-Id")


async def _read_chat(request: web.Request) -> Call:
    body = await read_object(request)
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refusal("invalid_request", "you must provide a model parameter", status=400)
    return Call(body["model"], "", body, headers=request.headers)


async def _read_endpoint(request: web.Request) -> Call:
    region = region_of(request.headers.get("Authorization", ""))
    return Call(request.match_info["endpoint"], region, await read_object(request), headers=request.headers)


def _speak(call: Call) -> tuple[Call, Answer]:
    try:
        body = _as_converse(call.body)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise Refusal("invalid_request", "the body is not a chat completion's", status=400) from error
    mark = next((call.headers[name] for name in _MARKS if name in call.headers), "")
    # Quarry's mark is the job and the attempt.
    body["requestMetadata"] = {REQUEST_ID_LABEL: mark.rpartition("-")[0]}
    read = replace(call, body=body, headers={}, streams=bool(call.body.get("stream")))
    if read.streams:
        return read, lambda generation, _ms: Stream(_chunks(call, generation), {"Content-Type": "text/event-stream"}, _failed)
    return read, lambda generation, _ms: _answered(call, generation)


def _as_converse(body: Json) -> dict[str, Any]:
    said = [(message["role"], list(_blocks(message))) for message in body["messages"]]
    bound = body.get("max_completion_tokens", body.get("max_tokens"))
    stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop")
    config = {"maxTokens": bound, "stopSequences": stops, "temperature": body.get("temperature"), "topP": body.get("top_p")}
    messages = [{"role": "user" if role == "tool" else role, "content": blocks} for role, blocks in said if role != "system"]
    if not any(message["role"] == "user" for message in messages):
        raise ValueError("nobody asks anything")
    return {
        "system": [block for role, blocks in said if role == "system" for block in blocks],
        "messages": messages,
        "inferenceConfig": {name: value for name, value in config.items() if value is not None},
    }


def _blocks(message: Json) -> Iterator[Json]:
    content = message.get("content")
    if message["role"] == "tool":
        yield {"toolResult": {"toolUseId": message["tool_call_id"], "content": [{"text": content}]}}
        return
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or ():
        # An image counts as nothing here, as it does to the echo.
        yield {"text": part["text"]} if part["type"] == "text" else {"image": part["image_url"]}
    for each in message.get("tool_calls") or ():
        called = each["function"]
        yield {"toolUse": {"toolUseId": each["id"], "name": called["name"], "input": json.loads(called["arguments"])}}


def _answered(call: Call, generation: Generation) -> web.Response:
    texts = [block["text"] for block in generation.content if "text" in block]
    calls = [_tool_call(block["toolUse"]) for block in generation.content if "toolUse" in block]
    message = {"role": "assistant", "content": "".join(texts) if texts else None} | ({"tool_calls": calls} if calls else {})
    body = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": 0,
        "model": call.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _FINISHED.get(generation.stop_reason, "stop")}],
        "usage": _usage(generation),
    }
    return web.json_response(body, headers=request_headers())


def _chunks(call: Call, generation: Generation) -> Iterator[bytes]:
    """The same in a stream: who speaks, what is said, why it ended, and what it took, if that is asked for."""
    same = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": 0, "model": call.model}
    finished = _FINISHED.get(generation.stop_reason, "stop")

    def choice(delta: Json, finish: str | None = None) -> bytes:
        return _event({**same, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None})

    yield choice({"role": "assistant", "content": ""})
    for text in (block["text"] for block in generation.content if "text" in block):
        yield from (choice({"content": piece}) for piece in pieces(text))
    for i, use in enumerate(block["toolUse"] for block in generation.content if "toolUse" in block):
        whole = _tool_call(use)
        yield choice({"tool_calls": [{"index": i, **whole, "function": {**whole["function"], "arguments": ""}}]})
        for piece in pieces(whole["function"]["arguments"]):
            yield choice({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
    yield choice({}, finished)
    if (call.body.get("stream_options") or {}).get("include_usage"):
        yield _event({**same, "choices": [], "usage": _usage(generation)})
    yield b"data: [DONE]\n\n"


def _event(chunk: Json) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _failed(refusal: Refusal) -> bytes:
    """An error within a stream, as vLLM has it: its code is the status."""
    return _event({"error": {"message": refusal.message, "type": "server_error", "param": None, "code": refusal.status}})


def _usage(generation: Generation) -> dict[str, int]:
    asked, made = generation.input_tokens, generation.output_tokens
    return {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made}


def _tool_call(use: Json) -> dict[str, Any]:
    called = {"name": use["name"], "arguments": json.dumps(use["input"])}
    return {"id": use["toolUseId"], "type": "function", "function": called}


def _refused(refusal: Refusal) -> web.Response:
    kind = "invalid_request_error" if refusal.status < 500 else "server_error"
    code = None if refusal.code in statuses() else refusal.code
    fault = {"message": refusal.message, "type": kind, "param": None, "code": code}
    return web.json_response({"error": fault}, status=refusal.status, headers={**request_headers(), **refusal.headers})


def _unchecked(_call: Call) -> None:
    """Reading it was the check."""


#: Path → what is served there.
OTHER_SERVICES: Final[Mapping[str, Operation]] = {
    "/v1/chat/completions": Operation(_speak, read=_read_chat, check=_unchecked, refuse=_refused),
    "/endpoints/{endpoint}/invocations": Operation(_speak, read=_read_endpoint, check=_unchecked),
}
