"""What a table of a configuration file may say: a row for each of its fields, with how it is read. Pure.

A `Kind` reads a value, or raises `Wrong` with everything that is wrong in it: whoever mends a file sees all faults at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches
from typing import Any, Final, Generic, TypeVar

from quarry.toml_lines import Path

_T = TypeVar("_T")
_S = TypeVar("_S")
#: Of more than these, nobody reads a list; the nearest one is named.
_LISTED_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a place; `reason` follows its name: "must be a text"."""

    path: Path
    reason: str


class Wrong(Exception):
    """A value is not what it should be: its faults, as seen from where it stands."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.path} {fault.reason}" for fault in faults))
        self.faults = faults

    @classmethod
    def of(cls, reason: str, *path: str | int) -> "Wrong":
        """One fault: of the value itself, or of a place in it."""
        return cls(Fault(path, reason))

    def below(self, *steps: str | int) -> "Wrong":
        """The same, as seen from further up."""
        return Wrong(*(Fault((*steps, *fault.path), fault.reason) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Kind(Generic[_T]):
    """A kind of value: how it is described to who writes the file, and read from what `tomllib` gives; `read` raises Wrong."""

    shape: str
    read: Callable[[Any], _T]


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table: what is written, and what it means."""

    kind: Kind[Any]
    says: str
    required: bool = False


def checked(kind: Kind[_T], check: Callable[[_T], _S], shape: str | None = None) -> Kind[_S]:
    """A kind that is looked at further; `check` returns what is wanted, or raises ValueError with the reason."""

    def read(value: Any) -> _S:
        found = kind.read(value)
        try:
            return check(found)
        except ValueError as error:
            raise Wrong.of(str(error)) from error

    return Kind(shape or kind.shape, read)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong.of(f"is {_shown(value)}, and must be a text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong.of(f"is {_shown(value)}, and must be true or false")
    return value


TEXT: Final = Kind("text", _text)
FLAG: Final = Kind("true or false", _flag)


def whole(least: int, most: int) -> Kind[int]:
    """A whole number within bounds."""
    shape = f"whole number, {least:,} to {most:,}"

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong.of(f"is {_shown(value)}, and must be a {shape}")
        return value

    return Kind(shape, read)


def number(least: float, most: float) -> Kind[float]:
    """A number, with or without a fraction, within bounds."""
    shape = f"number, {least:,} to {most:,}"

    def read(value: Any) -> float:
        # What is no number (nan) is within no bounds.
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong.of(f"is {_shown(value)}, and must be a {shape}")
        return value

    return Kind(shape, read)


def one_of(*known: str) -> Kind[str]:
    """One of a few words."""
    return Kind(" or ".join(f'"{each}"' for each in known), lambda value: _known(value, known))


def list_of(kind: Kind[_T], shape: str, least: int = 0) -> Kind[tuple[_T, ...]]:
    """A list, each entry of a kind; `shape` is said of the list."""

    def read(value: Any) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise Wrong.of(f"is {_shown(value)}, and must be a {shape}")
        if len(value) < least:
            raise Wrong.of(f"is empty, and must have at least {least}")
        return tuple(_all(enumerate(value), lambda _, each: kind.read(each)).values())

    return Kind(shape, read)


def _nothing(_: Mapping[str, Any]) -> Iterable[Fault]:
    return ()


def table(
    rows: Mapping[str, Field], make: Callable[..., _T], together: Callable[[Mapping[str, Any]], Iterable[Fault]] = _nothing
) -> Kind[_T]:
    """A table with these fields.

    `make` is given those that are there, by name, once each is right, and may raise Wrong itself. `together` is shown the table as
    it is written, whatever is wrong with its fields: what it has to say of several of them is told with the rest.
    """

    def read(value: Any) -> _T:
        if not isinstance(value, dict):
            raise Wrong.of(f"is {_shown(value)}, and must be a table")
        faults = [Fault((name,), f"is not known here{nearest(name, rows)}") for name in value if name not in rows]
        faults += [Fault((), f"needs {name}: {row.says}") for name, row in rows.items() if row.required and name not in value]
        faults += together(value)
        known = {name: each for name, each in value.items() if name in rows}
        return make(**_all(known.items(), lambda name, each: rows[name].kind.read(each), faults))

    return Kind("table", read)


def named(check: Callable[[str], None], kind_of: Callable[[str], Kind[_T]], shape: str) -> Kind[dict[str, _T]]:
    """A table of things by name; `check` raises ValueError where a name will not do."""

    def read(value: Any) -> dict[str, _T]:
        if not isinstance(value, dict):
            raise Wrong.of(f"is {_shown(value)}, and must be a table")

        def one(name: str, each: Any) -> _T:
            try:
                check(name)
            except ValueError as error:
                raise Wrong.of(str(error)) from error
            return kind_of(name).read(each)

        return _all(value.items(), one)

    return Kind(shape, read)


def nearest(word: str, known: Collection[str]) -> str:
    """What to say after a word that is none of those known: what was perhaps meant, or all there are, if they are few."""
    if near := get_close_matches(word, known, n=1):
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(known)}" if len(known) <= _LISTED_MAX else ""


_K = TypeVar("_K", str, int)


def _all(entries: Iterable[tuple[_K, Any]], read: Callable[[_K, Any], _T], faults: Iterable[Fault] = ()) -> dict[_K, _T]:
    """Every entry read; where one is wrong, the faults of all."""
    found, wrong = {}, list(faults)
    for step, value in entries:
        try:
            found[step] = read(step, value)
        except Wrong as each:
            wrong += each.below(step).faults
    if wrong:
        raise Wrong(*wrong)
    return found


def _known(value: Any, known: Collection[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise Wrong.of(f"is {_shown(value)}{nearest(str(value), known)}")
    return value


def _shown(value: Any) -> str:
    """A value as it can stand in a sentence; a file may hold much."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
    return repr(value)[:80]
