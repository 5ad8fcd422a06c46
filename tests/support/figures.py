"""Figures of a long run, as a table: asked and measured; and records of them, for the pages that tell figures."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import record


@contextmanager
def figures(what: str) -> Iterator[list[tuple[str, str, str]]]:
    """Rows (figure, asked, measured) to be filled in; printed at the end of the block, whatever ends it. Seen with `pytest -s`."""
    rows: list[tuple[str, str, str]] = []
    try:
        yield rows
    finally:
        widths = [max([len(row[column]) for row in rows] + [8]) for column in range(3)]
        print(f"\n{what}")  # noqa: T201 - it is what this is for
        for row in [("figure", "asked", "measured"), *rows]:
            print("  " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


def written(variable: str, figures: Mapping[str, str], command: str) -> None:
    """Tell figures, and write their record where an environment variable names a file. What one of several runners says is seen
    on standard error only.
    """
    print("\n" + "\n".join(f"  {name}: {value}" for name, value in figures.items()), file=sys.stderr)  # noqa: T201 - what it is for
    if named := os.environ.get(variable):
        record.write(Path(named), record.header(0, command), figures)


def kept(variable: str, name: str, run: Mapping[str, object]) -> None:
    """Write one of many runs, with its commit, into the folder that an environment variable names, where it names one."""
    if folder := os.environ.get(variable):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.json").write_text(json.dumps({"commit": record.commit(), **run}))
