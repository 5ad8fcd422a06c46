"""Submitting when AWS fails on the way: what is left, and what the caller is told."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from producer.replays import KNOWN_MAX, Replays
from producer.submit import Accepted
from quarry.errors import IdempotencyConflict, QueueUnavailable, StoreUnavailable, SubmissionUndecided
from quarry.job import CHECK_AFTER, JobStatus, Priority
from quarry.store.base import IdempotencyKey
from quarry.testing.builders import NOW
from tests.unit.producer.conftest import Producer


async def test_an_accepted_job_has_record_and_message(producer: Producer) -> None:
    """And the sweep knows of it."""
    accepted = await producer.submit()
    [job] = producer.store.jobs
    assert accepted.job == job
    assert job.status is JobStatus.QUEUED
    assert job.check_at == job.created_at + CHECK_AFTER
    assert producer.queue.visible_count == 1
    assert producer.count("quarry_submissions_total", outcome="accepted") == 1


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_record_that_is_known_to_have_failed_leaves_nothing(producer: Producer, key: str | None) -> None:
    """No message either."""
    producer.store.fail_next("create_with_key" if key else "create")
    with pytest.raises(StoreUnavailable):
        await producer.submit(key)
    assert (producer.store.jobs, producer.queue.visible_count) == ([], 0)
    assert producer.count("quarry_submissions_total", outcome="store_unavailable") == 1


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("applied", [True, False])
async def test_a_record_whose_fate_is_unknown_is_undecided(producer: Producer, key: str | None, applied: bool) -> None:
    """The caller learns the id under which the job is found, if it is there."""
    producer.store.fail_next("create_with_key" if key else "create", applied=applied, known=False)
    with pytest.raises(SubmissionUndecided) as caught:
        await producer.submit(key)
    assert [job.request_id for job in producer.store.jobs] == ([caught.value.request_id] if applied else [])


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_send_that_is_known_to_have_failed_takes_the_record_back(producer: Producer, key: str | None) -> None:
    """And the key, which is free again."""
    producer.queue.fail_next("send")
    with pytest.raises(QueueUnavailable):
        await producer.submit(key)
    assert producer.store.jobs == []
    assert not (await producer.submit(key, max_tokens=7)).replayed


@pytest.mark.parametrize("applied", [True, False])
async def test_a_send_whose_fate_is_unknown_leaves_the_record(producer: Producer, applied: bool) -> None:
    """The message may be there: without its record it would mean a job that never was. The sweep does the rest."""
    producer.queue.fail_next("send", applied=applied, known=False)
    with pytest.raises(SubmissionUndecided) as caught:
        await producer.submit()
    assert producer.store.job(caught.value.request_id).check_at


async def test_a_withdrawal_that_fails_is_undecided(producer: Producer) -> None:
    """The record may still be there, and then it will run."""
    producer.queue.fail_next("send")
    producer.store.fail_next("withdraw", known=False)
    with pytest.raises(SubmissionUndecided):
        await producer.submit()


async def test_a_replay_sends_the_message_again_while_nobody_took_the_job(producer: Producer) -> None:
    """Its first one may be lost; once the job was taken, it is not sent."""
    first = await producer.submit("k")
    again = await producer.submit("k")
    assert (again.replayed, again.job.request_id) == (True, first.job.request_id)
    assert producer.queue.visible_count == 2
    await producer.canceller.cancel("default", first.job.request_id)
    assert (await producer.submit("k")).job.status is JobStatus.CANCELLED
    assert producer.queue.visible_count == 2


async def test_replays_in_a_row_write_and_send_once(producer: Producer) -> None:
    """Nobody's limit counts them: whoever repeats one key for ever costs reads, and one message a minute."""
    await producer.submit("k")
    await producer.submit("k")
    producer.store.fail_next("create_with_key", times=99)
    producer.store.fail_next("replace", times=99)
    for _ in range(50):
        assert (await producer.submit("k")).replayed
    assert producer.queue.visible_count == 2
    await producer.clock.advance(60)
    producer.store.mend()
    assert (await producer.submit("k")).replayed
    assert producer.queue.visible_count == 3


async def test_a_replay_after_one_whose_send_failed_sends(producer: Producer) -> None:
    """Only a message that was taken is not sent again."""
    await producer.submit("k")
    producer.queue.fail_next("send")
    with pytest.raises(SubmissionUndecided):
        await producer.submit("k")
    await producer.submit("k")
    assert producer.queue.visible_count == 2


