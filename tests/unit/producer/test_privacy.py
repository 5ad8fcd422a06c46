"""What callers see of jobs that are kept for a short time only, or whose content is not stored."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from producer.requests import ListQuery
from quarry.errors import IdempotencyConflict, InvalidSubmission, JobNotFound
from quarry.job import Claimed, Job, StoredObject, Succeeded, advance
from quarry.store.item import to_item
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.privacy import GRACE, Privacy
from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_job, a_lease
from tests.unit.producer.conftest import Producer

CANARY = "canary 4711"
DAY = 86_400


def rule(producer: Producer, **rules: Any) -> None:
    """What holds from now on for every tenant."""
    producer.tenants.become(Tenants(Policy(privacy=Privacy(**rules))))


async def answered(producer: Producer, request_id: str) -> Job:
    """The job, with its answer in the bucket: as a worker leaves one whose content is not stored."""
    job = advance(producer.store.job(request_id), Claimed(a_lease()), producer.clock.now())
    stored = await producer.payloads.put("default", request_id, "result", f'{{"text":"{CANARY}"}}'.encode())
    return producer.store.put(advance(job, Succeeded(a_completion(content=()), stored=stored), producer.clock.now()))


async def test_what_was_asked_never_enters_the_table(producer: Producer) -> None:
    """Not even where it is small."""
    request_id = (await producer.submit(prompt=CANARY, system=CANARY, store_content=False)).job.request_id
    job = producer.store.job(request_id)
    assert job.payload is not None
    assert CANARY not in str(job)
    assert CANARY not in str(to_item(job, 0))
    assert CANARY.encode() in producer.payloads.objects[job.payload.key]
    kept = producer.store.job((await producer.submit(prompt=CANARY)).job.request_id)
    assert (kept.payload, kept.brief) == (None, False)


async def test_an_answer_is_read_and_then_it_is_gone(producer: Producer) -> None:
    """For some minutes it can be read again; reading again keeps it no longer."""
    job = await answered(producer, (await producer.submit(store_content=False)).job.request_id)
    await producer.clock.advance(3600)
    shown = await producer.lookup.show(await producer.lookup.get("default", job.request_id))
    assert shown["result"] == {"text": CANARY}
    await producer.clock.advance(GRACE.total_seconds() - 1)
    assert (await producer.lookup.show(await producer.lookup.get("default", job.request_id)))["result"] == {"text": CANARY}
    assert await producer.erasures.over(producer.clock.now(), 10) == []
    await producer.clock.advance(1)
    with pytest.raises(JobNotFound):
        await producer.lookup.get("default", job.request_id)
    assert await producer.erasures.over(producer.clock.now(), 10) == [("default", job.request_id)]


async def test_an_answer_that_nobody_comes_for_is_kept_for_its_time(producer: Producer) -> None:
    """And no longer. A look at the job while it is not over is no reading."""
    rule(producer, keep_hours=2)
    request_id = (await producer.submit(store_content=False)).job.request_id
    await producer.lookup.show(await producer.lookup.get("default", request_id))
    await answered(producer, request_id)
    await producer.clock.advance(2 * 3600 - 1)
    await producer.lookup.get("default", request_id)
    await producer.clock.advance(1)
    with pytest.raises(JobNotFound):
        await producer.lookup.get("default", request_id)


async def test_a_link_to_a_large_answer_opens_no_longer_than_the_job(producer: Producer) -> None:
    """It is signed for the minutes that are left."""
    stored = StoredObject("default/0/result-0.json", 1_000_000, "0")
    job = advance(a_claimed_job(store_content=False, brief=True), Succeeded(a_completion(content=()), stored=stored), NOW)
    producer.store.put(job)
    shown = await producer.lookup.show(await producer.lookup.get("default", job.request_id))
    assert f"seconds={int(GRACE.total_seconds())}" in shown["result"]["url"]


@pytest.mark.parametrize(
    ("rules", "body", "path"),
    [
        ({}, {"store_content": False, "stream": True}, "stream"),
        ({"store_content": False}, {"stream": True}, "stream"),
        ({"store_content": False}, {"store_content": True}, "store_content"),
    ],
)
async def test_what_would_store_content_is_refused(
    producer: Producer, rules: dict[str, Any], body: dict[str, Any], path: str
) -> None:
    """Text on its way goes through the table; and a tenant's rule is not for a caller to loosen."""
    rule(producer, **rules)
    with pytest.raises(InvalidSubmission) as refused:
        await producer.submit(**body)
    assert [fault.path for fault in refused.value.faults] == [path]


