"""InvokeModel's bodies at the simulator: each family's request read as a Converse one, and a generation said in its words.

So rules, brain and validation know one form only. Formats: the pages on inference request parameters in the Bedrock User Guide
(November 2026); they were not compared with the service.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from quarry.invocation import Json
from quarry.simulator import anthropic, embeddings
from quarry.simulator.catalogue import foundation_of
from quarry.simulator.eventstream import pieces, said
from quarry.simulator.wire import Generation, Refusal, text_of


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
    #: All members that a request may have; None where they are many and change.
    known: frozenset[str] | None = None
    #: Whether the model says something; an embedding is made of the request alone.
    generates: bool = True


def dialect_of(model: str, body: Json) -> Dialect:
    """The family that a model id or ARN belongs to. Where that does not say, the first whose members the body has: our own choice.

    Raises:
        Refusal: no model's id, or a family that is not spoken here.
    """
    base = foundation_of(model)
    for start, dialect in _DIALECTS.items():
        if base.startswith(start) if base else body.keys() >= set(dialect.required):
            return dialect
    raise Refusal("ValidationException", f"The simulator does not speak the bodies of {model}.")


def read_native(dialect: Dialect, body: Json) -> dict[str, Any]:
    """A request as Converse would have it.

    Raises:
        Refusal: a ValidationException: a member is missing, unknown, or of the wrong kind.
    """
    for name in dialect.required:
        if name not in body:
            raise _missing(dialect, name)
    for name in body:
        if dialect.known is not None and name not in dialect.known:
            # The words: github.com/BerriAI/litellm/issues/30314.
            raise _malformed(f"#: extraneous key [{name}] is not permitted")
    try:
        return {name: value for name, value in dialect.read(body).items() if value not in (None, {}, [])}
    except (TypeError, AttributeError, KeyError) as error:
        raise _malformed("a member is of the wrong type") from error


def _nova(body: Json) -> dict[str, Any]:
    asked = body.get("inferenceConfig", {})
    config = _given(
        maxTokens=asked.get("maxTokens", asked.get("max_new_tokens")),
        temperature=asked.get("temperature"),
        topP=asked.get("topP", asked.get("top_p")),
        stopSequences=asked.get("stopSequences"),
    )
    passed = {name: body.get(name) for name in ("system", "toolConfig")}
    return {"messages": body["messages"], "inferenceConfig": config, **passed}


def _say_nova(generation: Generation, _body: Json) -> dict[str, Any]:
    used = {"inputTokens": generation.input_tokens, "outputTokens": generation.output_tokens}
    return {
        "output": {"message": {"role": "assistant", "content": generation.content}},
        "stopReason": generation.stop_reason,
        "usage": {**used, "totalTokens": generation.input_tokens + generation.output_tokens},
    }


def _stream_nova(generation: Generation) -> Iterator[dict[str, Any]]:
    """Converse's events, each a chunk."""
    for name, body in said(generation, 0):
        yield {name: {"usage": body["usage"]} if name == "metadata" else body}


def _titan(body: Json) -> dict[str, Any]:
    asked = body.get("textGenerationConfig", {})
    config = _given(
        maxTokens=asked.get("maxTokenCount"),
        temperature=asked.get("temperature"),
        topP=asked.get("topP"),
        stopSequences=asked.get("stopSequences"),
    )
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
    config = _given(maxTokens=body.get("max_gen_len"), temperature=body.get("temperature"), topP=body.get("top_p"))
    return {"messages": _prompted(body["prompt"]), "inferenceConfig": config}


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


_CLAUDE: Final = Dialect(anthropic.REQUIRED, anthropic.read, anthropic.say, anthropic.stream)
_TITAN_TEXT: Final = Dialect(
    ("inputText",), _titan, _say_titan, _stream_titan, known=frozenset({"inputText", "textGenerationConfig"})
)
_TITAN_V2: Final = Dialect(("inputText",), embeddings.read_titan, embeddings.say_titan, known=embeddings.TITAN_V2, generates=False)
_TITAN_G1: Final = Dialect(
    ("inputText",), embeddings.read_titan, embeddings.say_titan_g1, known=frozenset({"inputText"}), generates=False
)
_COHERE: Final = Dialect(
    ("texts", "input_type"), embeddings.read_cohere, embeddings.say_cohere, known=embeddings.COHERE, generates=False
)

#: How a model's id begins → its family; the first that fits.
_DIALECTS: Final[Mapping[str, Dialect]] = {
    "anthropic.": _CLAUDE,
    "amazon.nova-": Dialect(("messages",), _nova, _say_nova, _stream_nova),
    "amazon.titan-text-": _TITAN_TEXT,
    "amazon.titan-embed-text-v2": _TITAN_V2,
    "amazon.titan-embed-text-v1": _TITAN_G1,
    "amazon.titan-embed-g1-text": _TITAN_G1,
    "cohere.embed-english-v3": _COHERE,
    "cohere.embed-multilingual-v3": _COHERE,
    "meta.llama": Dialect(("prompt",), _llama, _say_llama, _stream_llama),
}


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _prompted(text: Any) -> list[Any]:
    return [{"role": "user", "content": [{"text": text}]}]


def _missing(dialect: Dialect, name: str) -> Refusal:
    if dialect is _CLAUDE:
        # The words of today: github.com/QuantumNous/new-api/issues/3339.
        return Refusal("ValidationException", f"{name}: Field required")
    # The words: github.com/promptfoo/promptfoo/issues/916.
    return _malformed(f"#: required key [{name}] not found")


def _malformed(what: str) -> Refusal:
    return Refusal("ValidationException", f"Malformed input request: {what}, please reformat your input and try again.")
