"""What a request needs of a target, and what a target has. Pure.

What a target has is declared by the operator; else it is what AWS says its model lacks, by `model_facts`; else it is taken to have
everything, for the provider to refuse.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from quarry.inference.model_facts import facts_of
from quarry.inference.routes import RouteTarget
from quarry.invocation import Invocation, Json

#: Name → what a request has that needs it: the words of `capabilities` in `routes.toml`.
CAPABILITIES: Final[Mapping[str, str]] = {
    "system": "a system prompt",
    "tools": "tools, or a conversation in which some were used",
    "images": "an image",
    "documents": "a document",
    "video": "a video",
    "audio": "audio",
    "structured_output": "JSON by a schema (`converse.outputConfig.textFormat`)",
    "reasoning": "reasoning that a model gave before",
    "guardrail": "a guardrail",
    "prefill": "a conversation that ends with the assistant's words",
    "native": "a native body",
    "stop_sequences": "stop sequences",
    "temperature": "`temperature`",
    "top_p": "`top_p`",
    "temperature_with_top_p": "both of them",
    "prompt_cache": "cache points",
    "service_tier": "the service tier `priority` or `flex`",
    "latency": "optimised latency",
}
#: Those that tune an answer, its price or its speed, and what is dropped for a target that lacks them: the answer is still one to
#: the question. Whatever else is lacking makes it another question, and bars the target.
TUNING: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "temperature_with_top_p": "top_p",
    "prompt_cache": "cachePoint",
    "service_tier": "converse.serviceTier",
    "latency": "converse.performanceConfig",
}
#: What a chat completion, in which every other provider is asked, has no words for.
_UNSAID: Final = frozenset({"documents", "video", "audio", "guardrail", "prompt_cache", "service_tier", "latency"})

#: Member of a block, or of a tool → the capability that it needs.
_BLOCKS: Final[Mapping[str, str]] = {
    "image": "images",
    "document": "documents",
    "video": "video",
    "audio": "audio",
    "toolUse": "tools",
    "toolResult": "tools",
    "toolAddition": "tools",
    "toolRemoval": "tools",
    "reasoningContent": "reasoning",
    "guardContent": "guardrail",
    "cachePoint": "prompt_cache",
}
#: Capability → whether the rest of a request needs it.
_REST: Final[Mapping[str, Callable[[Invocation], object]]] = {
    "system": lambda asked: asked.system,
    "tools": lambda asked: asked.converse.get("toolConfig"),
    "structured_output": lambda asked: _within(asked.converse, "outputConfig", "textFormat"),
    "guardrail": lambda asked: asked.converse.get("guardrailConfig"),
    "prefill": lambda asked: asked.messages and asked.messages[-1].get("role") == "assistant",
    "stop_sequences": lambda asked: asked.stop_sequences,
    "temperature": lambda asked: asked.temperature is not None,
    "top_p": lambda asked: asked.top_p is not None,
    "temperature_with_top_p": lambda asked: asked.temperature is not None and asked.top_p is not None,
    "service_tier": lambda asked: _within(asked.converse, "serviceTier", "type") in ("priority", "flex"),
    "latency": lambda asked: _within(asked.converse, "performanceConfig", "latency") == "optimized",
}


def needs(invocation: Invocation) -> frozenset[str]:
    """The capabilities without which a request cannot be served as it is."""
    if invocation.native is not None:
        return frozenset({"native"})
    found = {_BLOCKS[name] for block in _blocks(invocation) for name in block if name in _BLOCKS}
    return frozenset(found | {name for name, asked in _REST.items() if asked(invocation)})


def lacks(place: RouteTarget) -> frozenset[str]:
    """The capabilities that a target is known not to have."""
    if place.capabilities is not None:
        return frozenset(CAPABILITIES) - place.capabilities
    match place.target.provider:
        case "bedrock":
            return facts_of(place.target.model).lacks
        case "echo":
            return frozenset({"native"})
    return _UNSAID


def _blocks(invocation: Invocation) -> Iterator[Json]:
    """Every block: of messages, of the tools' answers in them, of the system prompt; and the tools."""
    for message in invocation.messages:
        for block in _each(message.get("content")):
            yield block
            yield from _each(_within(block, "toolResult", "content"))
    yield from _each(invocation.system)
    yield from _each(_within(invocation.converse, "toolConfig", "tools"))


def _each(blocks: Any) -> Iterator[Json]:
    yield from (block for block in blocks or () if isinstance(block, Mapping))


def _within(value: Json, *path: str) -> Any:
    """What lies at a path of members; None where there is nothing."""
    found: Any = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
