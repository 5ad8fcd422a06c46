"""The file of a run: what is a line, and under which key it is submitted."""

import json
from pathlib import Path

import pytest

from quarry.runs import lines
from quarry.runs.lines import BadLine, Line, RunRefused, facts_of, parsed, read


def key(raw: str, number: int = 1, salt: str = "") -> str:
    line = parsed(number, raw.encode(), salt)
    assert isinstance(line, Line)
    found: str = json.loads(line.body)["idempotency_key"]
    return found


def test_a_named_line_has_its_key_wherever_it_stands() -> None:
    """With a `custom_id` the number of the line plays no part, nor does the order of fields; what is asked does."""
    raw = '{"custom_id": "a", "prompt": "x"}'
    assert key(raw, 1) == key(raw, 9) == key('{"prompt":"x","custom_id":"a"}', 3)
    assert key(raw) != key('{"custom_id": "b", "prompt": "x"}')
    assert key(raw) != key('{"custom_id": "a", "prompt": "y"}')
    assert key(raw) != key(raw, salt="anew")


def test_equal_lines_without_a_name_are_a_job_each() -> None:
    """A file of equal prompts means as many answers."""
    assert key('{"prompt": "x"}', 1) != key('{"prompt": "x"}', 2)
    assert key('{"prompt": "x"}', 2) == key('{"prompt": "x"}', 2)


def test_a_key_of_the_callers_own_is_kept() -> None:
    """It may be one under which the job was submitted elsewhere; null is none."""
    assert key('{"prompt": "x", "idempotency_key": "mine"}') == "mine"
    assert key('{"prompt": "x", "idempotency_key": null}').startswith("run-")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "invalid_json"),
        (b"\xff{}", "invalid_json"),
        (b'{"temperature": 1e999}', "invalid_json"),
        (b'{"n": ' + b"9" * 5000 + b"}", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'"prompt"', "invalid_request"),
    ],
)
def test_what_is_no_submission_is_a_bad_line(raw: bytes, code: str) -> None:
    """It says what is wrong, and raises nothing: the other lines run."""
    line = parsed(7, raw, "")
    assert isinstance(line, BadLine)
    assert (line.number, line.code) == (7, code)


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    """Empty lines count, and are passed over; a byte order mark, carriage returns and a missing last line break do no harm."""
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt":"1"}\r\n\n  \n{"prompt":"4"}\n[]')
    assert [(line.number, type(line)) for line in read(path, "")] == [(1, Line), (4, Line), (5, BadLine)]
    facts = facts_of(path)
    assert (facts.last, facts.jobs) == (5, 3)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line that is too long only a part is held; the next one is the next one."""
    monkeypatch.setattr(lines, "LINE_MAX_BYTES", 100)
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(b"x" * 350 + b'\n{"prompt":"2"}\n')
    long, good = read(path, "")
    assert isinstance(long, BadLine)
    assert (long.number, long.code) == (1, "payload_too_large")
    assert good.number == 2
    assert facts_of(path).last == 2


def test_facts_are_of_every_byte(tmp_path: Path) -> None:
    """A file that was changed anywhere is another file."""
    path = tmp_path / "jobs.jsonl"
    path.write_text('{"prompt":"1"}\n')
    before = facts_of(path).sha256
    path.write_text('{"prompt":"1"} \n')
    assert facts_of(path).sha256 != before


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """It could not be read twice."""
    with pytest.raises(RunRefused, match="is no file"):
        facts_of(tmp_path)
    with pytest.raises(RunRefused, match="there is no"):
        facts_of(tmp_path / "nosuch")
