"""Job ⇄ item: whatever can become of a job comes back as it was."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quarry.invocation import Completion, Invocation, ServedBy, Usage
from quarry.job import Job, JobStatus, Succeeded, advance
from quarry.store.item import LISTED, SHARDS, from_item, job_key, shard_of, to_item
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
    answered(a_completion("", content=(), provider_request_id=None, usage=Usage(), served_by=ServedBy("echo", "", "echo"))),
    answered(a_completion(content=({"toolUse": {"input": {"n": 0.1, "deep": [[[[]]]]}}},), filtered=True, stop_reason="tool_use")),
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
            job, invocation=Invocation(), result=None, error=None, attempt_history=(), open_attempts=(), lease=None, check_at=None,
            bury_reason=None,
        )  # fmt: skip


def test_the_list_carries_no_content() -> None:
    """Nor history, nor lease: an index is read by many, and costs by its size."""
    assert set(LISTED).isdisjoint({"invocation", "result", "attempt_history", "lease_token", "error"})


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
