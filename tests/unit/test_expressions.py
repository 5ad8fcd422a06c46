"""Conditional writes as data: well-formed by DynamoDB's rules, and refusals that say why.

That they do what they say is the contract suite's.
"""

import re
from typing import Any

import pytest

from quarry.job import Cancelled, Succeeded, advance
from quarry.store import expressions
from quarry.store.base import IdempotencyKey
from quarry.testing import NOW, a_claimed_job, a_completion, a_job, a_lease, an_envelope

JOB, HELD = a_job(), a_claimed_job(a_lease("token"))
DONE = advance(HELD, Succeeded(a_completion()), NOW)
KEY = IdempotencyKey("default", "key", "print", NOW)
TABLE = "jobs"

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
