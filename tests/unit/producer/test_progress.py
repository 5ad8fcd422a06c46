"""What a follower is told next."""

import re
from dataclasses import replace
from typing import Any

import pytest

from producer.answers import job_out
from producer.progress import ID_PATTERN, Place, Progress, Told
from quarry.job import Job, RetryScheduled, Succeeded, advance
from quarry.store.base import Look, Mark, Piece
from quarry.testing import NOW, a_claimed_job, a_completion, a_lease
from tests.contract.tables import FAILURE, LATER

HELD = a_claimed_job(a_lease("one"), stream=True)


def piece(offset: int, text: str, claim: int = HELD.revision, call: int = 1, whose: str | None = "one") -> Piece:
    return Piece(Mark(claim, call, offset), whose or "", text)


def look(*pieces: Piece, job: Job = HELD, whose: str | None = "one") -> Look:
    return Look(job, whose, pieces)


class Reader:
    """A follower: what they were told, and what they have put together of it."""

    def __init__(self, last_id: str | None = None) -> None:
        self.progress = Progress(Place.read(last_id) if last_id else None)
        self.told: list[Told] = []
        self.text = ""

    def sees(self, seen: Look) -> list[str]:
        """Look; the names of what is new."""
        wanted = replace(seen, pieces=tuple(each for each in seen.pieces if each.mark >= self.progress.since))
        return self._take(list(self.progress.told(wanted, NOW)))

    def sees_the_end(self, text: str, seen: Look, **changes: Any) -> list[str]:
        """The job is completed with that text."""
        done = advance(HELD, Succeeded(a_completion(text)), LATER)
        shown = job_out(done, LATER) | changes
        wanted = replace(seen, job=done, pieces=tuple(each for each in seen.pieces if each.mark >= self.progress.since))
        return self._take(list(self.progress.over(wanted, shown)))

    def _take(self, told: list[Told]) -> list[str]:
        for each in told:
            self.text = (
                "" if each.name == "restart" else self.text + each.data.get("text", "") if each.name == "text" else self.text
            )
        self.told += told
        return [each.name for each in told]

    @property
    def last_id(self) -> str:
        return self.told[-1].id


def test_a_status_is_told_when_it_changes() -> None:
    """At the beginning, then no more until something of it is another: here a wish to cancel."""
    reader = Reader()
    assert [reader.sees(look()) for _ in range(3)] == [["status"], [], []]
    assert reader.told[0].data["status"] == "processing"
    assert reader.sees(look(job=replace(HELD, cancel_requested=True))) == ["status"]
    assert reader.sees(look(job=replace(HELD, revision=HELD.revision + 1, cancel_requested=True))) == []


def test_an_older_look_is_not_heeded() -> None:
    """Reads may be a moment old, and not each of the same moment."""
    reader = Reader()
    waiting = advance(HELD, RetryScheduled(LATER, FAILURE), NOW)
    assert reader.sees(look(job=waiting, whose=None)) == ["status"]
    assert reader.sees(look(piece(0, "old"))) == []


def test_text_is_told_once_and_in_order() -> None:
    """However the looks overlap."""
    reader = Reader()
    assert reader.sees(look(piece(0, "It "), piece(3, "is "))) == ["status", "text", "text"]
    assert reader.sees(look(piece(0, "It "), piece(3, "is "), piece(6, "so"))) == ["text"]
    assert reader.sees(look(piece(6, "so"))) == []
    assert reader.text == "It is so"
    assert reader.sees_the_end("It is so.", look()) == ["text", "done"]
    assert reader.text == "It is so."


def test_a_gap_waits_for_the_result() -> None:
    """Whatever comes after it."""
    reader = Reader()
    reader.sees(look(piece(0, "It "), piece(6, "so")))
    reader.sees(look(piece(8, ".")))
    assert reader.text == "It "
    assert reader.sees_the_end("It is so.", look()) == ["text", "done"]
    assert reader.text == "It is so."


def test_the_text_of_who_has_lost_the_job_is_not_told() -> None:
    """Neither what they wrote before the take-over nor what they write after it, to whoever has not seen it yet."""
    taken = replace(HELD, revision=HELD.revision + 1)
    reader = Reader()
    reader.sees(look(piece(0, "void"), piece(0, "It ", taken.revision, whose="two"), job=taken, whose="two"))
    assert reader.text == "It "
    reader.sees(look(piece(4, "late"), piece(3, "is ", taken.revision, whose="two"), job=taken, whose="two"))
    assert (reader.text, "restart" in [each.name for each in reader.told]) == ("It is ", False)


