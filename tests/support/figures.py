"""Figures of a long run, as a table: asked and measured."""

from collections.abc import Iterator
from contextlib import contextmanager


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
