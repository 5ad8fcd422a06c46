"""What answers. Here an echo, always the same for the same request; a real model is in `smollm2.py`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from quarry.inference.providers.echo import CHARACTERS_PER_TOKEN
from quarry.invocation import Json
from quarry.simulator.wire import Call, Generation, text_of

Brain: TypeAlias = Callable[[Call], Awaitable[Generation]]

#: Members of a request that Converse repeats in its answer.
_ECHOED: Final = ("serviceTier", "performanceConfig")


async def echo(call: Call) -> Generation:
    """The text of the last user message, up to a stop sequence and no longer than `maxTokens` allows."""
    text, stop_reason = call.user_texts[-1], "end_turn"
    config = call.body.get("inferenceConfig", {})
    ends = [text.index(stop) for stop in config.get("stopSequences", []) if stop in text]
    if ends:
        text, stop_reason = text[: min(ends)], "stop_sequence"
    room = config.get("maxTokens", len(text) + 1) * CHARACTERS_PER_TOKEN
    if len(text) > room:
        text, stop_reason = text[:room], "max_tokens"
    return generation(call, [{"text": text}], stop_reason)


def generation(call: Call, content: list[Json], stop_reason: str) -> Generation:
    """That content, with plausible counts: by the length of the texts."""
    asked = [*call.body.get("system", []), *(block for message in call.body["messages"] for block in message["content"])]
    return Generation(content, stop_reason, _tokens(text_of(asked)), _tokens(text_of(content)), repeated(call))


async def count_by_length(call: Call) -> Generation:
    """No answer, only what the request counts."""
    return generation(call, [], "end_turn")


def repeated(call: Call) -> Mapping[str, Any]:
    """The members of a request that its answer repeats."""
    return {name: call.body[name] for name in _ECHOED if name in call.body}


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)