def test_another_attempt_restarts_the_text() -> None:
    """As soon as it is there, before it says anything; and while the job waits for it, nothing is told."""
    reader = Reader()
    reader.sees(look(piece(0, "void")))
    waiting = advance(HELD, RetryScheduled(LATER, FAILURE), NOW)
    assert reader.sees(look(piece(0, "void"), piece(4, " and so on"), job=waiting, whose=None)) == ["status"]
    again = replace(HELD, revision=waiting.revision + 1, attempts=2)
    assert reader.sees(look(job=again, whose="two")) == ["status", "restart"]
    assert reader.sees(look(piece(0, "It ", again.revision, whose="two"), job=again, whose="two")) == ["text"]
    assert reader.text == "It "


def test_what_is_void_is_not_read_again() -> None:
    """While a job waits, whoever has been told nothing of it wants no more than what the next claim will say."""
    reader = Reader()
    waiting = advance(HELD, RetryScheduled(LATER, FAILURE), NOW)
    reader.sees(look(piece(0, "void"), job=waiting, whose=None))
    assert reader.progress.since > piece(999, "").mark
    again = replace(HELD, revision=waiting.revision + 1, attempts=2)
    assert reader.sees(look(piece(0, "It ", again.revision, whose="two"), job=again, whose="two")) == ["status", "text"]


def test_another_call_restarts_the_text() -> None:
    """Within the same attempt, under the same token."""
    reader = Reader()
    reader.sees(look(piece(0, "void")))
    assert reader.sees(look(piece(4, " and"), piece(0, "It ", call=2))) == ["text", "restart", "text"]
    assert reader.text == "It "
    assert reader.sees(look(piece(3, "is", call=2))) == ["text"]


@pytest.mark.parametrize("told", range(1, 6))
def test_another_process_goes_on_from_any_id(told: int) -> None:
    """Of what comes then, nothing is told twice and nothing is left out; also where all is over by then."""
    pieces = [piece(2 * i, "ab") for i in range(4)]
    first = Reader()
    first.sees(look(*pieces[:2]))
    first.sees(look(*pieces[2:]))
    last_id = first.told[told - 1].id
    before = "".join(each.data.get("text", "") for each in first.told[:told])
    going_on, late = Reader(last_id), Reader(last_id)
    assert "status" not in going_on.sees(look(*pieces))
    assert before + going_on.text == "abababab"
    assert late.sees_the_end("abababab.", look(*pieces)) == ["text", "done"]
    assert before + late.text == "abababab."


def test_another_process_restarts_what_was_another_attempts() -> None:
    """Also where nothing is kept of it any more, and where the job is over."""
    first = Reader()
    first.sees(look(piece(0, "void")))
    taken = replace(HELD, revision=HELD.revision + 1)
    mine = piece(0, "It ", taken.revision, whose="two")
    for pieces in ([piece(0, "void"), mine], [mine]):
        going_on = Reader(first.last_id)
        assert going_on.sees(look(*pieces, job=taken, whose="two")) == ["status", "restart", "text"]
        late = Reader(first.last_id)
        assert late.sees_the_end("It is so.", look(*pieces, whose="two")) == ["restart", "text", "done"]
        assert late.text == "It is so."


def test_a_declared_answer_is_told_from_what_a_model_began() -> None:
    """Though the same attempt recorded it."""
    reader = Reader()
    reader.sees(look(piece(0, "It is")))
    assert reader.sees_the_end("Come back later.", look(), degraded=True) == ["restart", "text", "done"]
    assert reader.text == "Come back later."


def test_the_end_of_a_job_that_is_not_streamed_has_no_text() -> None:
    """Nor one that has no answer, nor one whose answer lies elsewhere."""
    for changes in ({"stream": False}, {"status": "failed", "result": None}, {"result": {"url": "https://a.example"}}):
        assert Reader().sees_the_end("It is so.", look(), **changes) == ["done"]


@pytest.mark.parametrize("text", ["0.0.0.7", "12c.3.4.5", "12.3.4.5.done", "999999999c.999999999.999.99999999.done"])
def test_ids_are_read_as_they_were_written(text: str) -> None:
    """And fit what the API takes for one."""
    assert str(Place.read(text)) == text
    assert re.fullmatch(ID_PATTERN, text)


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "1.2.3.-4", "c.1.2.3", "1.2.3.4.DONE", "\uff11.2.3.4", "1.2.3.4\n"])
def test_what_is_no_id_is_not_read(text: str) -> None:
    """Callers may send anything."""
    with pytest.raises(ValueError, match="is no id"):
        Place.read(text)
