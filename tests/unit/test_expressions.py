"""Conditional writes as data: well-formed by DynamoDB's rules, and refusals that say why.

That they do what they say is the contract suite's.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from quarry.clock import from_epoch_ms
from quarry.envelope import Envelope
from quarry.errors import (
    AlreadyFinished,
    CancelRequested,
    ClaimedElsewhere,
    ClaimRefused,
    DeadlinePassed,
    NoRecord,
    NotYetDue,
    StaleGeneration,
    TakenOverTooOften,
)
from quarry.job import CLOCK_MARGIN, MAX_TAKEOVERS, Cancelled, Job, JobStatus, Succeeded, advance
from quarry.store import expressions
from quarry.store.base import Heartbeat, IdempotencyKey
from quarry.store.item import worker_key
from quarry.testing import NOW, a_claimed_job, a_completion, a_job, a_lease, an_envelope

JOB, HELD = a_job(), a_claimed_job(a_lease("token"))
DONE = advance(HELD, Succeeded(a_completion()), NOW)
KEY = IdempotencyKey("default", "key", "print", NOW)
TABLE = "jobs"
MS = timedelta(milliseconds=1)

UPDATES: dict[str, dict[str, Any]] = {
    "claim": expressions.claim(TABLE, an_envelope(JOB), a_lease(), NOW),
    "take_over": expressions.take_over(TABLE, an_envelope(JOB), a_lease(), "token", NOW),
    "renew": expressions.renew(TABLE, HELD, "token", NOW, answered=False),
    "record": expressions.record(TABLE, DONE, "token", 1000),
    "record, not terminal": expressions.record(TABLE, HELD, "token", 1000),
    "replace": expressions.replace(TABLE, advance(JOB, Cancelled(), NOW), JOB, 1000, NOW),
    "request_cancel": expressions.request_cancel(TABLE, HELD),
    "clear_bury": expressions.clear_bury(TABLE, DONE),
}
PARTS = [
    *UPDATES.values(),
    *(next(iter(part.values())) for part in expressions.create_with_key(TABLE, JOB, KEY, 1000, NOW)["TransactItems"]),
    *(next(iter(part.values())) for part in expressions.withdraw(TABLE, JOB, KEY)["TransactItems"]),
]
WORDS = {"SET", "REMOVE", "AND", "OR", "IN", "attribute_exists", "attribute_not_exists", "if_not_exists", "list_append"}


@pytest.mark.parametrize("request_", PARTS, ids=range(len(PARTS)))
def test_every_name_is_aliased_and_everything_is_used(request_: dict[str, Any]) -> None:
    """DynamoDB refuses reserved words, unknown placeholders, and what is given and not used."""
    text = f"{request_.get('UpdateExpression', '')} {request_['ConditionExpression']}"
    assert set(re.findall(r"(?<![#:\w])[A-Za-z_]\w*", text)) <= WORDS
    assert set(re.findall(r"#\w+", text)) == set(request_["ExpressionAttributeNames"])
    assert set(re.findall(r":\w+", text)) == set(request_.get("ExpressionAttributeValues", {}))


@pytest.mark.parametrize("name", UPDATES)
def test_no_attribute_is_written_twice(name: str) -> None:
    """DynamoDB refuses overlapping paths, and no update touches a key or an index's key but `check_pk`."""
    written = written_by(UPDATES[name])
    assert len(set(written)) == len(written)
    assert {"pk", "sk", "list_pk", "request_id", "tenant"}.isdisjoint(written)


