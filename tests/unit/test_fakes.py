"""What the fakes can do beside their ports: fail on order, and deliver again."""

from datetime import timedelta

import pytest

from quarry.errors import LeaseLost, QueueUnavailable, StoreUnavailable
from quarry.job import JobStatus, Succeeded, advance
from quarry.testing import (
    NOW,
    DeadLetter,
    FakeClock,
    MemoryQueue,
    MemoryStore,
    a_claimed_job,
    a_completion,
    a_job,
    a_lease,
    an_envelope,
)

NOTHING = timedelta(0)


@pytest.fixture
def queue(clock: FakeClock) -> MemoryQueue:
    return MemoryQueue(clock, visibility=timedelta(seconds=10))


async def test_a_planned_failure_happens_so_often(queue: MemoryQueue) -> None:
    """Then all is well again; other operations never failed."""
    queue.fail_next("receive", times=2)
    for _ in range(2):
        with pytest.raises(QueueUnavailable):
            await queue.receive(1, NOTHING)
    assert await queue.send([an_envelope()]) == [None]
    assert len(await queue.receive(1, NOTHING)) == 1


@pytest.mark.parametrize(
    ("applied", "known", "told", "sent"),
    [(False, True, False, 0), (False, False, None, 0), (True, True, None, 1), (True, False, None, 1)],
)
async def test_a_failed_send_may_have_happened(
    queue: MemoryQueue, applied: bool, known: bool, told: bool | None, sent: int
) -> None:
    """As on a network: refused, lost on the way, or done with the answer lost."""
    queue.fail_next("send", applied=applied, known=known)
    first, second = await queue.send([an_envelope(), an_envelope()])
    assert isinstance(first, QueueUnavailable)
    assert (first.applied, second) == (told, None)
    assert queue.visible_count == sent + 1


async def test_a_burial_may_fail_halfway(queue: MemoryQueue) -> None:
    """The message is then in both."""
    queue.put("body")
    [delivery] = await queue.receive(1, NOTHING)
    queue.fail_next("bury", applied=True)
    with pytest.raises(QueueUnavailable):
        await queue.bury(delivery, "malformed", None)
    assert (len(queue.buried), queue.in_flight_count) == (1, 1)


async def test_an_extension_may_fail_for_some(queue: MemoryQueue, clock: FakeClock) -> None:
    """The others are extended."""
    await queue.send([an_envelope(), an_envelope()])
    deliveries = await queue.receive(10, NOTHING)
    queue.fail_next("extend")
    with pytest.raises(QueueUnavailable):
        await queue.extend(deliveries, timedelta(seconds=60))
    await clock.advance(10)
    assert (queue.visible_count, queue.in_flight_count) == (1, 1)


async def test_what_is_in_flight_can_be_delivered_again(queue: MemoryQueue) -> None:
    """At any time, as a standard queue may; the receipt before goes stale."""
    await queue.send([an_envelope()])
    [first] = await queue.receive(1, NOTHING)
    queue.deliver_again()
    [second] = await queue.receive(1, NOTHING)
    await queue.ack(first)
    assert (second.message_id, second.receive_count, queue.in_flight_count) == (first.message_id, 2, 1)
    await queue.ack(second)
    queue.deliver_again()
    assert (queue.visible_count, queue.in_flight_count) == (0, 0)


async def test_a_receipt_lasts_twelve_hours_in_all(queue: MemoryQueue, clock: FakeClock) -> None:
    """However often it is extended: an extension beyond that does nothing, and the one before runs out."""
    await queue.send([an_envelope()])
    deliveries = await queue.receive(1, NOTHING)
    for _ in range(3):
        await queue.extend(deliveries, timedelta(hours=5))
        await clock.advance(4 * 3600 - 1)
    assert queue.visible_count == 1
    [again] = await queue.receive(1, NOTHING)
    await queue.release(again, timedelta(days=20))
    await clock.advance(11 * 3600 - 1)
    assert queue.in_flight_count == 1
    await clock.advance(1)
    assert queue.visible_count == 1


async def test_only_so_many_are_in_flight(clock: FakeClock) -> None:
    """The next receive fails until one is settled or timed out; what waits to be received does not count."""
    queue = MemoryQueue(clock, visibility=timedelta(seconds=10), in_flight_max=3)
    await queue.send([an_envelope() for _ in range(5)])
    first, *_ = taken = await queue.receive(10, NOTHING)
    assert len(taken) == 3
    with pytest.raises(QueueUnavailable, match="OverLimit"):
        await queue.receive(10, NOTHING)
    await queue.resend(first, timedelta(seconds=5))
    assert (queue.in_flight_count, queue.delayed_count) == (2, 1)
    assert len(await queue.receive(10, NOTHING)) == 1


async def test_a_message_is_kept_for_so_long_from_its_send(clock: FakeClock) -> None:
    """A release does not renew that; a message sent anew is a new one."""
    queue = MemoryQueue(clock, retention=timedelta(hours=1))
    await queue.send([an_envelope(), an_envelope()])
    await clock.advance(3590)
    released, resent = await queue.receive(10, NOTHING)
    await queue.release(released, timedelta(seconds=1))
    await queue.resend(resent, timedelta(seconds=1))
    await clock.advance(11)
    assert queue.bodies == [resent.body]


