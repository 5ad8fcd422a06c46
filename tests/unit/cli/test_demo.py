"""`make demo`: what it prints."""

import json
from pathlib import Path

import pytest

from quarry.errors import ConfigurationError
from quarry.local.demo import rows_of, table
from quarry.local.ports import Ports
from quarry.local.stack import Plan, local_stack

DONE = {
    "line": 1, "custom_id": "a", "request_id": "0199a0c0d1e27c3fa4b5c6d7e8f90a1b", "status": "completed",
    "created_at": "2026-11-21T06:00:00.000Z", "finished_at": "2026-11-21T06:00:02.500Z",
    "result": {"text": "One\n two " + "word " * 90},
    "usage": {"input_tokens": 3, "output_tokens": 40}, "served_by": {"provider": "bedrock", "region": "us-east-1", "model": "m"},
}  # fmt: skip
FAILED = {
    "line": 2, "custom_id": None, "request_id": "0199a0c0d1e27c3fa4b5c6d7e8f90a1c", "status": "failed", "usage": None,
    "error": {"code": "invocation_rejected", "message": "Too hot."},
}  # fmt: skip


def test_the_table_shows_every_line() -> None:
    """Answered or failed: each has a row, and the reason stands where the answer would."""
    head, first, *_, last = table([DONE, FAILED], 120).splitlines()
    assert head.split() == ["custom_id", "status", "seconds", "tokens", "served", "by", "answer"]
    assert first.split()[:6] == ["a", "completed", "2.5", "3+40", "m", "One"]
    assert last.split(maxsplit=2)[:2] == ["line", "2"]
    assert last.endswith("failed     -        -       -          invocation_rejected: Too hot.")


@pytest.mark.parametrize("width", [100, 120, 200])
def test_an_answer_is_wrapped_to_the_terminal(width: int) -> None:
    """Line breaks become spaces; an answer stays in its column, for three lines, and the rest is cut."""
    [_, *lines] = table([DONE], width).splitlines()
    column = lines[0].index("One two word")
    assert len(lines) == 3
    assert all(line[:column].isspace() and line[column:].startswith("word") for line in lines[1:])
    assert lines[-1].endswith("word …")
    assert width - 8 < max(map(len, lines)) <= width


def test_an_empty_answer_is_a_row(tmp_path: Path) -> None:
    """A model may say nothing."""
    [_, row] = table([DONE | {"result": {"text": ""}}], 120).splitlines()
    assert row.endswith("3+40    m")


def test_results_are_shown_in_the_order_of_the_file(tmp_path: Path) -> None:
    """A run writes them as they finish."""
    path = tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps({"line": line}) + "\n" for line in (3, 1, 2)))
    assert [row["line"] for row in rows_of(path)] == [1, 2, 3]


def test_without_the_emulator_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    """The emulator lives in an environment of its own, which a fresh clone does not have."""
    plan = Plan(ports=Ports(), emulator_python=tmp_path / "nosuch")
    with pytest.raises(ConfigurationError, match=r"make install.*--emulator-python$"), local_stack(tmp_path, plan, print):
        pass