@pytest.mark.parametrize("name", UPDATES)
def test_every_guarded_write_asks_for_the_old_item(name: str) -> None:
    """So that the reason of a refusal is known without a second read, and no write is unguarded."""
    assert UPDATES[name]["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert UPDATES[name]["ConditionExpression"]


@pytest.mark.parametrize("name", ["record", "record, not terminal"])
def test_a_record_leaves_alone_what_is_not_the_holders(name: str) -> None:
    """The caller's wish to cancel, and all that was submitted."""
    submitted = {"cancel_requested", "invocation", "metadata", "model", "priority", "custom_id", "created_at", "deadline_at"}
    assert submitted.isdisjoint(written_by(UPDATES[name]))


def test_only_going_on_is_refused_by_a_wish_to_cancel() -> None:
    """A completion in hand beats it."""
    assert "cancel_requested" in UPDATES["record, not terminal"]["ConditionExpression"]
    assert "cancel_requested" not in UPDATES["record"]["ConditionExpression"]


def test_an_insert_has_a_parameter_for_every_placeholder() -> None:
    """All values travel as parameters: no text of a caller is ever part of a statement."""
    job = a_job(custom_id="'}; DELETE", metadata={"a": "?'"})
    statement = expressions.create(TABLE, job, 1000)
    assert statement["Statement"].count("?") == len(statement["Parameters"])
    assert "DELETE" not in statement["Statement"]


def test_a_key_is_kept_as_a_digest() -> None:
    """Of fixed length, whatever the caller sent."""
    digests = {expressions.digest(text) for text in ("", "a", "b", "ü" * 10_000)}
    assert len(digests) == 4
    assert {len(each) for each in digests} == {64}


def written_by(update: dict[str, Any]) -> list[str]:
    text = update["UpdateExpression"]
    sets, _, removes = text.partition(" REMOVE ")
    return [*re.findall(r"#(\w+) = ", sets), *re.findall(r"#(\w+)", removes if "SET" in text else text)]


# --- refusals ---------------------------------------------------------------------------------------------------------

#: In the order in which they are judged: where several hold, the first one is the answer.
REFUSALS: tuple[tuple[type[ClaimRefused], dict[str, Any]], ...] = (
    (StaleGeneration, {"generation": 1}),
    (AlreadyFinished, {"status": JobStatus.COMPLETED}),
    (ClaimedElsewhere, {"status": JobStatus.PROCESSING, "lease": a_lease(expires_at=NOW)}),
    (CancelRequested, {"cancel_requested": True}),
    (DeadlinePassed, {"deadline_at": NOW}),
    (NotYetDue, {"available_at": NOW + MS}),
)


@pytest.mark.parametrize("position", range(len(REFUSALS)))
def test_the_first_reason_is_the_answer(position: int) -> None:
    """What is over is over whatever else holds, and a live lease hides the rest."""
    changes: dict[str, Any] = {}
    for _, more in reversed(REFUSALS[position:]):
        changes |= more
    job = a_job(**changes)
    assert type(refused(job)) is REFUSALS[position][0]
    assert type(refused(a_job(**REFUSALS[position][1]))) is REFUSALS[position][0]


def refused(job: Job | None, now: datetime = NOW) -> ClaimRefused | None:
    envelope: Envelope = an_envelope(JOB if job is None else job, generation=0)
    return expressions.why_refused(job, envelope, now)


def test_what_can_be_claimed_is_not_refused() -> None:
    """A waiting job that is due, and one whose lease has run out, with the margin."""
    held = a_job(status=JobStatus.PROCESSING, lease=a_lease(expires_at=NOW), available_at=NOW + timedelta(hours=1))
    assert refused(a_job(available_at=NOW)) is None
    assert type(refused(held, NOW + CLOCK_MARGIN - MS)) is ClaimedElsewhere
    assert refused(held, NOW + CLOCK_MARGIN) is None


def test_what_is_not_there_has_no_record() -> None:
    """It was erased, or has expired."""
    assert type(refused(None)) is NoRecord


def test_workers_die_on_a_job_only_so_often() -> None:
    """Where its lease has run out once more; a job that waits was given back by somebody alive."""
    held = replace(a_claimed_job(a_lease(expires_at=NOW - CLOCK_MARGIN)), takeovers=MAX_TAKEOVERS)
    assert type(refused(held)) is TakenOverTooOften
    assert refused(replace(held, takeovers=MAX_TAKEOVERS - 1)) is None
    assert refused(a_job(takeovers=MAX_TAKEOVERS)) is None


def test_a_refusal_carries_what_the_worker_needs() -> None:
    """The job, until when to wait, and whether a dead letter is still to be sent."""
    held, waiting = a_claimed_job(a_lease(expires_at=NOW + MS)), a_job(available_at=NOW + MS)
    elsewhere, early = refused(held), refused(waiting)
    assert isinstance(elsewhere, ClaimedElsewhere)
    assert isinstance(early, NotYetDue)
    assert (elsewhere.until, elsewhere.job, early.until, early.job) == (NOW + MS, held, NOW + MS, waiting)
    finished = refused(a_job(status=JobStatus.FAILED, bury_reason="attempts_exhausted"))
    assert isinstance(finished, AlreadyFinished)
    assert finished.bury_reason == "attempts_exhausted"


def test_a_heartbeat_of_another_version_can_be_read() -> None:
    """In a rolling deploy workers read rows that have less in them, or more."""
    item = worker_key("w") | {"at": {"N": "0"}, "shares": {"M": {}}}
    assert expressions.heartbeat_in(item) == Heartbeat("w", from_epoch_ms(0))
