"""`make demo`: what it reads and what it prints."""

from pathlib import Path

import pytest

from quarry.errors import ConfigurationError
from quarry.local.demo import DemoFailed, read, table
from quarry.local.stack import local_stack

DONE = {
    "custom_id": "a", "request_id": "0199a0c0d1e27c3fa4b5c6d7e8f90a1b", "status": "completed",
    "created_at": "2026-11-21T06:00:00.000Z", "finished_at": "2026-11-21T06:00:02.500Z",
    "result": {"text": "One\n two " + "x" * 200},
    "usage": {"input_tokens": 3, "output_tokens": 40}, "served_by": {"provider": "bedrock", "region": "us-east-1", "model": "m"},
    "error": None,
}  # fmt: skip
FAILED = {
    "custom_id": None, "request_id": "0199a0c0d1e27c3fa4b5c6d7e8f90a1c", "status": "failed", "result": None, "usage": None,
    "served_by": None, "error": {"code": "invocation_rejected", "message": "Too hot."},
}  # fmt: skip
REFUSED = {"custom_id": "c", "error": {"code": "invalid_request", "detail": "prompt: missing"}}


def test_the_table_shows_every_job_in_its_order() -> None:
    """Answered, failed or refused: each has a row, and the reason stands where the answer would."""
    rows = table([DONE, FAILED, REFUSED], 120).splitlines()
    assert [row.split()[:2] for row in rows] == [
        ["custom_id", "status"],
        ["a", "completed"],
        ["0199a0c0d1e27c3fa4b5c6d7e8f90a1c", "failed"],
        ["c", "refused"],
    ]
    assert "2.5" in rows[1]
    assert "3+40" in rows[1]
    assert "bedrock/us-east-1" in rows[1]
    assert rows[2].endswith("invocation_rejected: Too hot.")
    assert rows[3].endswith("invalid_request: prompt: missing")


@pytest.mark.parametrize("width", [100, 120, 200])
def test_an_answer_is_cut_to_the_terminal(width: int) -> None:
    """One line each, never wrapped: line breaks become spaces and the rest is cut."""
    row = table([DONE], width).splitlines()[1]
    assert "One two xxx" in row
    assert row.endswith("x…")
    assert len(row) == width


def test_a_file_of_prompts_is_read_line_by_line(tmp_path: Path) -> None:
    """Empty lines are passed over."""
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a"}\n\n{"prompt": "b"}\n')
    assert read(path) == [{"prompt": "a"}, {"prompt": "b"}]


@pytest.mark.parametrize(("content", "says"), [("{", "not JSON"), ("[]", "line 1 is not a JSON object"), (None, "cannot be read")])
def test_a_file_that_is_none_is_refused_before_anything_starts(content: str | None, says: str, tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "prompts.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DemoFailed, match=rf"prompts\.jsonl.*{says}"):
        read(path)


def test_without_the_emulator_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    """The emulator lives in an environment of its own, which a fresh clone does not have."""
    with pytest.raises(ConfigurationError, match="make install"), local_stack(tmp_path, tmp_path / "nosuch", print):
        pass
