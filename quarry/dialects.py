"""InvokeModel's bodies: how each family of models says text, stop reason and token counts. Pure; a body is known by its members.

The members are our knowledge of the families' request and response formats, beside how public clients read them; they were not
compared with the service. Whatever is not recognised is an answer all the same: without text, its stop reason `unknown`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: What a body that names no stop reason has: an embedding, or a family that is not known here.
UNKNOWN: Final = "unknown"

#: A family's word → Converse's, where they differ: one vocabulary for callers. The word itself stays in the body.
_STOP_REASONS: Final[Mapping[str, str]] = {
    "FINISH": "end_turn",
    "FINISHED": "end_turn",
    "LENGTH": "max_tokens",
    "STOP_CRITERIA_MET": "stop_sequence",
    "CONTENT_FILTERED": "content_filtered",
    "stop": "end_turn",
    "length": "max_tokens",
    "refusal": "content_filtered",
    # Chat completions.
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filtered",
    # Of containers on SageMaker, beside `stop_sequence`. Source: the chat schema of github.com/deepjavalibrary/djl-serving.
    "eos_token": "end_turn",
}
#: No request has more tokens than that. What is larger than a table or a metric takes would cost the answer.
_COUNT_MAX: Final = 10**12
#: Where a request's body bounds its output, by family.
_OUTPUT_BOUNDS: Final = (
    # Before the older one: a server that knows both goes by this.
    ("max_completion_tokens",),
    ("max_tokens",),
    ("max_gen_len",),
    ("textGenerationConfig", "maxTokenCount"),
    ("inferenceConfig", "maxTokens"),
    ("inferenceConfig", "max_new_tokens"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says. A count that it does not give is None."""

    text: str = ""
    stop_reason: str = UNKNOWN
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


def read(body: Mapping[str, Any]) -> Reading:
    """An answer's body, by the first family whose members it has."""
    return next((reading(body) for marks, reading in _FAMILIES if marks <= body.keys()), Reading())


def output_bound(body: Mapping[str, Any]) -> tuple[str, int] | None:
    """Where a request bounds its output, as a path, and the tokens that it allows; None where it does not say."""
    for path in _OUTPUT_BOUNDS:
        value = _at(body, *path)
        if isinstance(value, int) and not isinstance(value, bool):
            return ".".join(path), value
    return None


def _anthropic(body: Mapping[str, Any]) -> Reading:
    usage = _object(body.get("usage"))
    return Reading(
        _joined(body.get("content")),
        _stop_reason(body.get("stop_reason")),
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
        _count(usage.get("cache_read_input_tokens")),
        _count(usage.get("cache_creation_input_tokens")),
    )


def _nova(body: Mapping[str, Any]) -> Reading:
    usage = _object(body.get("usage"))
    return Reading(
        _joined(_at(body, "output", "message", "content")),
        _stop_reason(body.get("stopReason")),
        _count(usage.get("inputTokens")),
        _count(usage.get("outputTokens")),
        _count(usage.get("cacheReadInputTokenCount")),
        _count(usage.get("cacheWriteInputTokenCount")),
    )


def _titan(body: Mapping[str, Any]) -> Reading:
    results = body.get("results")
    first = _object(results[0]) if isinstance(results, list) and results else {}
    return Reading(
        _text(first.get("outputText")),
        _stop_reason(first.get("completionReason")),
        _count(body.get("inputTextTokenCount")),
        _count(first.get("tokenCount")),
    )


def _llama(body: Mapping[str, Any]) -> Reading:
    return Reading(
        _text(body.get("generation")),
        _stop_reason(body.get("stop_reason")),
        _count(body.get("prompt_token_count")),
        _count(body.get("generation_token_count")),
    )


def _chat(body: Mapping[str, Any]) -> Reading:
    """A chat completion: OpenAI's, and that of many servers and models beside it."""
    choices = body.get("choices")
    first = _object(choices[0]) if isinstance(choices, list) and choices else {}
    content, usage = _at(first, "message", "content"), _object(body.get("usage"))
    asked, cached = _count(usage.get("prompt_tokens")), _count(_at(usage, "prompt_tokens_details", "cached_tokens"))
    return Reading(
        content if isinstance(content, str) else _joined(content),
        _stop_reason(first.get("finish_reason")),
        # It counts what came out of a cache among them; the other families count it apart.
        None if asked is None else max(asked - (cached or 0), 0),
        _count(usage.get("completion_tokens")),
        cached,
    )


def _embedding(body: Mapping[str, Any]) -> Reading:
    return Reading(input_tokens=_count(body.get("inputTextTokenCount")), output_tokens=0)


#: The members by which a family's answer is known, and how it is read.
_FAMILIES: Final[tuple[tuple[frozenset[str], Callable[[Mapping[str, Any]], Reading]], ...]] = (
    (frozenset({"choices"}), _chat),
    (frozenset({"embedding"}), _embedding),
    (frozenset({"embeddings"}), _embedding),
    (frozenset({"results"}), _titan),
    (frozenset({"generation"}), _llama),
    (frozenset({"output", "stopReason"}), _nova),
    (frozenset({"content", "stop_reason"}), _anthropic),
)


def _at(body: Mapping[str, Any], *path: str) -> Any:
    value: Any = body
    for name in path:
        value = _object(value).get(name)
    return value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _COUNT_MAX else None


def _joined(blocks: Any) -> str:
    return "".join(_text(_object(block).get("text")) for block in blocks) if isinstance(blocks, (list, tuple)) else ""


def _stop_reason(value: Any) -> str:
    return _STOP_REASONS.get(value, value) if isinstance(value, str) and value else UNKNOWN
