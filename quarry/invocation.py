"""What is asked of a model, and what it answered. Provider-neutral: Bedrock's Converse is the richest dialect we speak."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from quarry import dialects

#: A JSON object.
Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One of Bedrock's guardrails: it belongs to a region. With `trace`, an answer of Bedrock's says what it did."""

    region: str
    id: str
    version: str
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request to a model, as JSON-safe values (binary is base64 text, as it was submitted).

    Either `messages` is set (Converse shape, each `content` a list of blocks) or `native` (an InvokeModel body).
    """

    messages: tuple[Json, ...] = ()
    system: tuple[Json, ...] = ()
    max_tokens: int = 500
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()
    #: Further Converse fields by their AWS names, passed through unchanged.
    converse: Json = field(default_factory=dict)
    native: Json | None = None
    #: What the call and its answer have to pass, by the policy of the moment: set for a call, never stored.
    guardrail: Guardrail | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; the cache counts are zero where it has no prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cache_read_input_tokens + other.cache_read_input_tokens,
            self.cache_write_input_tokens + other.cache_write_input_tokens,
        )


@dataclass(frozen=True, slots=True)
class Target:
    """One (provider, region, model) that can serve. `region` is empty for a provider that has none."""

    provider: str
    region: str
    model: str

    def __str__(self) -> str:
        """In one word: `bedrock/us-east-1/amazon.nova-lite-v1:0`."""
        return "/".join(part for part in (self.provider, self.region, self.model) if part)


@dataclass(frozen=True, slots=True)
class Fallback:
    """A target that did not serve, so that the next one of its route was asked: `reason` is the code of the error.

    `skipped` where it was not asked at all: it may not serve this job, its circuit is open, or it is full; `seconds` is then how
    long the job waited in its slot for room there.
    """

    target: str
    reason: str
    seconds: float
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer.

    `content` holds Converse content blocks, JSON-safe; for a native body one block, `{"native": <the answer's body as it came>}`,
    so that text is kept once here too. `filtered` is true when a guardrail
    or the provider's own filter replaced or cut the answer.
    """

    content: tuple[Json, ...]
    stop_reason: str
    filtered: bool
    usage: Usage
    served_by: Target
    provider_request_id: str | None = None
    #: Who was asked before, in order.
    fallbacks: tuple[Fallback, ...] = ()
    #: What of the request was dropped or made smaller for the target, by the names of its fields.
    adapted: tuple[str, ...] = ()
    #: The names of patterns that the tenant's policy forbids or flags, and that the answer had.
    flags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text blocks, joined: kept once, in `content`."""
        return "".join(_text_in(block) for block in self.content)


def _text_in(block: Json) -> str:
    if "native" in block:
        return dialects.read(block["native"]).text
    if "citationsContent" in block:
        return "".join(map(_text_in, block["citationsContent"].get("content") or ()))
    return block["text"] if isinstance(block.get("text"), str) else ""


def result_document(completion: Completion) -> dict[str, Any]:
    """The public form of an answer: the `result` of a job, and the whole of an object that holds one."""
    return {
        "text": completion.text,
        "content": list(completion.content),
        "stop_reason": completion.stop_reason,
        "filtered": completion.filtered,
    }
