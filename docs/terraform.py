"""Writes the tables of inputs and outputs in the READMEs of `terraform/`, from its files: `make docs` does too."""  # noqa: INP001 - beside a script, no package

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docs.markdown import table

ROOT: Final = Path(__file__).resolve().parents[1] / "terraform"
_BLOCK: Final = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_DESCRIPTION: Final = re.compile(r'^  description = "((?:[^"\\]|\\.)*)"$', re.MULTILINE)
#: Up to the next argument or block of the variable, or its end: an object's type, or default, has several lines.
_ARGUMENT: Final = r"^  {name} *= (.*?)(?=\n  \w|\n\n|\Z)"
#: What an object has is in its description.
_MEMBERS: Final = re.compile(r"\(\{.*\}\)")
_LONGEST: Final = 60


def pages() -> Iterator[tuple[Path, str]]:
    """Every README with tables, and what it should hold."""
    for path in sorted(ROOT.rglob("README.md")):
        text = path.read_text(encoding="utf-8")
        for name, rows in (("inputs", inputs), ("outputs", outputs)):
            # Not by `re.sub`: what is put in may hold backslashes.
            before, begin, rest = text.partition(f"<!-- {name} -->\n")
            if begin:
                text = f"{before}{begin}\n{rows(path.parent)}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
        yield path, text


def inputs(folder: Path) -> str:
    """A row for each variable of a module: those that have to be given first."""
    rows = [(f"`{name}`", _type(body), _default(body), _description(name, body)) for name, body in _found(folder, "variable")]
    return table(("input", "type", "default", "what it is"), sorted(rows, key=lambda row: row[2] != "(needed)"))


def outputs(folder: Path) -> str:
    """A row for each output of a module."""
    return table(("output", "what it is"), [(f"`{name}`", _description(name, body)) for name, body in _found(folder, "output")])


def minimal_example() -> str:
    """What `examples/minimal` asks of the module."""
    text = (ROOT / "examples" / "minimal" / "main.tf").read_text(encoding="utf-8")
    return f"```\n{text.partition('output')[0].strip()}\n```\n"


def _found(folder: Path, kind: str) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.tf")):
        for found in _BLOCK.finditer(path.read_text(encoding="utf-8")):
            if found[1] == kind:
                yield found[2], found[3]


def _argument(name: str, body: str) -> str | None:
    found = re.search(_ARGUMENT.format(name=name), body, re.MULTILINE | re.DOTALL)
    return found and " ".join(found[1].split())


def _type(body: str) -> str:
    return f"`{_MEMBERS.sub('', _argument('type', body) or 'any')}`"


def _default(body: str) -> str:
    given = _argument("default", body)
    if given is None:
        return "(needed)"
    return f"`{given}`" if len(given) <= _LONGEST else "(see there)"


def _description(name: str, body: str) -> str:
    found = _DESCRIPTION.search(body)
    if found is None:
        raise ValueError(f"{name} has no description")
    return found[1].replace('\\"', '"')
