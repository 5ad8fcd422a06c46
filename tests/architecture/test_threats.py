"""The threat model: each threat names the tests that try it, and they exist; no actor, boundary or kind of threat is left out."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "explanation" / "threat-model.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, each a list of cells."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


THREATS: Final = rows("Threats")


@cache
def named_in(path: Path) -> frozenset[str]:
    """The names of the tests of a file."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_threats_are_numbered() -> None:
    """From one, without a gap, each with all of its cells."""
    assert [each[0].split()[0] for each in THREATS] == [f"T{number}" for number in range(1, len(THREATS) + 1)]
    assert {len(each) for each in THREATS} == {6}


@pytest.mark.parametrize("threat", THREATS, ids=lambda each: each[0].split()[0])
def test_a_threat_is_tried(threat: list[str]) -> None:
    """By at least one test, and each that it names is there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", threat[-1])
    assert named
    assert named == re.findall(r"`([^`]+)::([^`]+)`", threat[-1])
    assert [f"{path}::{name}" for path, name in named if name not in named_in(ROOT / path)] == []


def test_nobody_and_nothing_is_left_out() -> None:
    """Every actor does something, every boundary is crossed, every kind of threat is among them; and no others."""
    actors = [each[0] for each in rows("Who might do harm")]
    assert {actor for each in THREATS for actor in each[2].split(", ")} == set(actors)
    boundaries = re.findall(r'-- "(\d): ', PAGE)
    assert {number for each in THREATS for number in each[3].split(", ")} == set(boundaries)
    assert {kind for each in THREATS for kind in each[1].split(", ")} == set("STRIDE")
    assert re.findall(r"^(\d)\. ", PAGE, re.MULTILINE) == boundaries
