"""The bodies of embedding models. Their vectors say nothing: they are of the right size, and always the same for the same text.

Formats: "Amazon Titan Embeddings G1 - Text" and "Cohere Embed v3" in the Bedrock User Guide, read in November 2026; that G1 and
Cohere's v3 have 1,536 and 1,024 dimensions is our knowledge.
"""

import hashlib
import math
from typing import Any, Final

from quarry.invocation import Json
from quarry.simulator.wire import Generation, Refusal

TITAN_V2: Final = frozenset({"inputText", "dimensions", "normalize", "embeddingTypes"})
COHERE: Final = frozenset({"texts", "input_type", "images", "truncate", "embedding_types"})

_TITAN_DIMENSIONS: Final = (1024, 512, 256)
_G1_DIMENSIONS: Final = 1536
_COHERE_DIMENSIONS: Final = 1024
_COHERE_TEXTS_MAX: Final = 96
_COHERE_CHARACTERS_MAX: Final = 2048
_COHERE_INPUTS: Final = ("search_document", "search_query", "classification", "clustering")


def read_titan(body: Json) -> dict[str, Any]:
    """Titan's request, of either version, as Converse would have it."""
    if body.get("dimensions", _TITAN_DIMENSIONS[0]) not in _TITAN_DIMENSIONS:
        raise _malformed(f"dimensions: must be one of {', '.join(map(str, _TITAN_DIMENSIONS))}")
    if not set(body.get("embeddingTypes", ["float"])) <= {"float", "binary"}:
        raise _malformed("embeddingTypes: must be of float, binary")
    return {"messages": _asked(body["inputText"])}


def say_titan(generation: Generation, body: Json) -> dict[str, Any]:
    """Version 2's answer."""
    values = vector(body["inputText"], body.get("dimensions", _TITAN_DIMENSIONS[0]))
    kinds = {"float": values, "binary": [int(value > 0) for value in values]}
    by_type = {kind: kinds[kind] for kind in body.get("embeddingTypes", ["float"])}
    return {"embedding": values, "embeddingsByType": by_type, "inputTextTokenCount": generation.input_tokens}


def say_titan_g1(generation: Generation, body: Json) -> dict[str, Any]:
    """Version 1's answer."""
    return {"embedding": vector(body["inputText"], _G1_DIMENSIONS), "inputTextTokenCount": generation.input_tokens}


def read_cohere(body: Json) -> dict[str, Any]:
    """Cohere's request as Converse would have it: a block for each text."""
    texts = body["texts"]
    if "images" in body or set(body.get("embedding_types", ["float"])) != {"float"}:
        raise Refusal("ValidationException", "The simulator embeds texts only, and as float only.")
    if body["input_type"] not in _COHERE_INPUTS:
        raise _malformed(f"#/input_type: must be one of {', '.join(_COHERE_INPUTS)}")
    if len(texts) > _COHERE_TEXTS_MAX:
        raise _malformed(f"#/texts: expected maximum item count: {_COHERE_TEXTS_MAX}, found: {len(texts)}")
    for i, text in enumerate(texts):
        if len(text) > _COHERE_CHARACTERS_MAX:
            # The words: github.com/aws-samples/bedrock-access-gateway/issues/41.
            raise _malformed(f"#/texts/{i}: expected maxLength: {_COHERE_CHARACTERS_MAX}, actual: {len(text)}")
    return {"messages": _asked(*texts)}


def say_cohere(_generation: Generation, body: Json) -> dict[str, Any]:
    """Cohere's answer; by type, where types were asked for."""
    vectors = [vector(text, _COHERE_DIMENSIONS) for text in body["texts"]]
    by_type = "embedding_types" in body
    return {
        "id": "simulated",
        "texts": body["texts"],
        "embeddings": {"float": vectors} if by_type else vectors,
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
    }


def vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that says nothing, always the same for the same text."""
    raw = hashlib.shake_256(text.encode()).digest(dimensions)
    values = [byte / 127.5 - 1.0 for byte in raw]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def _asked(*texts: Any) -> list[Any]:
    return [{"role": "user", "content": [{"text": text} for text in texts]}]


def _malformed(what: str) -> Refusal:
    return Refusal("ValidationException", f"Malformed input request: {what}, please reformat your input and try again.")
