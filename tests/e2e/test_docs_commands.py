"""Every command of the documentation, typed as a reader would, page by page, at the stack that the quickstart starts."""

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quarry.cli import COMMANDS, parser
from tests.support.pages import RUN, Block, blocks, differences
from tests.support.processes import ROOT
from tests.support.reader import Reader, serves

QUICKSTART = ROOT / "docs" / "quickstart.md"
#: `README.md` has a walk of its own, with terminals of its own: `test_readme.py`.
PAGES = [QUICKSTART, *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page != QUICKSTART)]
BLOCKS = {page: blocks(page) for page in PAGES}
EXCUSED = [block for page in PAGES for block in BLOCKS[page] if block.excuse]
#: What looks like a command where nobody would type it.
COMMAND = re.compile(rf"^(\$ .*|(source|curl|make|pip|python3?) .*|quarry ({'|'.join(COMMANDS)})\b.*)$", re.MULTILINE)


def typed(page: Path) -> list[Block]:
    return [block for block in BLOCKS[page] if block.language in RUN and not block.excuse]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has started what the quickstart starts."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    with ExitStack() as terminals:
        for block in typed(QUICKSTART):
            if serves(block):
                terminals.enter_context(reader.serving(block))
        yield reader


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_page_says_can_be_typed(page: Path, reader: Reader) -> None:
    """Each block ends with 0, and prints what the page shows below it."""
    with ExitStack() as terminals:
        terminal = terminals.enter_context(reader.terminal())
        for block in typed(page):
            if not serves(block):
                printed = terminal.type(block)
                missing = differences(reader.placed(block.shown or ""), printed)
                assert missing == [], f"{block} printed:\n{printed}"
            elif "quarry local" in block.text:
                # It runs, and it is the only one.
                assert parser().parse_args(shlex.split(block.text.splitlines()[-1])[1:]).verb == "local"
            else:
                terminals.enter_context(reader.serving(block))


@pytest.mark.parametrize("block", EXCUSED, ids=str)
def test_what_is_not_run_says_why(block: Block) -> None:
    """Listed as skipped, with the reason that the page gives."""
    assert block.language in RUN
    pytest.skip(block.excuse or "")


def test_no_command_hides() -> None:
    """What looks like a command is in a block that is run, or that says why it is not."""
    hidden = [
        f"{block}: {found[0]}"
        for page in PAGES
        for block in BLOCKS[page]
        if block.language not in RUN
        for found in COMMAND.finditer(block.text)
    ]
    assert hidden == []
    languages = {block.language for page in PAGES for block in BLOCKS[page]}
    assert languages - RUN - {"", "text", "json", "http", "toml", "mermaid", "hcl"} == set()
