"""The story of a job: whatever happened to it is told, in order, in words, with where the time went."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from docs.errors import failures, invocation_errors
from producer.explanations import ExplanationView
from quarry import errors
from quarry.attempts import AttemptOutcome, Failure
from quarry.cli.story import as_story
from quarry.explanation import KINDS, explanation
from quarry.invocation import Fallback
from quarry.job import (
    Cancelled,
    Claimed,
    Degraded,
    Event,
    Expired,
    Failed,
    HandedBack,
    Job,
    JobStatus,
    Priority,
    Redriven,
    RetryScheduled,
    Snoozed,
    StatusReason,
    Succeeded,
    advance,
)
from quarry.sentences import CODES, ENDS, STANDS, WAITS, span
from quarry.testing import NOW, a_completion, a_job, a_lease
from tests.unit.lives import life

SECOND = timedelta(seconds=1)
EAST, WEST = "bedrock/us-east-1/m", "bedrock/us-west-2/m"
FULL = Fallback(EAST, "throttled", 0.4)
BARRED = Fallback("bedrock/eu-west-1/m", "region_not_allowed", 0.0, skipped=True)
BROKE = RetryScheduled(NOW, Failure("model_failed", ""), EAST)


def lived(*events: tuple[float, Event], **changes: Any) -> Job:
    """A job to which this happened, at so many seconds after it was submitted."""
    job = a_job(**changes)
    for at, event in events:
        job = advance(job, event, NOW + at * SECOND)
    return job


def claimed(at: float) -> tuple[float, Event]:
    return at, Claimed(a_lease())


def failing(at: float, until: float, **changes: Any) -> tuple[float, Event]:
    return at, replace(BROKE, resume_at=NOW + until * SECOND, **changes)


def told(job: Job, at: float = 10_000) -> dict[str, Any]:
    """Its story, and that it has the shape that the API promises."""
    document = explanation(job, NOW + at * SECOND)
    ExplanationView.model_validate_json(ExplanationView.model_validate(document).model_dump_json())
    assert all(len(line) <= 80 for line in as_story(document).splitlines())
    return document


def kinds(document: dict[str, Any]) -> list[str]:
    return [each["kind"] for each in document["steps"]]


def test_the_way_to_an_answer_is_told_target_by_target() -> None:
    """A wait with who refused, a retry, a skipped target, the one that answered; each with its time, and all of it adds up."""
    job = lived(
        claimed(1),
        (2, Snoozed(NOW + 7 * SECOND, StatusReason.WAITING_FOR_CAPACITY, (BARRED, FULL))),
        claimed(8),
        failing(11, 15),
        claimed(16),
        (20, Succeeded(a_completion(fallbacks=(BARRED, FULL)))),
    )
    story = told(job)
    assert kinds(story) == ["submitted", "waited", "attempt", "backed_off", "attempt", "ended"]
    waited, failed, backed_off, answered = story["steps"][1:5]
    assert [(each["code"], each["skipped"]) for each in waited["targets"]] == [("region_not_allowed", True), ("throttled", False)]
    assert (failed["code"], failed["targets"][0]["target"], failed["seconds"], backed_off["seconds"]) == (
        "model_failed",
        EAST,
        3,
        4,
    )
    assert [each["code"] for each in answered["targets"]] == ["region_not_allowed", "throttled", None]
    assert [each["seconds"] for each in answered["targets"]] == [0, 0.4, 3.6]
    assert [each["after_seconds"] for each in story["steps"]] == [0, 2, 8, 11, 16, 20]
    assert story["time"] == {
        "total_seconds": 20, "calls_seconds": 7, "backoff_seconds": 4, "waiting_seconds": 5, "unseen_seconds": 0, "over_seconds": 0,
        "queue_seconds": 4,
    }  # fmt: skip
    assert story["paid"]["says"] == "One call counted: 12 tokens in, 3 out. One call more may have been paid, and nobody knows."
    assert story["summary"] == "It was answered by bedrock/us-east-1/amazon.nova-lite-v1:0. It took 20.0 s in all."


def test_a_lost_priority_is_told() -> None:
    """What it was submitted as, and why it waits elsewhere; of others, nothing."""
    demoted = explanation(a_job(priority=Priority.LOW, demoted_from=Priority.HIGH), NOW)["steps"][0]["says"]
    assert (
        demoted == "Submitted for `default`. As `high`, of which its tenant had submitted its minute's worth: so it waits as `low`."
    )
    assert explanation(a_job(), NOW)["steps"][0]["says"] == "Submitted for `default`."


def test_a_take_over_is_told() -> None:
    """The attempt that nobody saw end, who went on, and that its call may have been paid."""
    story = told(lived(claimed(0), claimed(70), (75, Succeeded(a_completion()))))
    assert kinds(story) == ["submitted", "attempt", "taken_over", "attempt", "ended"]
    assert "its worker vanished" in story["steps"][1]["says"]
    assert (story["time"]["unseen_seconds"], story["time"]["calls_seconds"]) == (70, 5)
    assert (story["paid"]["calls_counted"], story["paid"]["calls_perhaps_paid"]) == (1, 1)


def test_a_drain_is_told() -> None:
    """Handed back before a call, and with a call that was cut."""
    story = told(lived(claimed(0), (1, HandedBack(call_cut=False)), claimed(2), (3, HandedBack(call_cut=True)), claimed(4)), 5)
    assert kinds(story) == ["submitted", "handed_back", "attempt", "attempt", "stands"]
    assert story["steps"][2]["code"] == "call_cut"
    assert (story["steps"][3]["says"], story["summary"][:17]) == ("Attempt 2 is under way.", "A worker has it. ")


def test_a_redrive_begins_a_generation() -> None:
    """What lies before belongs to the one before; the time until an operator came is nobody's work."""
    over = lived(claimed(0), (10, Failed(StatusReason.ATTEMPTS_EXHAUSTED, Failure("model_failed", ""), bury=True)))
    story = told(lived_on(over, (500, Redriven(NOW + 9_999 * SECOND, 3)), claimed(501), (502, Succeeded(a_completion()))))
    assert [(each["kind"], each["generation"]) for each in story["steps"]] == [
        ("submitted", 0), ("attempt", 0), ("redriven", 1), ("attempt", 1), ("ended", 1),
    ]  # fmt: skip
    assert (story["time"]["over_seconds"], story["time"]["calls_seconds"], story["time"]["queue_seconds"]) == (490, 11, 1)