async def test_a_message_received_too_often_becomes_a_dead_letter(clock: FakeClock) -> None:
    """By itself, so without a reason: the backstop behind a worker that never settles."""
    queue = MemoryQueue(clock, receives_max=2)
    queue.put("body")
    for _ in range(2):
        [delivery] = await queue.receive(1, NOTHING)
        await queue.release(delivery, NOTHING)
    assert await queue.receive(1, NOTHING) == []
    assert (queue.buried, queue.bodies) == ([DeadLetter("body", None, None)], [])


async def test_a_delay_is_at_most_a_quarter_of_an_hour(queue: MemoryQueue, clock: FakeClock) -> None:
    """A longer one is cut, as SQS would refuse it."""
    queue.put("body", timedelta(hours=1))
    await clock.advance(899)
    assert (queue.visible_count, queue.delayed_count, queue.in_flight_count) == (0, 1, 0)
    await clock.advance(1)
    assert queue.visible_count == 1


async def test_a_purge_drops_everything(queue: MemoryQueue) -> None:
    """Also what is in flight, whose receipts are then stale."""
    await queue.send([an_envelope(), an_envelope()])
    [delivery] = await queue.receive(1, NOTHING)
    queue.purge()
    await queue.release(delivery, NOTHING)
    assert queue.bodies == []


async def test_a_seed_makes_the_order_random(clock: FakeClock) -> None:
    """Any order, but the same one each time."""
    orders = []
    for seed in (1, 1, 2):
        queue = MemoryQueue(clock, seed=seed)
        for i in range(9):
            queue.put(str(i))
        orders.append([delivery.body for delivery in await queue.receive(9, NOTHING)])
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 2
    assert sorted(orders[0]) == list("012345678") != orders[0]


async def test_a_seed_lets_a_stale_ack_delete(clock: FakeClock) -> None:
    """Now and then, as SQS says of old receipts."""
    queue = MemoryQueue(clock, seed=1)
    for _ in range(40):
        queue.put("body")
        [first] = await queue.receive(1, NOTHING)
        await queue.release(first, NOTHING)
        [_second] = await queue.receive(1, NOTHING)
        await queue.ack(first)
    assert 5 < len(queue.bodies) < 35


async def test_a_message_may_come_twice_at_once(clock: FakeClock) -> None:
    """Two workers then hold receipts of one message; only the later holds."""
    queue = MemoryQueue(clock, seed=1, duplicates=1.0)
    queue.put("body")
    [first], [second] = await queue.receive(1, NOTHING), await queue.receive(1, NOTHING)
    assert (first.message_id, first.receive_count, second.receive_count) == (second.message_id, 1, 2)
    assert first.receipt != second.receipt


async def test_failures_by_chance_are_the_same_for_a_seed() -> None:
    """Refused, lost on the way, or done with the answer lost, at the rate that was asked for, until it is set to zero."""
    histories = []
    for seed in (1, 1, 2):
        store, told = MemoryStore(), []
        store.fail_at_random(0.5, seed)
        for _ in range(100):
            before = len(store.jobs)
            try:
                await store.create(a_job())
                told.append("done")
            except StoreUnavailable as error:
                told.append(f"{error.applied} {len(store.jobs) - before}")
        store.fail_at_random(0)
        await store.create(a_job())
        histories.append(told)
    assert histories[0] == histories[1] != histories[2]
    assert {"done", "False 0", "None 0", "None 1"} == set(histories[0])
    assert 30 < histories[0].count("done") < 70


async def test_a_queue_fails_by_chance_entry_by_entry(queue: MemoryQueue) -> None:
    """One failure does not touch the others."""
    queue.fail_at_random(0.5)
    results = await queue.send([an_envelope() for _ in range(50)])
    assert 10 < results.count(None) < 40
    assert results.count(None) <= queue.visible_count < 50


@pytest.mark.parametrize("applied", [False, True])
async def test_a_failed_write_may_have_happened(applied: bool) -> None:
    """The same for the store, whose refusals can be lost like any answer."""
    store, held = MemoryStore(), a_claimed_job(a_lease("token"))
    store.put(held)
    store.fail_next("record", applied=applied)
    with pytest.raises(StoreUnavailable) as failed:
        await store.record(advance(held, Succeeded(a_completion()), NOW), "token")
    assert failed.value.applied is (None if applied else False)
    assert store.job(held.request_id).status is (JobStatus.COMPLETED if applied else JobStatus.PROCESSING)
    store.fail_next("renew", applied=True)
    with pytest.raises(StoreUnavailable) as lost:
        await store.renew(a_job(), NOW)
    assert isinstance(lost.value.__cause__, LeaseLost)


def test_a_store_can_be_looked_into() -> None:
    """All jobs, oldest first, and one by its id; `put` asks no guard."""
    store = MemoryStore()
    old, new = store.put(a_job()), store.put(a_job(created_at=NOW + timedelta(seconds=1), tenant="other"))
    assert store.jobs == [old, new]
    assert store.job(new.request_id, "other") == new
