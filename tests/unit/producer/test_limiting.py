"""A tenant over its limit is told when to come again; another one is not touched."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from producer.limiting import Limiter
from producer.quotas import headers
from producer.replays import LOOKS_PER_SECOND
from producer.submit import Accepted
from quarry.errors import IdempotencyConflict, QueueUnavailable, Quota, RateLimited, StoreUnavailable, SubmissionUndecided
from quarry.job import Priority
from quarry.store.base import IdempotencyKey, KeyHolder, Tally
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Policy, Tenants
from tests.unit.producer.conftest import Producer
from tests.unit.producer.test_web import Web, web  # noqa: F401 - a fixture


def limited(producer: Producer, **limits: Any) -> Limiter:
    """Limits for `acme`, and for nobody else, in the producer; another process's limiter over the same table."""
    tenants = producer.submitter.tenants
    tenants.become(Tenants(named={"acme": Policy(limits=Limits(**limits))}))
    return Limiter(producer.store, tenants, producer.clock)


async def submit(producer: Producer, tenant: str = "acme", key: str | None = None, **body: Any) -> Accepted:
    return await producer.submitter.submit(tenant, {"prompt": "Hi"} | body, key)


async def test_over_the_limit_is_told_when_there_is_room_and_then_there_is(producer: Producer) -> None:
    """To the second: not a moment before."""
    limited(producer, requests_per_minute=30, burst_requests=4)
    for _ in range(4):
        await submit(producer)
    with pytest.raises(RateLimited) as refused:
        await submit(producer)
    assert refused.value.retry_after_seconds == 2
    assert len(producer.store.jobs) == 4
    await producer.clock.advance(1)
    with pytest.raises(RateLimited) as again:
        await submit(producer)
    assert again.value.retry_after_seconds == 1
    await producer.clock.advance(1)
    await submit(producer)
    assert producer.count("quarry_submissions_total", outcome="rate_limited") == 2


async def test_another_process_holds_to_the_same_limit(producer: Producer) -> None:
    """Whatever it takes is taken from all."""
    other = limited(producer, requests_per_minute=60, burst_requests=10)
    let_in = 0
    for i in range(40):
        try:
            await (other.enter("acme") if i % 2 else submit(producer))
            let_in += 1
        except RateLimited:
            pass
    assert let_in <= 10
    await producer.clock.advance(5)
    await other.tidy()
    await producer.submitter.limiter.tidy()
    for _ in range(4):
        await other.enter("acme")


async def test_a_tenant_without_limits_costs_nothing(producer: Producer) -> None:
    """No write, no read, no header, nothing kept."""
    limiter = limited(producer, requests_per_minute=1)
    producer.store.fail_next("book")
    await submit(producer, "other")
    await limiter.enter("other")
    assert (producer.store.bookings, limiter.quotas("other"), headers(limiter.quotas("other"))) == (0, (), {})


async def test_a_replay_costs_nothing_and_is_answered_over_the_limit(producer: Producer) -> None:
    """It makes no job. A new key over the limit is refused."""
    limited(producer, requests_per_minute=60, burst_requests=2)
    first = await submit(producer, key="k")
    assert (await submit(producer, key="k")).replayed
    await submit(producer)
    with pytest.raises(RateLimited):
        await submit(producer)
    assert (await submit(producer, key="k")).job.request_id == first.job.request_id
    with pytest.raises(RateLimited):
        await submit(producer, key="another")
    await producer.clock.advance(1)
    await submit(producer)


async def test_over_the_limit_a_replay_writes_nothing(producer: Producer) -> None:
    """Its key was looked up already."""
    limited(producer, requests_per_minute=60, burst_requests=1)
    first = await submit(producer, key="k")
    producer.store.fail_next("create_with_key", times=99)
    assert (await submit(producer, key="k")).job.request_id == first.job.request_id


