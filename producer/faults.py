"""Faults of a request: what pydantic says, and what JSON allows that we cannot keep, as fields and sentences."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from producer.idempotency import canonical
from quarry.errors import FieldFault, InvalidSubmission

#: Our own choice: a caller mends a few at a time.
FAULTS_MAX: Final = 20
_NAME_MAX: Final = 64
#: The path of what is wrong with a body as a whole.
WHOLE_BODY: Final = "body"

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], body: object) -> Model:
    """A body, as its model.

    Raises:
        InvalidSubmission: with a fault for each field.
    """
    if not isinstance(body, dict):
        raise InvalidSubmission(FieldFault(WHOLE_BODY, "must be a JSON object"))
    unkept = tuple(islice(_unkept(body), FAULTS_MAX))
    if unkept:
        raise InvalidSubmission(*unkept)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidSubmission(*told(error.errors(include_url=False, include_context=False, include_input=False))) from None


def told(errors: Sequence[Mapping[str, Any]]) -> tuple[FieldFault, ...]:
    """Pydantic's errors, each `loc` a path as the caller would write it: `stop_sequences[3]`."""
    return tuple(FieldFault(path_of(each["loc"]) or WHOLE_BODY, _message(each)) for each in errors[:FAULTS_MAX])


def path_of(location: Sequence[str | int]) -> str:
    """`("messages", 0, "content")` → `messages[0].content`. Names are the caller's, so they are cut."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # pydantic's mark that a mapping's key is meant, not its value
            path += f".{part[:_NAME_MAX]}" if path else part[:_NAME_MAX]
    return path


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a known field"
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return message[0].lower() + message[1:]


def _unkept(body: Mapping[str, Any]) -> Iterator[FieldFault]:
    """NUL characters, and numbers too large for a float (`1e999`), which would come back as no JSON at all."""
    # Nearly always there is nothing to find, and this tells so at the speed of C.
    text = canonical(body)
    if "\\u0000" in text or "Infinity" in text:
        yield from _search(body, ())


def _search(value: Any, location: tuple[str | int, ...]) -> Iterator[FieldFault]:
    # Recursion is bounded: the parser lets nothing through that is nested deeper than 200 levels.
    if isinstance(value, str):
        if "\0" in value:
            yield FieldFault(path_of(location), "must not hold a NUL character")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield FieldFault(path_of(location), "is out of range")
    elif isinstance(value, dict):
        for name, each in value.items():
            if "\0" in name:
                yield FieldFault(path_of((*location, name)), "must not hold a NUL character in its name")
            yield from _search(each, (*location, name))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _search(each, (*location, i))
