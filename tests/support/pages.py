"""The pages of the documentation, in blocks: what a reader types, what the page shows of its output, and what nobody runs.

The conventions, all of them visible on the page:

* A block of `sh` or `python` is run. A Python block that begins with a comment naming a file (`# client.py`) is written to it.
* A block of `text` shows what the block before it prints: each of its lines, in order. Ids, instants and fractions may differ;
  `…` is anything.
* A block below a quotation `> Not run by the tests: REASON` is not run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tests.support.processes import ROOT

RUN = frozenset({"sh", "python"})
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXCUSE = re.compile(r"^> Not run by the tests: (.+)\Z", re.MULTILINE | re.DOTALL)
_VARYING = {"ID": r"\b[0-9a-f]{32}\b", "INSTANT": r"\b\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "N": r"\b\d+\.\d+\b"}
_MADE = re.compile(r"<!-- (generated|recorded): [^>]+ -->.*?<!-- end -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `shown` is the output that the page shows for it; `excuse` is why nobody runs it."""

    page: str
    line: int
    language: str
    text: str
    excuse: str | None
    shown: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order, but for those in parts that a program writes."""
    return list(parsed(str(page.relative_to(ROOT)), page.read_text()))


def parsed(name: str, text: str) -> Iterator[Block]:
    """The same of a text."""
    # Blank, so that the lines keep their numbers.
    text = _MADE.sub(lambda found: "\n" * found[0].count("\n"), text)
    found = list(_FENCE.finditer(text))
    for fence, following in zip_longest(found, found[1:]):
        before = text[: fence.start()].strip().rpartition("\n\n")[2]
        excuse = _EXCUSE.search(before)
        shown = following[2] if following and following[1] == "text" else None
        yield Block(name, text.count("\n", 0, fence.start()) + 1, fence[1], fence[2], excuse and _line(excuse[1]), shown)


def _line(quoted: str) -> str:
    return " ".join(quoted.replace("\n> ", " ").split())


def differences(shown: str, printed: str) -> list[str]:
    """The lines of `shown` that `printed` does not have, in that order."""
    said = iter([_shape(line) for line in printed.splitlines()])
    missing = []
    for line in shown.splitlines():
        pattern = re.compile(".*".join(map(re.escape, re.split(" ?… ?", _shape(line)))))
        if not any(pattern.fullmatch(each) for each in said):
            missing.append(line)
    return missing


def _shape(line: str) -> str:
    """A line without what differs from run to run: ids, instants, seconds, widths of columns."""
    for what, pattern in _VARYING.items():
        line = re.sub(pattern, what, line)
    return " ".join(line.split())