async def test_a_replay_after_one_that_was_cut_off_sends(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a function has no time left: nobody knows that the message went."""
    await producer.submit("k")
    producer.queue.purge()
    reached = asyncio.Event()

    async def never(*_: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(producer.queue, "send", never)
        replay = asyncio.create_task(producer.submit("k"))
        await reached.wait()
        replay.cancel()
        with pytest.raises(asyncio.CancelledError):
            await replay
    await producer.submit("k")
    assert producer.queue.visible_count == 1


async def test_what_is_known_of_an_erased_jobs_key_holds_back_no_message_of_the_next(producer: Producer) -> None:
    """The key is free at once; should the message of the new job fail, its replay sends it."""
    first = await producer.submit("k")
    await producer.submit("k")
    await producer.eraser.erase("default", first.job.request_id)
    producer.queue.purge()
    producer.queue.fail_next("send", known=False)
    with pytest.raises(SubmissionUndecided):
        await producer.submit("k")
    assert (await producer.submit("k")).job.request_id != first.job.request_id
    assert producer.queue.visible_count == 1


async def test_a_key_that_is_free_again_makes_a_job_even_if_it_was_replayed_lately(producer: Producer) -> None:
    """What was known of it is of no use then."""
    first = await producer.submit("k")
    await producer.clock.advance(timedelta(hours=24).total_seconds() - 1)
    assert (await producer.submit("k")).replayed
    await producer.clock.advance(1)
    again = await producer.submit("k")
    assert not again.replayed
    assert again.job.request_id != first.job.request_id
    assert producer.queue.visible_count == 3


def test_what_is_known_of_replays_is_bounded(producer: Producer) -> None:
    """The oldest is forgotten."""
    replays = Replays(producer.clock)
    keys = [IdempotencyKey("default", str(i), "print", NOW) for i in range(KNOWN_MAX + 1)]
    for key in keys:
        replays.note(key)
    assert [replays.is_recent(key) for key in (keys[0], keys[1], keys[-1])] == [False, True, True]


async def test_a_job_that_was_promised_again_is_not_withdrawn(producer: Producer) -> None:
    """A first submission whose send fails late must not take back what a replay has meanwhile answered 202 for."""
    held, reached = asyncio.Event(), asyncio.Event()
    send = producer.queue.send

    async def slow(envelopes: Any) -> list[QueueUnavailable | None]:
        producer.queue.send = send  # type: ignore[method-assign]
        reached.set()
        await held.wait()
        return [QueueUnavailable("refused", applied=False)]

    producer.queue.send = slow  # type: ignore[method-assign]
    first = asyncio.create_task(producer.submit("k"))
    await reached.wait()
    replay = await producer.submit("k")
    held.set()
    with pytest.raises(SubmissionUndecided) as caught:
        await first
    assert caught.value.request_id == replay.job.request_id
    assert [job.request_id for job in producer.store.jobs] == [replay.job.request_id]


async def test_a_replay_whose_send_fails_is_undecided(producer: Producer) -> None:
    """The job stays: it was accepted before."""
    first = await producer.submit("k")
    producer.queue.fail_next("send")
    with pytest.raises(SubmissionUndecided):
        await producer.submit("k")
    assert producer.store.job(first.job.request_id)


async def test_a_key_is_free_again_after_a_day(producer: Producer) -> None:
    """Then the same body makes another job."""
    first = await producer.submit("k")
    await producer.clock.advance(timedelta(hours=24).total_seconds() - 1)
    assert (await producer.submit("k")).replayed
    await producer.clock.advance(1)
    assert (await producer.submit("k")).job.request_id != first.job.request_id


async def test_a_key_without_its_job_is_refused(producer: Producer) -> None:
    """The job was erased: neither made anew, since it may have been paid, nor waited for."""
    await producer.submit("k")
    producer.store._rows.clear()  # noqa: SLF001
    with pytest.raises(IdempotencyConflict):
        await producer.submit("k")


async def test_keys_belong_to_their_tenant(producer: Producer) -> None:
    """Another tenant's key is another key."""
    await producer.submit("k")
    other = await producer.submitter.submit("acme", {"prompt": "Ho"}, "k")
    assert not other.replayed


async def test_a_failing_item_fails_alone(producer: Producer) -> None:
    """A bulk of three, whose second one is refused by the store."""
    producer.queue.fail_next("send")
    verdicts = await producer.submitter.submit_many("default", [{"prompt": "a"}, {"prompt": "b"}, 5, {"prompt": "c"}])
    kinds = [type(each) for each in verdicts]
    assert kinds.count(Accepted) == 2
    assert kinds.count(QueueUnavailable) == 1
    assert len(producer.store.jobs) == 2


@pytest.mark.parametrize("lane", Priority)
async def test_a_job_is_sent_on_the_lane_of_its_priority(producer: Producer, lane: Priority) -> None:
    """A replay's message too; without a priority it is `normal`."""
    for _ in range(2):
        accepted = await producer.submit("key", **({} if lane is Priority.NORMAL else {"priority": lane.value}))
    assert accepted.job.priority is lane
    assert {each: queue.visible_count for each, queue in producer.lanes.items()} == dict.fromkeys(Priority, 0) | {lane: 2}


async def test_another_priority_is_another_body(producer: Producer) -> None:
    """An idempotency key stands for one of them."""
    await producer.submit("key", priority="high")
    with pytest.raises(IdempotencyConflict):
        await producer.submit("key", priority="low")
