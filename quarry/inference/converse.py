"""What Converse's request may look like, read from the installed botocore's service model: nothing of it is repeated here.

A submission is checked before it becomes a job, so that a mistyped block is the caller's `422` and not a failed job later.
What AWS may widen without us is left to AWS: enums (but the role's), upper bounds, patterns. Nesting is bounded by the model,
which has no recursive shape, and for its free-form documents by us.

In a job, binary is base64 text. botocore wants bytes, and encodes them itself: `decoded` and `encoded` are the two directions.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from quarry.errors import FieldFault
from quarry.invocation import Json

#: Converse members that are not passed through, and what a submission says instead.
OWNED_FIELDS: Final[Mapping[str, str]] = {
    "modelId": "`model` names the model",
    "messages": "they are `messages` of the submission",
    "system": "it is `system` of the submission",
    "inferenceConfig": "use `max_tokens`, `temperature`, `top_p` and `stop_sequences`",
    "requestMetadata": "Quarry marks its calls with it; use `metadata`",
}

#: Our own choice: a caller mends a few at a time.
_FAULTS_MAX: Final = 20
#: Our own choice, far above any tool's schema and far below Python's recursion limit.
_DOCUMENT_DEPTH_MAX: Final = 64
_NAME_MAX: Final = 64

_Faults = Iterator[FieldFault]


def faults(*, messages: Any, system: Any, converse: Any) -> tuple[FieldFault, ...]:
    """What is wrong with the Converse part of a submission; empty where it can be sent.

    Args:
        messages: The conversation; each `content` is a list of blocks already.
        system: The system blocks; may be empty.
        converse: Further members of Converse's request, by their AWS names.

    Returns:
        At most 20 faults, their paths as the caller wrote the fields: `messages[0].content[1].image.source.bytes`.
    """

    def found() -> _Faults:
        members = request_shape().members
        yield from _walk(members["messages"], messages, "messages")
        yield from _empty(messages)
        yield from _walk(members["system"], system, "system")
        if not isinstance(converse, Mapping):
            yield FieldFault("converse", "must be an object")
            return
        for name, value in converse.items():
            path = f"converse.{name[:_NAME_MAX]}"
            if name in OWNED_FIELDS:
                yield FieldFault(path, f"cannot be given here: {OWNED_FIELDS[name]}")
            elif name not in members:
                yield FieldFault(path, "is not a field of Converse")
            else:
                yield from _walk(members[name], value, path)

    return tuple(islice(found(), _FAULTS_MAX))


def decoded(request: Json) -> dict[str, Any]:
    """Converse's keyword arguments as botocore wants them: bytes where a job has base64 text.

    What does not fit the model is left as it is, for botocore to refuse.

    Raises:
        ValueError: a text is not base64.
    """
    decoded: dict[str, Any] = _decoded(request_shape(), request)
    return decoded


def encoded(content: Any) -> Any:
    """An answer's value, JSON-safe: base64 text where botocore gave bytes."""
    if isinstance(content, bytes):
        return base64.b64encode(content).decode("ascii")
    if isinstance(content, Mapping):
        return {name: encoded(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [encoded(value) for value in content]
    return content


def body_faults(body: Json, shape: str = "ConverseRequest") -> tuple[FieldFault, ...]:
    """What is wrong with a whole request body, as it is on the wire; at most 20 faults. `shape` names the input in the model."""
    members = body_members(shape)

    def found() -> _Faults:
        for name, value in body.items():
            if name not in members:
                yield FieldFault(name[:_NAME_MAX], "is unknown")
            else:
                yield from _walk(members[name], value, name)

    return tuple(islice(found(), _FAULTS_MAX))


@cache
def body_members(shape: str) -> Mapping[str, Shape]:
    """The members of an input shape that are in its body, not in the path or a header."""
    members: Mapping[str, Shape] = service_model().shape_for(shape).members  # type: ignore[attr-defined]
    return {name: each for name, each in members.items() if "location" not in each.serialization}


@cache
def service_model() -> ServiceModel:
    """Bedrock Runtime, as the installed botocore knows it."""
    # Not at import: reading the model takes a moment, and most processes never need it.
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


@cache
def request_shape() -> StructureShape:
    """Converse's request."""
    shape = service_model().operation_model("Converse").input_shape
    assert isinstance(shape, StructureShape)  # noqa: S101 - an operation with a body has one
    return shape


def _empty(messages: Any) -> _Faults:
    """Converse's model does not say it, its service does: there is nothing to answer."""
    if not isinstance(messages, Sequence):
        return
    if not messages:
        yield FieldFault("messages", "must not be empty")
    for i, message in enumerate(messages):
        if isinstance(message, Mapping) and message.get("content") in ([], ()):
            yield FieldFault(f"messages[{i}].content", "must not be empty")


def _walk(shape: Shape, value: Any, path: str) -> _Faults:
    fault = _own_fault(shape, value)
    if fault:
        yield FieldFault(path, fault)
    elif _is_document(shape):
        return
    elif isinstance(shape, StructureShape):
        yield from _walk_structure(shape, value, path)
    elif isinstance(shape, ListShape):
        for i, each in enumerate(value):
            yield from _walk(shape.member, each, f"{path}[{i}]")
    elif isinstance(shape, MapShape):
        for name, each in value.items():
            yield from _walk(shape.value, each, f"{path}.{name[:_NAME_MAX]}")


def _own_fault(shape: Shape, value: Any) -> str | None:
    """What is wrong with the value itself, not with its parts."""
    if _is_document(shape):
        return f"is nested deeper than {_DOCUMENT_DEPTH_MAX} levels" if depth_exceeds(value, _DOCUMENT_DEPTH_MAX) else None
    noun, fits = _KINDS[shape.type_name]
    if not fits(value):
        return f"must be {noun}"
    least = shape.metadata.get("min", 0)
    if shape.type_name in _NUMBERS:
        return f"must be at least {least}" if value < least else None
    if least and len(value) < least:
        return "must not be empty" if least == 1 else f"needs at least {least} items"
    if shape.name == "ConversationRole" and value not in shape.metadata["enum"]:
        return f"must be one of {', '.join(shape.metadata['enum'])}"
    return None


def _walk_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> _Faults:
    if shape.is_tagged_union and len(value) != 1:
        yield FieldFault(path, f"needs exactly one of {', '.join(shape.members)}")
        return
    for name in shape.required_members:
        if name not in value:
            yield FieldFault(f"{path}.{name}", "is missing")
    for name, each in value.items():
        if name not in shape.members:
            yield FieldFault(f"{path}.{name[:_NAME_MAX]}", f"is unknown; it can be {', '.join(shape.members)}")
        else:
            yield from _walk(shape.members[name], each, f"{path}.{name}")


def _decoded(shape: Shape, value: Any) -> Any:
    if _is_document(shape):
        return value
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {name: _decoded(shape.members[name], each) if name in shape.members else each for name, each in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, (list, tuple)):
        return [_decoded(shape.member, each) for each in value]
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    return value


def _is_document(shape: Shape) -> bool:
    """Whether any JSON fits."""
    return isinstance(shape, StructureShape) and shape.is_document_type


def _is_base64(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def depth_exceeds(value: Any, levels: int) -> bool:
    """Whether objects and lists lie in one another more than so many deep."""
    if isinstance(value, Mapping):
        return levels == 0 or any(depth_exceeds(each, levels - 1) for each in value.values())
    if isinstance(value, (list, tuple)):
        return levels == 0 or any(depth_exceeds(each, levels - 1) for each in value)
    return False


def _is(*kinds: type) -> Callable[[Any], bool]:
    # To Python a bool is a number; to JSON it is not.
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


_NUMBERS: Final = frozenset({"integer", "long", "float", "double"})
#: Kind of shape → what a caller must give, and whether a value is that.
_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "structure": ("an object", _is(Mapping)),
    "map": ("an object", _is(Mapping)),
    "list": ("a list", _is(list, tuple)),
    "string": ("a text", _is(str)),
    "blob": ("base64 text", _is_base64),
    "boolean": ("true or false", _is(bool)),
    "integer": ("a whole number", _is(int)),
    "long": ("a whole number", _is(int)),
    "float": ("a number", _is(int, float)),
    "double": ("a number", _is(int, float)),
}
