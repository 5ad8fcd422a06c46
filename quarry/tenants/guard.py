"""What a tenant's texts may hold: `guard` in `tenants.toml`. A new bound is a row, and a member of the dataclass."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from quarry.guard.patterns import PROGRAM_MAX, Action, Forbidden, Side
from quarry.toml_fields import FLAG, TEXT, Field, Wrong, checked, list_of, one_of, table

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
#: Our own choice: each costs a search of every text.
_FORBIDDEN_MAX: Final = 100
#: And this is what all of them may cost at worst.
_PROGRAMS_MAX: Final = 5 * PROGRAM_MAX
_SIDES: Final[Mapping[str, frozenset[Side]]] = {
    "input": frozenset({"input"}),
    "output": frozenset({"output"}),
    "both": frozenset({"input", "output"}),
}


@dataclass(frozen=True, slots=True)
class Guard:
    """What holds for a tenant's texts."""

    #: Patterns, as listed.
    forbidden: tuple[Forbidden, ...] = ()

    @property
    def weight(self) -> int:
        """What a search of a text costs at worst, for each character: instructions of RE2's."""
        return sum(each.program for each in self.forbidden)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"is {name[:80]!r}, and must be a name: a-z, then up to 63 of a-z, 0-9, - and _")
    return name


FORBIDDEN: Final[Mapping[str, Field]] = {
    "name": Field(checked(TEXT, _name, "name"), "What callers and flags are told: never the text.", required=True),
    "pattern": Field(
        TEXT,
        "A regular expression in RE2's syntax: without look-around and back-references. It is looked for anywhere.",
        required=True,
    ),
    "where": Field(one_of(*_SIDES), "Which texts: what is submitted (the default), what is answered, or both."),
    "action": Field(
        one_of("refuse", "flag"),
        "`refuse` (the default): a submission is refused, an answer is withheld; `flag`: the job says the name in `flags`.",
    ),
    "case_sensitive": Field(FLAG, "Whether capitals and small letters differ; as a rule they do not."),
}


def _forbidden(name: str, pattern: str, where: str = "input", action: Action = "refuse", case_sensitive: bool = False) -> Forbidden:
    try:
        return Forbidden(name, pattern, _SIDES[where], action, case_sensitive)
    except ValueError as error:
        raise Wrong.of(str(error), "pattern") from error


def _each_once(forbidden: tuple[Forbidden, ...]) -> tuple[Forbidden, ...]:
    names = [each.name for each in forbidden]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names {', '.join(repeated)} twice")
    if len(names) > _FORBIDDEN_MAX:
        raise ValueError(f"has {len(names)} patterns, and may have {_FORBIDDEN_MAX}")
    if (programs := sum(each.program for each in forbidden)) > _PROGRAMS_MAX:
        raise ValueError(f"is {programs:,} instructions of RE2's in all, and may be {_PROGRAMS_MAX:,}; repeat less")
    return forbidden


GUARD: Final[Mapping[str, Field]] = {
    "forbidden": Field(
        checked(list_of(table(FORBIDDEN, _forbidden), "list of tables"), _each_once),
        "Patterns: `[[tenants.NAME.guard.forbidden]]`. Those of `[default]` hold where a tenant lists none of its own.",
    ),
}