def lived_on(job: Job, *events: tuple[float, Event]) -> Job:
    for at, event in events:
        job = advance(job, event, NOW + at * SECOND)
    return job


def test_a_declared_answer_is_no_models() -> None:
    """It says why, and what to do where a model's is needed."""
    event = Degraded("Later.", Failure("throttled", ""), EAST)
    story = told(lived(claimed(0), (1, event)))
    assert story["summary"].startswith("No model answered in time")
    assert "submit it anew" in story["advice"]
    assert (story["paid"]["calls_counted"], story["paid"]["calls_perhaps_paid"]) == (0, 0)


def test_what_nobody_wrote_yet_is_told_as_it_stands() -> None:
    """Past its deadline a job has expired, whoever has noticed; before, it waits, and until when."""
    waiting = lived(claimed(0), (1, Snoozed(NOW + 60 * SECOND, StatusReason.BLOCKED)))
    story = told(waiting, 30)
    assert (story["status"], kinds(story)[-1]) == ("queued", "stands")
    assert "Not before" in story["steps"][-1]["says"]
    assert "has to mend" in story["advice"]
    late = told(replace(waiting, deadline_at=NOW + 20 * SECOND), 30)
    assert (late["status"], late["time"]["total_seconds"]) == ("expired", 20)


def test_a_wait_is_as_long_as_it_has_lasted() -> None:
    """Not as long as it was to be, while it lasts or where something ended it before."""
    waiting = lived(claimed(0), (1, Snoozed(NOW + 60 * SECOND, StatusReason.BLOCKED)))
    step, time = told(waiting, 30)["steps"][1], told(waiting, 30)["time"]
    assert (step["seconds"], time["waiting_seconds"]) == (29, 29)
    assert "it waited 29.0 s, at no cost" in step["says"]
    assert told(lived_on(waiting, (11, Cancelled())), 500)["steps"][1]["seconds"] == 10
    assert told(replace(waiting, deadline_at=NOW + 21 * SECOND), 500)["steps"][1]["seconds"] == 20
    assert told(lived_on(waiting, claimed(80)), 500)["steps"][1]["seconds"] == 59


