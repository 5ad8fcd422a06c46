"""What is sent to `/_simulator` or stands in a script: read strictly, and refused in one sentence."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Part(BaseModel):
    """A piece of JSON in which nothing may be mistyped."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Kind = TypeVar("_Kind", bound=Part)


def parsed(kind: type[_Kind], value: Any, name: str) -> _Kind:
    """Read one; `name` is what a fault of the whole is said of.

    Raises:
        ValueError: one sentence that names the places at fault.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        places = (
            f"{'.'.join(map(str, each['loc'])) or name}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False)
        )
        raise ValueError("; ".join(places)) from error
