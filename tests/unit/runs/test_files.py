"""What a run leaves behind: the journal and the results, torn, foreign, or whole."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quarry.runs.journal import Journal, Past
from quarry.runs.lines import BadLine, FileFacts, RunRefused
from quarry.runs.output import Output, row_of_fault, row_of_job

FACTS = FileFacts("digest", last=5, jobs=5)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
ID = "0199a0c0d1e27c3fa4b5c6d7e8f90a1b"


def row(number: int, **job: Any) -> dict[str, Any]:
    usage = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    return row_of_job(number, {"request_id": ID, "status": "completed", "usage": usage, "result": {"text": "é"}} | job)


def past(path: Path, *done: int) -> Past:
    with closing(Journal.open(path, FACTS, "")) as journal:
        return journal.past(bytearray(number in done for number in range(FACTS.last + 1)))


def test_the_journal_gives_back_what_is_open(tmp_path: Path) -> None:
    """Jobs that are not done, and what was tried without an answer; not what was certainly left alone."""
    path = tmp_path / "journal"
    with closing(Journal.open(path, FACTS, "salt")) as journal:
        journal.trying([1, 2, 3, 4], NOW)
        journal.accepted({1: "a", 2: "b"})
        journal.untouched([3])
    assert past(path) == Past({1: "a", 2: "b"}, {4: NOW})
    assert past(path, 1, 4) == Past({2: "b"}, {})
    with closing(Journal.open(path, FACTS, "another")) as journal:
        assert journal.salt == "salt"


def test_the_first_try_counts(tmp_path: Path) -> None:
    """It may have made the key, whose day begins then; a later try does not lengthen it."""
    path = tmp_path / "journal"
    with closing(Journal.open(path, FACTS, "")) as journal:
        journal.trying([1], NOW)
        journal.trying([1], NOW + timedelta(hours=20))
    assert past(path).tried_at == {1: NOW}


@pytest.mark.parametrize("kept", [1, 10, 20])
def test_a_torn_record_is_cut_off(kept: int, tmp_path: Path) -> None:
    """The records before it hold, and the next one begins on a line of its own."""
    path = tmp_path / "journal"
    with closing(Journal.open(path, FACTS, "")) as journal:
        journal.trying([1], NOW)
        whole = path.stat().st_size
        journal.accepted({1: "a"})
    path.write_bytes(path.read_bytes()[: whole + kept])
    assert past(path) == Past({}, {1: NOW})
    with closing(Journal.open(path, FACTS, "")) as journal:
        journal.accepted({1: "b"})
    assert past(path) == Past({1: "b"}, {})


def test_a_journal_is_one_runs_and_one_processs(tmp_path: Path) -> None:
    """Another file, another process, something that is no journal: refused."""
    path = tmp_path / "journal"
    with closing(Journal.open(path, FACTS, "")), pytest.raises(RunRefused, match="another process"):
        Journal.open(path, FACTS, "")
    with pytest.raises(RunRefused, match="is not what it was"):
        Journal.open(path, FileFacts("other", 5, 5), "")
    with pytest.raises(RunRefused, match="cannot be written"):
        Journal.open(tmp_path / "nosuch" / "journal", FACTS, "")


@pytest.mark.parametrize("content", ["notes\n", "notes\nand more", "notes", '{"run":1}\n', '{"run":1}', '{"running":', "[]\n{"])
def test_what_is_no_journal_is_left_alone(content: str, tmp_path: Path) -> None:
    """It is somebody's file, whole or not: nothing of it is cut off."""
    path = tmp_path / "journal"
    path.write_text(content)
    with pytest.raises(RunRefused, match="is no journal"):
        Journal.open(path, FACTS, "")
    assert path.read_text() == content


def test_what_was_begun_as_usual_is_not_begun_anew(tmp_path: Path) -> None:
    """`--anew` with an output that is there would do nothing; what was begun with it goes on with it, as without."""
    path, other = tmp_path / "journal", tmp_path / "other"
    Journal.open(path, FACTS, "").close()
    with pytest.raises(RunRefused, match="name another --output"):
        Journal.open(path, FACTS, "salt")
    Journal.open(other, FACTS, "salt").close()
    for salt in ("", "salt", "another"):
        with closing(Journal.open(other, FACTS, salt)) as journal:
            assert journal.salt == "salt"


def test_a_journal_torn_in_its_first_record_begins_anew(tmp_path: Path) -> None:
    """At every byte: nothing had been submitted then."""
    path = tmp_path / "journal"
    Journal.open(path, FACTS, "salt").close()
    head = path.read_bytes()
    for kept in range(len(head)):
        path.write_bytes(head[:kept])
        with closing(Journal.open(path, FACTS, "salt")) as journal:
            assert journal.salt == "salt"
        assert path.read_bytes() == head


def test_results_tell_what_is_done(tmp_path: Path) -> None:
    """Which lines, how they ended, and their tokens; a line is written once."""
    path = tmp_path / "out"
    with closing(Output.open(path, 5)) as output:
        output.append([row(3), row(1, status="expired", usage=None, error={"code": "expired", "message": "late"})])
        output.append([row(3), row_of_fault(BadLine(2, "x", "invalid_json", "no"))])
        before = output.count
    with closing(Output.open(path, 5)) as output:
        assert list(output.done) == [0, 1, 1, 1, 0, 0]
        assert output.count == before
        assert (before.completed, before.failed, before.tokens) == (1, 2, 5)
    assert len(path.read_text().splitlines()) == 3


def test_a_torn_result_is_cut_off(tmp_path: Path) -> None:
    """At every byte: what is left are the lines before it, and the file goes on behind them."""
    path = tmp_path / "out"
    with closing(Output.open(path, 5)) as output:
        output.append([row(1)])
        first = path.read_bytes()
        output.append([row(2)])
    second = path.read_bytes()[len(first) :]
    for kept in range(len(second)):
        path.write_bytes(first + second[:kept])
        with closing(Output.open(path, 5)) as output:
            assert list(output.done) == [0, 1, 0, 0, 0, 0]
            output.append([row(2)])
        assert path.read_bytes() == first + second


def test_a_result_longer_than_a_buffer_is_one_line(tmp_path: Path) -> None:
    """Large answers are passed over without being held, and torn ones are cut however long they are."""
    path = tmp_path / "out"
    with closing(Output.open(path, 5)) as output:
        output.append([row(1, result={"text": "x" * 3_000_000}), row(2)])
    whole = path.read_bytes()
    with closing(Output.open(path, 5)) as output:
        assert list(output.done) == [0, 1, 1, 0, 0, 0]
    path.write_bytes(whole[:2_000_000])
    with closing(Output.open(path, 5)):
        assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "content", ["mine\n", "mine", "mine\nand", '{"lines": 3', '{"line":6,"status":"completed","tokens":0,"x":1}\n', "\n"]
)
def test_what_the_run_did_not_write_is_left_alone(content: str, tmp_path: Path) -> None:
    """Whoever edited the file, or named another one, is told; nothing of it is lost."""
    path = tmp_path / "out"
    path.write_text(content)
    with pytest.raises(RunRefused, match="line 1 of"):
        Output.open(path, 5)
    assert path.read_text() == content


def test_text_that_utf8_cannot_hold_is_escaped(tmp_path: Path) -> None:
    """A model may answer half a surrogate pair; that must not end the run."""
    path = tmp_path / "out"
    with closing(Output.open(path, 5)) as output:
        output.append([row(1, result={"text": "\ud800"}), row(2)])
    first, second = path.read_text().splitlines()
    assert r"\ud800" in first
    assert "é" in second