def test_what_is_no_longer_on_record_is_said_to_be_missing() -> None:
    """The history keeps the last twenty."""
    events = [each for i in range(25) for each in (claimed(10 * i), failing(10 * i + 1, 10 * i + 5))]
    story = told(lived(*events), 260)
    assert kinds(story)[1] == "forgotten"
    assert "before number 6" in story["steps"][1]["says"]


@pytest.mark.parametrize("seed", range(25))
def test_every_life_can_be_told(seed: int) -> None:
    """Whatever happens to a job, in its order, in time that adds up, without a hole in the words."""
    for job in life(seed):
        story = told(job, 500_000)
        instants = [each["at"] for each in story["steps"]]
        assert instants == sorted(instants)
        assert set(kinds(story)) <= set(KINDS)
        parts = [seconds for name, seconds in story["time"].items() if name != "total_seconds"]
        assert min(parts) >= 0
        assert not re.search(r"None|\bnull\b|\{\}", as_story(story))


# --- the tables -------------------------------------------------------------------------------------------------------


def test_every_code_has_its_words() -> None:
    """Of every error of a model call, and of every other end of a job."""
    codes = {kind.code for kind in invocation_errors(errors.InvocationError)}
    codes |= {each.code for each in failures()}
    assert codes - CODES.keys() == set()


def test_every_reason_has_its_words() -> None:
    """Beside whatever status, and for whatever wait."""
    assert ENDS.keys() == set(StatusReason)
    assert STANDS.keys() == set(JobStatus)
    assert {StatusReason.WAITING_FOR_CAPACITY, StatusReason.BLOCKED, StatusReason.WAITING_FOR_PAYLOAD} <= WAITS.keys()


@pytest.mark.parametrize("code", CODES)
def test_every_end_has_its_advice(code: str) -> None:
    """Whoever's job failed with a code is told what to do about it."""
    failed = Failed(StatusReason.REJECTED, Failure(code, "x"), bury=False, outcome=AttemptOutcome.FAILED)
    story = told(lived(claimed(0), (1, failed)))
    assert story["advice"] == CODES[code].advice
    assert CODES[code].says in story["steps"][1]["says"]


def test_an_expired_job_is_told_what_to_do() -> None:
    """It has an error, and no failed attempt."""
    assert "deadline_seconds" in told(lived(claimed(0), (1, Expired())))["advice"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.2496, "250 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (250.4, "4 min 10 s"),
        (7_500, "2 h 05 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """No more digits than one reads."""
    assert span(seconds) == words


def test_what_was_counted_is_not_counted_as_unknown() -> None:
    """An answer that could not be used and whose tokens are known was paid: nothing about it is open."""
    unusable = failing(2, 5, failure=Failure("malformed_completion", ""), usage=a_completion().usage)
    story = told(lived(claimed(0), unusable, claimed(6), (8, Succeeded(a_completion()))))
    assert (story["paid"]["calls_counted"], story["paid"]["calls_perhaps_paid"]) == (2, 0)
    assert story["paid"]["usage"]["output_tokens"] == 6


def test_a_generation_whose_redrive_is_forgotten_keeps_its_number() -> None:
    """Waits are kept up to ten; the number of the generation does not begin anew."""
    story = told(replace(lived(claimed(0), failing(1, 5)), generation=3))
    assert {each["generation"] for each in story["steps"]} == {3}
