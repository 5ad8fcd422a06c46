"""A service model as a judge: does a value on the wire fit a shape, which values does a shape allow, and which not.

Written without the product's own reading of the model, so that neither repeats the other's mistakes.
"""

import base64
import binascii
import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.session import get_session

#: botocore's.
MODEL: Final[Any] = get_session().get_service_model("bedrock-runtime")
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "structure": (dict,), "map": (dict,), "list": (list,), "string": (str,), "blob": (str,), "boolean": (bool,),
    "integer": (int,), "long": (int,), "float": (int, float), "double": (int, float),
}  # fmt: skip
#: Something that each kind of scalar is not.
_OTHER_KIND: Final[Mapping[str, Any]] = {
    "structure": "x", "map": "x", "list": "x", "string": 7, "blob": 7, "boolean": "x", "integer": "x", "long": "x", "float": "x",
    "double": "x",
}  # fmt: skip
#: A value for each pattern that "a" does not fit.
_FITTING: Final = (
    "a", "1", "arn:aws:bedrock:us-east-1:123456789012:guardrail/a", "s3://aaa/a", "123456789012", "aaaaaaaaaa",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0",
)  # fmt: skip


def in_body(shape: StructureShape) -> dict[str, Shape]:
    """The members of an input or output that are in its body."""
    return {name: each for name, each in shape.members.items() if "location" not in each.serialization}


def in_headers(shape: StructureShape) -> dict[str, Shape]:
    """The members that are headers, by the header's name."""
    return {each.serialization["name"]: each for each in shape.members.values() if each.serialization.get("location") == "header"}


def unfit(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """Every place where a value does not fit."""
    if isinstance(shape, StructureShape) and shape.is_document_type:
        return
    if type(value) not in _KINDS[shape.type_name]:
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    yield from (f"{path}: {fault}" for fault in _rules_broken(shape, value))
    if isinstance(shape, StructureShape):
        yield from (f"{path}.{name} is missing" for name in shape.required_members if name not in value)
        yield from (f"{path}.{name} is unknown" for name in value if name not in shape.members)
        if shape.is_tagged_union and len(value) != 1:
            yield f"{path} has {len(value)} members, not one"
        for name in value.keys() & shape.members.keys():
            yield from unfit(shape.members[name], value[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for i, each in enumerate(value):
            yield from unfit(shape.member, each, f"{path}[{i}]")
    elif isinstance(shape, MapShape):
        for name, each in value.items():
            yield from unfit(shape.key, name, f"{path}.{name}")
            yield from unfit(shape.value, each, f"{path}.{name}")


def samples(shape: Shape) -> list[Any]:
    """Values that fit, together with every member of every part: unions need one value for each of their members."""
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return [{"any": ["thing"]}]
        if shape.is_tagged_union:
            return [{name: each} for name, member in shape.members.items() for each in samples(member)]
        by_member = {name: samples(member) for name, member in shape.members.items()}
        usual = {name: values[0] for name, values in by_member.items()}
        rest = [{**usual, name: each} for name, values in by_member.items() for each in values[1:]]
        return [usual, *rest]
    if isinstance(shape, ListShape):
        return [[each] * max(1, shape.metadata.get("min", 0)) for each in samples(shape.member)]
    if isinstance(shape, MapShape):
        return [{samples(shape.key)[0]: each} for each in samples(shape.value)]
    return [_scalar(shape)]


def spoiled(shape: Shape, value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The value, each time with one thing in it that the model rules out; and what that is."""
    if isinstance(shape, StructureShape) and shape.is_document_type:
        return
    yield f"{path}: another kind", _OTHER_KIND[shape.type_name]
    yield from ((f"{path}: {what}", other) for what, other in _too_much(shape, value))
    if isinstance(shape, StructureShape):
        yield f"{path}: an unknown member", {**value, "noSuchMember": 1}
        for name in shape.required_members:
            yield f"{path}: no {name}", {member: each for member, each in value.items() if member != name}
        for name, each in value.items():
            yield from ((what, {**value, name: other}) for what, other in spoiled(shape.members[name], each, f"{path}.{name}"))
    elif isinstance(shape, ListShape):
        for what, other in spoiled(shape.member, value[0], f"{path}[0]"):
            yield what, [other, *copy.deepcopy(value[1:])]
    elif isinstance(shape, MapShape):
        [(name, each)] = value.items()
        for what, other in spoiled(shape.value, each, f"{path}.{name}"):
            yield what, {name: other}


def _rules_broken(shape: Shape, value: Any) -> Iterator[str]:
    rules = shape.metadata
    measured = _measured(shape, value)
    if "enum" in rules and value not in rules["enum"]:
        yield f"{value!r} is not of {rules['enum']}"
    if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        yield f"{value!r} does not fit {rules['pattern']}"
    if measured is None:
        yield "is not base64"
    elif not rules.get("min", measured) <= measured <= rules.get("max", measured):
        yield f"{measured} is not within {rules.get('min')} and {rules.get('max')}"


def _measured(shape: Shape, value: Any) -> float | None:
    if shape.type_name == "blob":
        try:
            return len(base64.b64decode(value, validate=True))
        except binascii.Error:
            return None
    return len(value) if isinstance(value, (str, Sequence, Mapping)) else float(value)


def _scalar(shape: Shape) -> Any:
    rules = shape.metadata
    if shape.type_name == "string":
        if "enum" in rules:
            return rules["enum"][0]
        least = "a" * max(1, rules.get("min", 0))
        return next(each for each in (least, *_FITTING) if re.fullmatch(rules.get("pattern", ".*"), each))
    return {"blob": "aGk=", "boolean": True}.get(shape.type_name, max(1, rules.get("min", 0)))


def _too_much(shape: Shape, value: Any) -> Iterator[tuple[str, Any]]:
    rules = shape.metadata
    if "enum" in rules:
        yield "no such word", "no-such-word"
    if "max" in rules and rules["max"] <= 10_000:
        most = rules["max"]
        more: dict[str, Callable[[], Any]] = {
            "string": lambda: "a" * (most + 1),
            "list": lambda: [value[0]] * (most + 1),
            "map": lambda: {f"a{i}": next(iter(value.values())) for i in range(most + 1)},
            "blob": lambda: base64.b64encode(b"a" * (most + 1)).decode(),
        }
        yield f"more than {most}", more[shape.type_name]() if shape.type_name in more else most + 1
    if rules.get("min"):
        least = rules["min"]
        yield f"less than {least}", {"string": "", "list": [], "map": {}, "blob": ""}.get(shape.type_name, least - 1)
    if "pattern" in rules and shape.type_name == "string":
        other = next((each for each in ("\x00", "?!") if not re.fullmatch(rules["pattern"], each)), None)
        if other:
            yield "another pattern", other
