"""The mutations that tests name in their docstrings: found, and applied to a text. `CONTRIBUTING.md` explains the form."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: Where every test is a promise, and names at least one mutation.
PROMISES = ("tests/integration", "tests/chaos")

_FORM = re.compile(
    r"""Red\ when:\s+`(?P<file>[^`\n]+)`
    (?:,\s+after\s+`(?P<after>[^`\n]+)`)?
    :\s+`(?P<old>[^`\n]+)`\s+->\s+`(?P<new>[^`\n]*)`""",
    re.VERBOSE,
)


class DoesNotApply(Exception):
    """A mutation that is not one any more, or never was; the message says why."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of one file which turns a test red. `old` stands once in it, or once is enough behind the one `after`."""

    test: str
    file: str
    after: str | None
    old: str
    new: str

    def __str__(self) -> str:
        where = f"{self.file}, after {self.after}" if self.after else self.file
        return f"{where}: {self.old.strip()} -> {self.new.strip()}"

    def applied(self, text: str) -> str:
        """The file's text with the change in it.

        Raises:
            DoesNotApply: what is to be changed is not found, or not told apart; or the result is no Python, or the same program.
        """
        start = 0
        if self.after:
            _once(self.after, text)
            start = text.index(self.after) + len(self.after)
            if self.old not in text[start:]:
                raise DoesNotApply(f"{self.old!r} does not stand after {self.after!r}")
        else:
            _once(self.old, text)
        at = text.index(self.old, start)
        mutant = text[:at] + self.new + text[at + len(self.old) :]
        if mutant == text or (self.file.endswith(".py") and _program(mutant) == _program(text)):
            raise DoesNotApply("it changes nothing")
        return mutant


@dataclass(frozen=True, slots=True)
class Test:
    """A test function: its node id, its mutations, and how many of them are not in the form."""

    __test__ = False

    name: str
    mutations: tuple[Mutation, ...]
    malformed: int


def all_tests(tree: Path, *folders: str) -> Iterator[Test]:
    """Every test function in the files of these folders of the tree; of all of `tests/` where none is named."""
    for folder in folders or ("tests",):
        for path in sorted((tree / folder).rglob("test_*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield _test(f"{path.relative_to(tree)}::{node.name}", ast.get_docstring(node) or "")


def _test(name: str, docstring: str) -> Test:
    found = [Mutation(name, **each.groupdict()) for each in _FORM.finditer(docstring)]
    return Test(name, tuple(found), docstring.count("Red when") - len(found))


def _once(words: str, text: str) -> None:
    if (times := text.count(words)) != 1:
        raise DoesNotApply(f"{words!r} occurs {times} times, not once")


@cache
def _program(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError as error:
        raise DoesNotApply(f"what comes out is no Python: {error}") from error
