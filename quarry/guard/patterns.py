"""What a tenant's texts must not hold: regular expressions of an operator's, looked for in normalised text. Pure.

By RE2, whose time is linear in the text, whatever is written: an expression that Python's own `re` would work at for years costs
what any other does. What RE2 cannot do for that (look-around, back-references) is refused where the file is read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from quarry.guard.normal import normalised, readings
from quarry.guard.texts import Steps

#: Which texts: what is sent to a model, or what it answers.
Side: TypeAlias = Literal["input", "output"]
Action: TypeAlias = Literal["refuse", "flag"]

#: Our own choices: room for any sensible expression, and a bound on what the worst one costs. That grows with its program: one of
#: 485 instructions took 2 s for a million characters, and sensible ones 2 ms (measured in November 2026 on one core).
PATTERN_CHARACTERS_MAX: Final = 1000
PROGRAM_MAX: Final = 2000
#: What an expression may take, compiled and while it is looked for, by RE2's own measure.
_MEMORY_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A pattern by its name, which callers are told; `compiled` finds it."""

    name: str
    pattern: str
    sides: frozenset[Side] = frozenset({"input"})
    action: Action = "refuse"
    case_sensitive: bool = False
    compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile it.

        Raises:
            ValueError: it is no expression of RE2's, or can never match; the reason.
        """
        object.__setattr__(self, "compiled", _compiled(self.pattern, self.case_sensitive))

    @property
    def program(self) -> int:
        """How many instructions it is: what it costs at worst, for each character."""
        return int(self.compiled.programsize)

    def is_in(self, text: bytes) -> bool:
        """Whether a normalised text, as UTF-8, has it."""
        return self.compiled.search(text) is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """A forbidden pattern, and where it was. Nothing of the text: neither what matched, nor a member's name that did."""

    forbidden: Forbidden
    steps: Steps


def findings(forbidden: Iterable[Forbidden], side: Side, texts: Iterable[tuple[Steps, str]]) -> Iterator[Finding]:
    """Each text in which a pattern of that side is, for each pattern."""
    sought = [each for each in forbidden if side in each.sides]
    if not sought:
        return
    for steps, text in texts:
        seen = [reading.encode() for reading in readings(text)]
        for each in sought:
            if any(map(each.is_in, seen)):
                yield Finding(each, _told(steps, sought))


def _told(steps: Steps, sought: list[Forbidden]) -> Steps:
    """A place, up to where its own names are what is forbidden."""
    for i, step in enumerate(steps):
        if isinstance(step, str) and any(each.is_in(reading.encode()) for reading in readings(step) for each in sought):
            return steps[:i]
    return steps


def _compiled(pattern: str, case_sensitive: bool) -> Any:
    import re2  # a library of 2 MB that only tenants with patterns need

    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise ValueError(f"has {len(pattern):,} characters, and may have {PATTERN_CHARACTERS_MAX:,}")
    if normalised(pattern) != pattern:
        raise ValueError("can never match: texts are looked at in NFKC, without invisible characters, and it is written otherwise")
    options = re2.Options()
    options.max_mem, options.case_sensitive, options.log_errors, options.never_capture = (
        _MEMORY_MAX_BYTES, case_sensitive, False, True,
    )  # fmt: skip
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise ValueError(f"is no expression of RE2's: {said.decode() if isinstance(said, bytes) else said}") from None
    if compiled.programsize > PROGRAM_MAX:
        raise ValueError(f"is a program of {compiled.programsize:,} instructions, and may be one of {PROGRAM_MAX:,}; repeat less")
    if compiled.search(b"") is not None:
        raise ValueError("matches an empty text, and so everything")
    return compiled
