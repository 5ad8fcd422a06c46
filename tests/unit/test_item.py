"""Job ⇄ item: whatever can become of a job comes back as it was."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.session import get_session

from quarry.attempts import HISTORY_LIMIT, WAITS_LIMIT, Attempt, AttemptOutcome, Failure
from quarry.invocation import Completion, Fallback, Invocation, Target, Usage
from quarry.job import MAX_TAKEOVERS, Job, JobStatus, Priority, StoredObject, Succeeded, advance
from quarry.store.item import LISTED, SHARDS, from_item, job_key, shard_of, to_item
from quarry.store.payloads import INLINE_MAX_BYTES
from quarry.testing import NOW, a_claimed_job, a_completion, a_job, an_invocation
from tests.unit.lives import life

RETENTION_MS = 1_000_000
#: Text that has broken one serialiser or another.
TEXTS = ("", " ", "\x00", "\ud83d", "🚀", "\u2028", '"\\', "Grüße, 世界", "\r\n\t", "NaN", "null", "x" * 100_000)
NUMBERS = (0.0, -0.0, 0.1, 1e-300, 1e300, 2**63, -1)
NATIVES: tuple[dict[str, Any], ...] = ({}, {"": ""}, {"a": [1, 0.5, None, True, {"b": []}]})


def answered(completion: Completion) -> Job:
    return advance(a_claimed_job(), Succeeded(completion), NOW)


VARIATIONS: tuple[Job, ...] = (
    a_job(),
    a_job(invocation=Invocation()),
    *(a_job(invocation=Invocation(native=native)) for native in NATIVES),
    *(a_job(invocation=an_invocation(text), custom_id=text or None, metadata={text: text}) for text in TEXTS if text != "\ud83d"),
    *(a_job(invocation=an_invocation(temperature=number, top_p=number, converse={"n": number})) for number in NUMBERS),
    a_job(invocation=an_invocation(system=({"text": "s"},), stop_sequences=("", "\n"), max_tokens=1)),
    *(answered(a_completion(text)) for text in TEXTS),
    answered(a_completion("", content=(), provider_request_id=None, usage=Usage(), served_by=Target("echo", "", "echo"))),
    answered(a_completion(content=({"toolUse": {"input": {"n": 0.1, "deep": [[[[]]]]}}},), filtered=True, stop_reason="tool_use")),
    a_job(invocation=Invocation(), payload=StoredObject("t/1/payload-2.json", 20_000_000, "2")),
    advance(a_claimed_job(), Succeeded(a_completion(content=()), stored=StoredObject("t/1/result-2.json", 20_000_000, "2")), NOW),
    a_job(allowed_regions=("eu-west-1", "eu-central-1")),
    a_job(priority=Priority.LOW, demoted_from=Priority.HIGH),
    a_job(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    a_job(created_at=NOW + timedelta(milliseconds=123), priority="high", max_attempts=10, generation=3),
)


@pytest.mark.parametrize("job", VARIATIONS, ids=range(len(VARIATIONS)))
def test_a_job_comes_back_as_it_was(job: Job) -> None:
    """Through the wire form of DynamoDB, which is UTF-8."""
    item = json.loads(json.dumps(to_item(job, RETENTION_MS), ensure_ascii=False).encode())
    assert from_item(item) == job


@pytest.mark.parametrize("seed", range(50))
def test_every_stage_of_every_life_comes_back(seed: int) -> None:
    """With its history, its lease and its outcome."""
    for job in life(seed):
        assert from_item(to_item(job, RETENTION_MS)) == job


@pytest.mark.parametrize("seed", range(10))
def test_what_is_listed_is_the_job_without_its_content(seed: int) -> None:
    """As it comes back from the index, which carries the `LISTED` attributes only."""
    for job in life(seed):
        item = {name: value for name, value in to_item(job, RETENTION_MS).items() if name in LISTED}
        assert from_item(item) == replace(
            job, invocation=Invocation(), payload=None, result=None, result_object=None, error=None, attempt_history=(),
            waits=(), degraded=None, open_attempts=(), lease=None, check_at=None, bury_reason=None, attempts_before=0,
        )  # fmt: skip


def test_the_index_carries_no_more_than_dynamodb_takes() -> None:
    """An emulator takes any number; DynamoDB refuses to make the table. The limit is read from the installed service model."""
    limit = get_session().get_service_model("dynamodb").shape_for("NonKeyAttributeNameList").metadata["max"]
    assert len(set(LISTED) - {"request_id"}) <= limit


def test_the_list_carries_no_content() -> None:
    """Nor history, nor lease: an index is read by many, and costs by its size."""
    content = {"invocation", "payload", "result", "result_object", "degraded", "error"}
    assert set(LISTED).isdisjoint(content | {"attempt_history", "waits", "lease_token"})


@pytest.mark.parametrize("status", JobStatus)
def test_absent_values_are_left_out(status: JobStatus) -> None:
    """A sparse index must not see them: no attribute is null or empty."""
    finished_at = NOW if status.is_terminal else None
    item = to_item(a_job(status=status, check_at=None, finished_at=finished_at), RETENTION_MS)
    assert {"check_pk", "check_at"}.isdisjoint(item)
    assert ("expires_at" in item) is status.is_terminal
    assert not [name for name, value in item.items() if next(iter(value.values())) in (None, "", [], {})]


def test_a_job_is_deleted_when_its_retention_is_over() -> None:
    """TTL counts in seconds, rounded down."""
    item = to_item(a_job(finished_at=NOW + timedelta(milliseconds=1999)), 86_400_000)
    assert item["expires_at"] == {"N": str(int(NOW.timestamp()) + 86_401)}


def test_no_job_outgrows_its_item() -> None:
    """With all that it may hold, of letters of four bytes, a job is far below the 400 KB that DynamoDB takes."""
    failure = Failure("invocation_rejected", "🚀" * 1000)
    refused = Fallback("bedrock/us-east-1/" + "m" * 2048, "throttled", 1.25)
    asked = a_claimed_job().ended(NOW, AttemptOutcome.FAILED, fallbacks=(refused,) * 50).attempt_history[0].fallbacks
    [wait] = a_job().waiting("waiting_for_capacity", NOW, NOW, (refused,) * 50).waits
    ended = Attempt(1, NOW, NOW, AttemptOutcome.FAILED, "bedrock/us-east-1/" + "m" * 2048, failure, a_completion().usage, asked)
    full = a_claimed_job(
        invocation=an_invocation("x" * INLINE_MAX_BYTES),
        model="m" * 2048,
        custom_id="🚀" * 256,
        metadata={f"{i:02}" + "🚀" * 62: "🚀" * 512 for i in range(16)},
        attempt_history=(ended,) * HISTORY_LIMIT,
        waits=(wait,) * WAITS_LIMIT,
        open_attempts=(NOW,) * MAX_TAKEOVERS,
    )
    full = replace(advance(full, Succeeded(a_completion("x" * INLINE_MAX_BYTES)), NOW), error=failure)
    values = (len(name.encode()) + len(json.dumps(value, ensure_ascii=False).encode()) for name, value in to_item(full, 0).items())
    assert sum(values) < 400_000 * 0.75


def test_tenants_share_no_key() -> None:
    """The same id belongs to each of them apart."""
    job = a_job()
    assert job_key("a", job.request_id) != job_key("b", job.request_id)
    assert to_item(job, 0)["list_pk"] != to_item(replace(job, tenant="b"), 0)["list_pk"]


def test_jobs_spread_over_all_shards() -> None:
    """One index partition takes about a thousand writes a second."""
    shards = [shard_of(a_job().request_id) for _ in range(1000)]
    assert set(shards) == set(range(SHARDS))
    assert max(shards.count(shard) for shard in range(SHARDS)) < 250


def test_what_a_newer_version_adds_is_ignored() -> None:
    """Readers accept the next version: workers are deployed before producers."""
    job = a_job()
    added: dict[str, Any] = {"v": {"N": "2"}, "mood": {"S": "good"}}
    assert from_item(to_item(job, RETENTION_MS) | added) == job


def test_an_item_that_is_one_version_ahead_can_be_read() -> None:
    """What it added is left out; nothing that this version knows is lost."""
    job = advance(a_claimed_job(), Succeeded(a_completion()), NOW)
    item = to_item(job, 0) | {"v": {"N": "2"}, "novelty": {"S": "?"}, "status_reason": {"S": "novel"}}
    for name in ("invocation", "result"):
        item[name] = {"S": item[name]["S"][:-1] + ',"novelty":1}'}
    result = json.loads(item["result"]["S"])
    result["usage"]["novelty"] = result["served_by"]["novelty"] = 1
    item["result"] = {"S": json.dumps(result)}
    assert from_item(item) == job