@pytest.mark.parametrize("read", ["key_holder", "get"])
async def test_over_the_limit_a_key_whose_job_goes_meanwhile_makes_none(
    producer: Producer, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    """Who erases a job and submits it again at the same moment gets past no limit."""
    limited(producer, requests_per_minute=60, burst_requests=1)
    first = await submit(producer, key="k")
    seen, eraser = getattr(producer.store, read), producer.eraser

    async def then_erased(*asked: Any) -> Any:
        found = await seen(*asked)
        monkeypatch.setattr(producer.store, read, seen)
        await eraser.erase("acme", first.job.request_id)
        return found

    monkeypatch.setattr(producer.store, read, then_erased)
    with pytest.raises(RateLimited):
        await submit(producer, key="k")
    assert producer.store.jobs == []


async def test_over_the_limit_few_keys_are_looked_up(producer: Producer) -> None:
    """Refusals are to cost nothing: a new key each time, and the table is asked a few times a second. Another tenant's are."""
    limited(producer, requests_per_minute=60, burst_requests=1)
    await submit(producer, key="k")
    looked: list[str] = []
    look_up = producer.store.key_holder

    async def counted(key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        looked.append(key.key)
        return await look_up(key, now)

    producer.store.key_holder = counted  # type: ignore[method-assign]
    for i in range(100):
        with pytest.raises(RateLimited):
            await submit(producer, key=f"new {i}")
    assert len(looked) == LOOKS_PER_SECOND
    with pytest.raises(RateLimited):
        await submit(producer, key="k")
    await producer.clock.advance(0.5)
    assert len(looked) == LOOKS_PER_SECOND
    await producer.clock.advance(0.5)
    await producer.submitter.limiter.enter("acme")
    assert (await submit(producer, key="k")).replayed


async def test_what_is_refused_for_its_faults_costs_nothing(producer: Producer) -> None:
    """It is refused by itself."""
    limited(producer, requests_per_minute=60, burst_requests=1)
    for _ in range(5):
        with pytest.raises(Exception, match="max_tokens"):
            await submit(producer, max_tokens=-1)
    await submit(producer)


async def test_a_table_that_does_not_answer_lets_nobody_in(producer: Producer) -> None:
    """Not even where the rest would have worked; and what may have been booked is not spent."""
    limited(producer, requests_per_minute=60)
    producer.store.fail_next("book")
    with pytest.raises(StoreUnavailable):
        await submit(producer)
    assert producer.store.jobs == []
    await submit(producer)


async def test_those_who_come_at_once_share_a_write(producer: Producer) -> None:
    """Of a bulk submission too: the first of its items are let in."""
    limited(producer, requests_per_minute=600, burst_requests=90)
    verdicts = await producer.submitter.submit_many("acme", [{"prompt": str(i)} for i in range(100)])
    kinds = [type(each) for each in verdicts]
    assert kinds == [Accepted] * 90 + [RateLimited] * 10
    assert producer.store.bookings <= 15


async def test_a_changed_limit_holds_at_once(producer: Producer) -> None:
    """And a limit that is gone is forgotten."""
    limiter = limited(producer, requests_per_minute=60, burst_requests=1)
    await limiter.enter("acme")
    with pytest.raises(RateLimited):
        await limiter.enter("acme")
    limited(producer, requests_per_minute=60, burst_requests=5)
    await limiter.enter("acme")
    producer.submitter.tenants.become(Tenants())
    for _ in range(20):
        await limiter.enter("acme")


async def test_a_share_that_rests_is_given_back(producer: Producer) -> None:
    """By a write of its own, and once; nobody asked for a minute is forgotten."""
    limiter = limited(producer, requests_per_minute=60)
    await asyncio.gather(*(limiter.enter("acme") for _ in range(10)))
    for _ in range(3):
        await producer.clock.advance(0.05)
        await limiter.enter("acme")
    bookings = producer.store.bookings
    await producer.clock.advance(5)
    await limiter.tidy()
    await limiter.tidy()
    assert producer.store.bookings == bookings + 1
    await producer.clock.advance(100)
    await limiter.tidy()
    assert limiter.known_count == 0


# --- over HTTP --------------------------------------------------------------------------------------------------------


async def post(web: Web, path: str = "/v1/jobs", **body: Any) -> httpx.Response:  # noqa: F811
    return await web.client.post(path, json=body)


async def test_the_headers_tell_how_the_tenant_stands(producer: Producer, web: Web) -> None:  # noqa: F811
    """On what is accepted and on what is refused."""
    producer.submitter.tenants.become(Tenants(Policy(limits=Limits(requests_per_minute=20, burst_requests=2))))
    answers = [await post(web, prompt="Hi") for _ in range(3)]
    assert [each.status_code for each in answers] == [202, 202, 429]
    assert [each.headers["RateLimit-Policy"] for each in answers] == ['"requests";q=20;w=60'] * 3
    assert [each.headers["RateLimit"] for each in answers] == [f'"requests";r={left};t=3' for left in (1, 0, 0)]
    refused = answers[-1]
    assert refused.headers["Retry-After"] == "3"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"


async def test_a_bulk_submission_is_refused_only_as_a_whole(producer: Producer, web: Web) -> None:  # noqa: F811
    """As long as one item is accepted, the others are told in their places."""
    producer.submitter.tenants.become(Tenants(Policy(limits=Limits(requests_per_minute=20, burst_requests=2))))
    jobs = [{"prompt": "Hi", "custom_id": str(i)} for i in range(3)]
    some = await post(web, "/v1/jobs/bulk", jobs=jobs)
    assert some.status_code == 202
    assert [(each["custom_id"], each.get("error", {}).get("code")) for each in some.json()["jobs"]] == [
        ("0", None),
        ("1", None),
        ("2", "rate_limited"),
    ]
    none = await post(web, "/v1/jobs/bulk", jobs=jobs)
    assert (none.status_code, none.headers["Retry-After"]) == (429, "3")


def test_header_fields_by_the_draft() -> None:
    """Lists of strings with parameters; what is not known is left out."""
    quotas = [Quota("requests", 60, 12, 60, 1), Quota("queued-jobs", 1000, 0)]
    assert headers(quotas) == {
        "RateLimit-Policy": '"requests";q=60;w=60, "queued-jobs";q=1000',
        "RateLimit": '"requests";r=12;t=1, "queued-jobs";r=0',
    }


# --- what keeps its priority ------------------------------------------------------------------------------------------


async def test_what_is_beyond_waits_in_the_low_lane_and_nothing_is_refused(producer: Producer) -> None:
    """By submissions, whichever priority they ask for; `low` has none to lose. Another tenant's keep theirs."""
    limited(producer, demote_over_per_minute=3)
    asked = ["low", "high", "normal", "low", None, "high", "normal"]
    lanes = [(await submit(producer, priority=each) if each else await submit(producer)).job.priority for each in asked]
    assert lanes == ["low", "high", "normal", "low", "normal", "low", "low"]
    assert (await submit(producer, "other", priority="high")).job.priority == "high"
    assert sorted(job.demoted_from for job in producer.store.jobs if job.demoted_from) == ["high", "normal"]
    assert [producer.lanes[lane].visible_count for lane in Priority] == [2, 2, 4]
    await producer.clock.advance(20)
    assert [(await submit(producer)).job.priority for _ in range(2)] == ["normal", "low"]
    assert headers(producer.submitter.limiter.quotas("acme")) == {}


async def test_processes_share_what_keeps_its_priority_and_requests_are_counted_apart(producer: Producer) -> None:
    """Whoever spends it, it is spent once."""
    other = limited(producer, demote_over_per_minute=4, requests_per_minute=6)
    lanes = [await other.lane("acme", Priority.NORMAL) for _ in range(2)]
    await producer.clock.advance(5)
    await other.tidy()
    lanes += [(await submit(producer)).job.priority for _ in range(6)]
    assert lanes == [Priority.NORMAL] * 4 + [Priority.LOW] * 4
    with pytest.raises(RateLimited):
        await submit(producer)


async def test_a_replay_loses_nobodys_priority(producer: Producer) -> None:
    """It makes no job."""
    limited(producer, demote_over_per_minute=2)
    for _ in range(5):
        await submit(producer, key="k")
    assert [(await submit(producer)).job.priority for _ in range(2)] == ["normal", "low"]


async def test_a_bulk_submission_keeps_the_priority_of_its_first_jobs(producer: Producer) -> None:
    """With a write for all that come at once."""
    limited(producer, demote_over_per_minute=60)
    verdicts = await producer.submitter.submit_many("acme", [{"prompt": str(i)} for i in range(100)])
    lanes = [each.job.priority for each in verdicts if isinstance(each, Accepted)]
    assert lanes == [Priority.NORMAL] * 60 + [Priority.LOW] * 40
    assert producer.store.bookings <= 15


# --- jobs under way ---------------------------------------------------------------------------------------------------


async def test_no_more_jobs_are_let_in_than_may_be_under_way(producer: Producer) -> None:
    """What was counted, and what came since; until the next count says that there is room."""
    limited(producer, queued_jobs=3)
    await producer.store.put_tally(Tally(producer.clock.now(), {"acme": 1}, {"acme": 0.25}))
    await submit(producer)
    await submit(producer)
    with pytest.raises(RateLimited) as refused:
        await submit(producer)
    assert refused.value.retry_after_seconds == 4
    assert headers(producer.submitter.limiter.quotas("acme"))["RateLimit"] == '"queued-jobs";r=0'
    await producer.clock.advance(10)
    with pytest.raises(RateLimited):
        await submit(producer)
    await producer.store.put_tally(Tally(producer.clock.now(), {"acme": 2}))
    await producer.clock.advance(4)
    await submit(producer)
    with pytest.raises(RateLimited) as refused:
        await submit(producer)
    assert refused.value.retry_after_seconds == 10


async def test_what_is_not_let_in_is_not_under_way(producer: Producer) -> None:
    """Whatever refused it; nor is a replay."""
    limited(producer, queued_jobs=3, requests_per_minute=60, burst_requests=2)
    await submit(producer, key="k")
    assert (await submit(producer, key="k")).replayed
    await submit(producer)
    with pytest.raises(RateLimited, match="a minute"):
        await submit(producer)
    await producer.clock.advance(60)
    await submit(producer)
    with pytest.raises(RateLimited, match="under way"):
        await submit(producer)


@pytest.mark.parametrize("operation", ["create_with_key", "create", "book", "send", "conflict"])
async def test_what_failed_is_not_under_way(producer: Producer, operation: str) -> None:
    """Where it is known that it made no job, its place is free at once; where it may have made one, not before the next count."""
    limited(producer, queued_jobs=2, demote_over_per_minute=60)
    await submit(producer, key="taken")
    if operation == "send":
        producer.queue.fail_next("send")
    elif operation == "conflict":
        pass
    else:
        producer.store.fail_next(operation)  # type: ignore[arg-type]
    for _ in range(1 if operation != "conflict" else 3):
        with pytest.raises((StoreUnavailable, QueueUnavailable, IdempotencyConflict)):
            await submit(producer, prompt="else", key="taken" if operation == "conflict" else "k" if "key" in operation else None)
    await submit(producer)
    with pytest.raises(RateLimited):
        await submit(producer)


async def test_what_may_be_under_way_keeps_its_place(producer: Producer) -> None:
    """Nobody can tell."""
    limited(producer, queued_jobs=1)
    producer.store.fail_next("create", known=False)
    with pytest.raises(SubmissionUndecided):
        await submit(producer)
    with pytest.raises(RateLimited):
        await submit(producer)


async def test_a_conflict_is_a_request_like_others(producer: Producer) -> None:
    """It costs the table a write: who brings about many is limited."""
    limited(producer, requests_per_minute=60, burst_requests=3)
    await submit(producer, key="k")
    for _ in range(2):
        with pytest.raises(IdempotencyConflict):
            await submit(producer, prompt="else", key="k")
    with pytest.raises(RateLimited):
        await submit(producer)


async def test_the_tally_is_read_seldom_and_its_loss_is_borne(producer: Producer) -> None:
    """Once in a few seconds, whoever asks."""
    limited(producer, queued_jobs=100)
    producer.store.fail_next("tally", times=1)
    for _ in range(5):
        await submit(producer)
    await producer.clock.advance(3)
    producer.store.fail_next("tally", times=1)
    await submit(producer)
