"""Lines of a TOML text: every table, key and entry is found where it was written."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.toml_lines import Path, line_in, lines_of

TEXT = '''# [routes.not]
[routes.default] # x
a = "# no [x] \\" = 1"
b.c = [1, [2, 3], # ] , =
  {d = """x
y = 1 \\"""", e = 'it, "s"'}]

[[routes.default.targets]]
model = """
[not.a.header]
x = 1"""""
adapt = { drop = ["x", "y"], max_tokens = 5 }
[[ "routes" . default.targets ]]
"quoted.key" = 1979-05-27 07:32:00
'literal' = LLL[
LLL
[routes.default.targets.price]
input = 1_000.5
'''.replace("LLL", "'" * 3)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (2, ("routes",)),
        (2, ("routes", "default")),
        (3, ("routes", "default", "a")),
        (4, ("routes", "default", "b", "c", 1, 1)),
        (5, ("routes", "default", "b", "c", 2, "d")),
        (6, ("routes", "default", "b", "c", 2, "e")),
        (8, ("routes", "default", "targets")),
        (8, ("routes", "default", "targets", 0)),
        (9, ("routes", "default", "targets", 0, "model")),
        (12, ("routes", "default", "targets", 0, "adapt", "drop", 1)),
        (12, ("routes", "default", "targets", 0, "adapt", "max_tokens")),
        (13, ("routes", "default", "targets", 1)),
        (14, ("routes", "default", "targets", 1, "quoted.key")),
        (15, ("routes", "default", "targets", 1, "literal")),
        (17, ("routes", "default", "targets", 1, "price")),
        (18, ("routes", "default", "targets", 1, "price", "input")),
    ],
)
def test_a_place_is_in_its_line(line: int, path: Path) -> None:
    """Whatever looks like a header or a key inside a text or a comment is none."""
    tomllib.loads(TEXT)
    assert lines_of(TEXT)[path] == line
    assert lines_of(TEXT.replace("\n", "\r\n"))[path] == line


def test_nothing_else_is_found() -> None:
    """Each place that has a line is one of the document."""
    document = tomllib.loads(TEXT)
    for path in lines_of(TEXT):
        found = document
        for step in path:
            found = found[step]  # type: ignore[index]


def test_a_place_that_is_not_there_is_where_it_would_be() -> None:
    """A field that is missing is missing in its table; what is nowhere is wrong with the file."""
    lines = lines_of(TEXT)
    assert line_in(lines, ("routes", "default", "targets", 0, "region")) == 8
    assert line_in(lines, ("routes", "other")) == 2
    assert line_in(lines, ("providers",)) == line_in(lines, ()) == 1


def test_a_header_that_follows_its_parts_is_in_its_own_line() -> None:
    """A table is first implied by one below it, and may have its own header later."""
    assert lines_of("[a.b]\nc = 1\n\n[a]\nd = 2\n")["a",] == 4


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=8)
SCALARS = st.one_of(WORDS, st.integers(-9, 9**9), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6)
TABLES = st.dictionaries(
    WORDS, st.dictionaries(WORDS, VALUES, max_size=4) | st.lists(st.dictionaries(WORDS, VALUES, max_size=3), max_size=3)
)


class Writer:
    """Writes TOML with odd gaps, and keeps where it wrote what."""

    def __init__(self, gaps: st.DataObject) -> None:
        self.text = ""
        self.lines: dict[Path, int] = {}
        self._gaps = gaps

    def write(self, text: str) -> None:
        self.text += text

    def gap(self) -> None:
        self.write(self._gaps.draw(st.sampled_from(["", " ", "\n", "\t# ]} = [x]\n", '\n\n # "\n'])))

    def note(self, path: Path) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def value(self, path: Path, value: Any) -> None:
        match value:
            case dict():
                self.write("{ ")
                for i, (key, each) in enumerate(value.items()):
                    self.write(", " if i else "")
                    self.note((*path, key))
                    self.write(f"{quoted(key)} = ")
                    self.value((*path, key), each)
                self.write(" }")
            case list():
                self.write("[")
                for i, each in enumerate(value):
                    self.gap()
                    self.note((*path, i))
                    self.value((*path, i), each)
                    self.gap()
                    self.write(",")
                self.gap()
                self.write("]")
            case str() if "'" not in value and self._gaps.draw(st.booleans()):
                self.write(f"'''{value}'''" if self._gaps.draw(st.booleans()) else f"'{value}'")
            case str() if self._gaps.draw(st.booleans()):
                self.write(f'"""\n{quoted(value)[1:-1]}"""')
            case str():
                self.write(quoted(value))
            case _:
                self.write(json.dumps(value))

    def table(self, header: str, path: Path, table: dict[str, Any]) -> None:
        self.gap()
        self.note(path)
        self.write(f"{header}\n")
        for key, each in table.items():
            self.note((*path, key))
            self.write(f"{quoted(key)} = ")
            self.value((*path, key), each)
            self.write(" # = 1\n")


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@given(TABLES, st.data())
def test_whatever_is_written_is_found(document: dict[str, Any], gaps: st.DataObject) -> None:
    """Any text that `tomllib` reads: each place that was written is in the line that it was written in, and no other is found."""
    writer = Writer(gaps)
    for name, value in document.items():
        for i, table in enumerate(value if isinstance(value, list) else [value]):
            is_list = isinstance(value, list)
            if is_list and i == 0:
                writer.gap()
                writer.note((name,))
            writer.table(f"[[{quoted(name)}]]" if is_list else f"[{quoted(name)}]", (name, i) if is_list else (name,), table)
            if is_list and i == 0:
                writer.lines[name,] = writer.lines[name, 0]
    assert tomllib.loads(writer.text) == {name: value for name, value in document.items() if value != []}
    assert lines_of(writer.text) == writer.lines
