"""What settings are made of: groups, the names of their variables, and kinds of values that several of them have."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PREFIX: Final = "QUARRY_"
DELIMITER: Final = "__"

Port = Annotated[int, Field(ge=0, le=65535)]


def listed(text: str) -> tuple[str, ...]:
    """`api_key, jwt` → `("api_key", "jwt")`."""
    return tuple(part.strip() for part in text.split(","))


def list_of(known: tuple[str, ...]) -> AfterValidator:
    """A comma-separated list of some of `known`, each once."""

    def check(text: str) -> str:
        parts = listed(text)
        if "" in parts:
            raise ValueError("a part of the list is empty")
        if unknown := [part for part in parts if part not in known]:
            raise ValueError(f"`{unknown[0]}` is none of {', '.join(known)}")
        if len(set(parts)) < len(parts):
            raise ValueError("something is in the list twice")
        return text

    return AfterValidator(check)


class Group(BaseModel):
    """A group of settings. A misspelt name is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def variable_name(path: tuple[str | int, ...]) -> str:
    """`("worker", "slots")` → `QUARRY_WORKER__SLOTS`."""
    if path and path[0] in ("AWS_REGION", "region"):
        return "AWS_REGION"
    return PREFIX + DELIMITER.join(str(part) for part in path).upper()
