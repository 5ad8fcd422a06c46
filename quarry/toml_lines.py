"""In which line of a TOML text a table, a key or an entry of a list stands: `tomllib` gives values only.

The text is one that `tomllib` has read, so nothing is judged here; it is only walked through. Nothing else was found that is kept
and says it: tomlkit 0.15 keeps no positions, and spanned-toml is one release, of a copy of tomli 2.0.1 (November 2026).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

#: Keys, and indices of lists, from the top: `("routes", "default", "targets", 0, "model")`.
Path: TypeAlias = tuple[str | int, ...]

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED: Final = re.compile(rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*")
_GAP: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SEPARATOR: Final = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_EQUALS: Final = re.compile(r"[ \t]*=[ \t]*")
#: A text of several lines may end in two quotes of its own. Numbers, dates and flags hold neither a comma nor a bracket.
_SCALAR: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|[^,\[\]{}#\n]+",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """The line, counted from 1, of each table (its header), key and entry of a list; of a table that is only implied, its first."""
    lines: dict[Path, int] = {}
    for path, at in _Walk(text).places():
        line = text.count("\n", 0, at) + 1
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], line)
        lines[path] = line
    return lines


def line_in(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a place, or of the nearest one around it that is there; 1 for the file itself."""
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 1)


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        #: How many tables each list of tables has by now.
        self._counts: dict[Path, int] = {}

    def places(self) -> Iterator[tuple[Path, int]]:
        """Every place and where it begins, in the order of the text."""
        table: Path = ()
        while self._skip(_GAP) < len(self._text):
            began = self._at
            if self._text[began] == "[":
                table = self._header()
                yield table, began
            else:
                yield from self._pair(table)

    def _header(self) -> Path:
        is_list = self._text.startswith("[[", self._at)
        self._at += 2 if is_list else 1
        self._skip(_GAP)
        *above, last = self._key()
        self._skip(_GAP)
        self._at += 2 if is_list else 1
        path: Path = ()
        for part in above:
            path = self._entered((*path, part))
        path = (*path, last)
        if is_list:
            self._counts[path] = self._counts.get(path, 0) + 1
        return self._entered(path)

    def _entered(self, path: Path) -> Path:
        """A header's part that names a list of tables means the last of them."""
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def _pair(self, table: Path) -> Iterator[tuple[Path, int]]:
        began = self._at
        path = (*table, *self._key())
        yield path, began
        self._skip(_EQUALS)
        yield from self._value(path)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        opening = self._text[self._at]
        if opening not in "[{":
            self._skip(_SCALAR)
            return
        self._at += 1
        entry = 0
        while self._text[self._skip(_SEPARATOR)] not in "]}":
            if opening == "{":
                yield from self._pair(path)
            else:
                yield (*path, entry), self._at
                yield from self._value((*path, entry))
                entry += 1
        self._at += 1

    def _key(self) -> tuple[str, ...]:
        began = self._at
        text = self._text[began : self._skip(_DOTTED)]
        found = tomllib.loads(f"{text} = 0")
        parts = []
        while isinstance(found, dict):
            [(part, found)] = found.items()
            parts.append(part)
        return tuple(parts)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        """Go past what the pattern matches here, if it does; returns where that is."""
        if found := pattern.match(self._text, self._at):
            self._at = found.end()
        return self._at
