"""A request in the words of OpenAI's chat completions, which many servers speak: from an invocation, whose words are Converse's.

Nothing of what was asked is left out silently, but for what only says how to serve it: cache points, the tier, the latency, and an
earlier turn's reasoning, which is of use to the model alone that signed it. What the dialect has no words for is `NotCapable`, and
the next target is asked. Pure.

Source of the members: `types/chat/completion_create_params.py` of github.com/openai/openai-python (read in November 2026).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from quarry.errors import NotCapable
from quarry.invocation import Invocation, Json

#: `stop` takes no more. Source: the same file. Other servers take more, but one that does not would fail the job.
_STOPS_MAX: Final = 4
#: Members of Converse that say how to serve a request, not what is asked.
_HINTS: Final = frozenset({"serviceTier", "performanceConfig"})
#: Blocks that change no answer here.
_SILENT: Final = frozenset({"cachePoint", "reasoningContent"})
_Messages: TypeAlias = Iterator[dict[str, Any]]


def chat_request(invocation: Invocation, bound: str = "max_tokens") -> dict[str, Any]:
    """The body of a chat completion, but for `model`. `bound` is the member that bounds the answer's tokens.

    Raises:
        NotCapable: it cannot be said.
    """
    if invocation.native is not None:
        return _native(invocation.native)
    if len(invocation.stop_sequences) > _STOPS_MAX:
        raise NotCapable(f"more than {_STOPS_MAX} stop sequences")
    body: dict[str, Any] = {
        "messages": [*_system(invocation.system), *(said for each in invocation.messages for said in _message(each))],
        bound: invocation.max_tokens,
        "temperature": invocation.temperature,
        "top_p": invocation.top_p,
        "stop": list(invocation.stop_sequences) or None,
    }
    for name, value in invocation.converse.items():
        if name not in _HINTS:
            body |= _known(_FIELDS, name)(value)
    return {name: value for name, value in body.items() if value is not None}


def _native(body: Json) -> dict[str, Any]:
    """A native body as it is, where it is one of this dialect: others that have `messages` are known by a member of theirs."""
    messages = body.get("messages")
    if (
        not isinstance(messages, (list, tuple))
        or not messages
        or not all(map(_is_chat_message, messages))
        or _FOREIGN & body.keys()
    ):
        raise NotCapable("the native body is not a chat completion's")
    if body.get("stream"):
        raise NotCapable("the native body asks for a stream")
    return dict(body)


#: Members of Anthropic's and Nova's bodies, which a chat completion does not have.
_FOREIGN: Final = frozenset({"anthropic_version", "system", "inferenceConfig", "schemaVersion", "toolConfig"})


def _is_chat_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        return False
    content = message.get("content")
    parts = content if isinstance(content, (list, tuple)) else ()
    return isinstance(content, (str, list, tuple, type(None))) and all(isinstance(p, Mapping) and "type" in p for p in parts)


def _system(blocks: tuple[Json, ...]) -> _Messages:
    parts = [part for block in blocks for part in _part(block)]
    if parts:
        yield {"role": "system", "content": _content(parts)}


def _message(message: Json) -> _Messages:
    """One message, or some: a tool's result is a message of its own here, and comes before what the user says with it."""
    blocks = message["content"]
    calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block]
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    parts = [part for block in blocks if not block.keys() & {"toolUse", "toolResult"} for part in _part(block)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": _told(result)}
    if parts or calls or not results:
        said = {"role": message["role"], "content": _content(parts) if parts else None if calls else ""}
        yield said | ({"tool_calls": calls} if calls else {})


def _content(parts: list[dict[str, Any]]) -> Any:
    """One text is a plain string: some servers' templates know nothing else."""
    return parts[0]["text"] if len(parts) == 1 and "text" in parts[0] else parts


def _part(block: Json) -> Iterator[dict[str, Any]]:
    kind = next(iter(block))
    if kind not in _SILENT:
        yield _known(_PARTS, kind)(block[kind])


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image(image: Json) -> dict[str, Any]:
    if "bytes" not in image["source"]:
        raise NotCapable("an image that is not in the request")
    return {"type": "image_url", "image_url": {"url": f"data:image/{image['format']};base64,{image['source']['bytes']}"}}


def _tool_call(use: Json) -> dict[str, Any]:
    return {"id": use["toolUseId"], "type": "function", "function": {"name": use["name"], "arguments": _dumped(use["input"])}}


def _told(result: Json) -> str:
    """What a tool gave, as text: there is nothing else here, and no word for its having failed."""
    return "\n".join(_known(_RESULTS, next(iter(block)))(next(iter(block.values()))) for block in result["content"])


def _tools(config: Json) -> dict[str, Any]:
    tools = [_tool(each) for each in config["tools"] if "cachePoint" not in each]
    choice = config.get("toolChoice")
    return {"tools": tools} | ({"tool_choice": _choice(choice)} if choice else {})


def _tool(tool: Json) -> dict[str, Any]:
    if "toolSpec" not in tool:
        raise NotCapable("a tool that the model's own provider runs")
    spec = tool["toolSpec"]
    given = {name: spec[name] for name in ("description", "strict") if name in spec}
    return {"type": "function", "function": {"name": spec["name"], **given, "parameters": spec["inputSchema"].get("json", {})}}


def _choice(choice: Json) -> Any:
    if "tool" in choice:
        return {"type": "function", "function": {"name": choice["tool"]["name"]}}
    return "required" if "any" in choice else "auto"


def _output(config: Json) -> dict[str, Any]:
    """A JSON schema for the answer; there is nothing else that Converse's `outputConfig` can ask for, and be said here."""
    form = config.get("textFormat", {})
    if config.keys() != {"textFormat"} or form.get("type") != "json_schema":
        raise NotCapable("an output that is not given by a JSON schema alone")
    asked = form["structure"]["jsonSchema"]
    try:
        schema = json.loads(asked["schema"])
    except ValueError as error:
        raise NotCapable("an output schema that is not JSON") from error
    given = {"description": asked["description"]} if "description" in asked else {}
    named = {"name": asked.get("name", "answer"), **given, "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _known(table: Mapping[str, Callable[[Any], Any]], name: str) -> Callable[[Any], Any]:
    try:
        return table[name]
    except KeyError:
        raise NotCapable(f"{name} has no words in a chat completion") from None


_PARTS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {"text": _text, "image": _image}
_RESULTS: Final[Mapping[str, Callable[[Any], str]]] = {"text": str, "json": _dumped}
#: Members of a submission's `converse` → what they become; the others have no words here.
_FIELDS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {"toolConfig": _tools, "outputConfig": _output}