async def test_a_tenants_rule_holds_for_who_says_nothing(producer: Producer) -> None:
    rule(producer, store_content=False)
    job = (await producer.submit()).job
    assert (job.store_content, job.brief, job.payload is not None) == (False, True, True)


async def never() -> None:
    """The caller stays."""
    await asyncio.Event().wait()


Reading = Callable[[Producer, Job], Any]
READINGS: dict[str, Reading] = {
    "get": lambda producer, job: producer.lookup.get("default", job.request_id),
    "explain": lambda producer, job: producer.lookup.explain("default", job.request_id),
    "cancel": lambda producer, job: producer.canceller.cancel("default", job.request_id),
    "wait": lambda producer, job: producer.lookup.wait("default", job.request_id, 1, never),
}


@pytest.mark.parametrize("reading", READINGS)
async def test_a_job_whose_time_is_over_is_no_job(producer: Producer, reading: str) -> None:
    """By the policy of now, long before the table has deleted it: whoever asks, however."""
    job = producer.store.put(advance(a_claimed_job(), Succeeded(a_completion(CANARY)), NOW))
    await producer.clock.advance(3 * DAY)
    await producer.lookup.get("default", job.request_id)
    rule(producer, retention_days=3)
    with pytest.raises(JobNotFound):
        await READINGS[reading](producer, job)
    [row] = (await producer.lookup.look_up("default", [job.request_id]))["jobs"]
    assert row["error"]["code"] == "job_not_found"
    assert (await producer.lookup.list("default", ListQuery()))["jobs"] == []


async def test_a_list_shows_no_job_whose_content_is_not_stored_after_its_time(producer: Producer) -> None:
    """Lists do not carry what tells; of those made in the same moment whose content is stored, none is missing."""
    kept, brief = a_claimed_job(), a_claimed_job(store_content=False, brief=True)
    for job in (kept, brief):
        producer.store.put(advance(job, Succeeded(a_completion(CANARY)), NOW))

    async def listed() -> set[str]:
        return {each["request_id"] for each in (await producer.lookup.list("default", ListQuery()))["jobs"]}

    await producer.clock.advance(DAY - 1)
    assert await listed() == {kept.request_id, brief.request_id}
    await producer.clock.advance(1)
    assert await listed() == {kept.request_id}
    rule(producer, keep_hours=48)
    assert await listed() == {kept.request_id, brief.request_id}


async def test_a_list_that_is_in_no_doubt_asks_no_records(producer: Producer) -> None:
    """Of jobs that are not over, or were a moment ago."""
    producer.store.put(a_claimed_job())
    producer.store.put(advance(a_claimed_job(), Succeeded(a_completion(CANARY)), NOW))
    producer.store.fail_next("storing_content")
    assert len((await producer.lookup.list("default", ListQuery()))["jobs"]) == 2


async def test_no_tenant_keeps_jobs_for_longer_than_the_service(producer: Producer) -> None:
    """The bucket would not have them any more."""
    rule(producer, retention_days=365)
    job = producer.store.put(advance(a_claimed_job(), Succeeded(a_completion(CANARY)), NOW))
    await producer.clock.advance(14 * DAY)
    with pytest.raises(JobNotFound):
        await producer.lookup.get("default", job.request_id)


async def test_a_key_does_not_show_what_is_over(producer: Producer) -> None:
    """Whoever submits again with it is told that its job is gone; nothing is shown, and nothing is submitted."""
    request_id = (await producer.submit("once", store_content=False)).job.request_id
    job = await answered(producer, request_id)
    producer.store.put(replace(job, delivered_at=producer.clock.now() - GRACE))
    with pytest.raises(IdempotencyConflict):
        await producer.submit("once", store_content=False)
    producer.store.put(replace(a_job(request_id=request_id), erasing=True))
    with pytest.raises(IdempotencyConflict):
        await producer.submit("once", store_content=False)


def test_what_is_erased_in_time_outlives_it_in_the_table() -> None:
    """Without its record nobody would look for its objects; of others the table's own expiry is all there is."""
    hour_ms = 3_600_000
    over = advance(a_claimed_job(), Succeeded(a_completion()), NOW)
    brief = to_item(replace(over, brief=True), hour_ms)
    assert int(brief["expires_at"]["N"]) - int(brief["check_at"]["N"]) / 1000 == timedelta(days=7).total_seconds()
    assert brief["check_pk"]["S"].startswith("kept#")
    assert "check_pk" not in to_item(over, hour_ms)
