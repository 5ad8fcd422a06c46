"""What the fakes can do beside their ports: fail on order, and deliver again."""

from datetime import timedelta

import pytest

from quarry.errors import LeaseLost, QueueUnavailable, StoreUnavailable
from quarry.job import JobStatus, Succeeded, advance
from quarry.testing import NOW, FakeClock, MemoryQueue, MemoryStore, a_claimed_job, a_completion, a_job, a_lease, an_envelope

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
    """However often it is extended."""
    await queue.send([an_envelope()])
    deliveries = await queue.receive(1, NOTHING)
    for _ in range(3):
        await queue.extend(deliveries, timedelta(hours=5))
        await clock.advance(4 * 3600 - 1)
    assert queue.in_flight_count == 1
    await clock.advance(3)
    assert queue.visible_count == 1


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
