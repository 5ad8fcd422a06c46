"""A reminder from its reading to its settlement: over memory, with a receiver that says what the test wants."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import StoreUnavailable
from quarry.job import CHECK_AFTER, Expired, Job, Redriven, advance
from quarry.notification import SCHEDULE, Channel, Notification, NotificationStatus, Try, retried, settled
from quarry.queue.reminders import remind
from quarry.telemetry.metrics import WorkerMetrics
from quarry.testing import FakeClock, MemoryQueue, MemoryStore, a_job
from worker.notify.consumer import Consumer
from worker.notify.deliver import Later


@dataclass
class Told:
    """Tells with these results, one after the other; then it delivers."""

    clock: FakeClock
    results: list[int | Later] = field(default_factory=list)
    calls: int = 0

    async def tell(self, job: Job, notification: Notification) -> Notification | Later:
        self.calls += 1
        result = self.results.pop(0) if self.results else 204
        if isinstance(result, Later):
            return result
        ended = Try(self.clock.now(), result)
        ok = result == 204
        return settled(notification, NotificationStatus.DELIVERED, ended) if ok else retried(notification, ended, 0.5)


class Desk:
    """A consumer and everything around it."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.queue, self.teller = MemoryQueue(self.clock), Told(self.clock)
        self.metrics = WorkerMetrics(CollectorRegistry())
        tellers = {Channel.WEBHOOK: self.teller}
        poll = timedelta(seconds=1)
        self.consumer = Consumer(self.queue, self.store, tellers, self.clock, self.metrics, concurrency=4, poll=poll)

    async def ended(self) -> Job:
        """A job that has ended and owes a notification; its reminder is on the queue."""
        job = self.store.put(advance(a_job(webhook_url="https://hooks.example.com/"), Expired(), self.clock.now()))
        assert await remind(self.queue, job, self.clock.now())
        return job

    async def see_to_all(self) -> int:
        """Whatever is visible; how many there were."""
        deliveries = await self.queue.receive(10, timedelta(0))
        for delivery in deliveries:
            await self.consumer.see_to(delivery)
        return len(deliveries)

    def webhook(self, job: Job) -> Notification:
        found = self.store.job(job.request_id).webhook
        assert found
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_it_is_told_and_over(desk: Desk) -> None:
    """Nothing is left on the queue, and the sweep has no business with the job any more."""
    job = await desk.ended()
    await desk.see_to_all()
    after = desk.store.job(job.request_id)
    assert (desk.webhook(job).status, after.check_at, desk.queue.bodies) == (NotificationStatus.DELIVERED, None, [])


async def test_it_is_told_again_by_the_schedule(desk: Desk) -> None:
    """Each try when it is due, waits longer than SQS delays included; in the end it gives up, and nothing is left."""
    job = await desk.ended()
    desk.teller.results = [500] * 7
    tries = [desk.clock.now()]
    for _ in range(20 * 3600 // 60):
        seen = desk.teller.calls
        await desk.see_to_all()
        if desk.teller.calls > seen:
            tries.append(desk.clock.now())
        await desk.clock.advance(60)
    assert desk.teller.calls == 7
    assert (desk.webhook(job).status, desk.queue.bodies) == (NotificationStatus.GAVE_UP, [])
    assert desk.store.job(job.request_id).check_at is None
    waits = [after - before for before, after in pairwise(tries[1:])]
    assert all(abs(wait - row) <= timedelta(minutes=2) for wait, row in zip(waits, SCHEDULE, strict=True))


async def test_copies_of_a_reminder_come_to_nothing(desk: Desk) -> None:
    """Whatever the queue or the sweep sends twice: once one was seen to, the others are stale."""
    job = await desk.ended()
    await remind(desk.queue, job, desk.clock.now())
    desk.teller.results = [500]
    await desk.see_to_all()
    assert (desk.teller.calls, desk.webhook(job).tries, len(desk.queue.bodies)) == (1, 1, 1)


async def test_two_at_once_count_once(desk: Desk) -> None:
    """Two workers with copies: the receiver is called by both, at least once is the promise; one try is noted, one follows."""
    job = await desk.ended()
    await remind(desk.queue, job, desk.clock.now())
    one, two = await desk.queue.receive(2, timedelta(0))
    desk.teller.results = [500, 500]
    stale = desk.store.job(job.request_id)
    await desk.consumer.see_to(one)
    noted = desk.store.job(job.request_id)
    desk.store.put(stale)  # what the other one had read before
    get = desk.store.get

    async def read_before(tenant: str, request_id: str) -> Job | None:
        found = await get(tenant, request_id)
        desk.store.put(noted)
        return found

    desk.store.get = read_before  # type: ignore[method-assign]
    await desk.consumer.see_to(two)
    assert (desk.teller.calls, desk.webhook(job).tries, len(desk.queue.bodies)) == (2, 1, 1)


async def test_what_cannot_be_called_now_costs_no_try(desk: Desk) -> None:
    """A host that is left alone: its reminders wait, and nothing is written."""
    job = await desk.ended()
    desk.teller.results = [Later(timedelta(minutes=5)), Later(timedelta(seconds=3))]
    for seconds in (300, 3):
        await desk.see_to_all()
        await desk.clock.advance(seconds)
    assert (desk.webhook(job).tries, desk.webhook(job).attempts) == (0, ())
    await desk.see_to_all()
    assert desk.webhook(job).status is NotificationStatus.DELIVERED


async def test_a_job_that_went_back_to_work_is_not_told_of(desk: Desk) -> None:
    """Its next end has a reminder of its own."""
    job = await desk.ended()
    desk.store.put(advance(job, Redriven(desk.clock.now() + timedelta(days=1), 3), desk.clock.now()))
    await desk.see_to_all()
    assert (desk.teller.calls, desk.queue.bodies) == (0, [])


async def test_a_note_that_is_lost_is_a_try_that_is_made_again(desk: Desk) -> None:
    """The message comes again."""
    job = await desk.ended()
    desk.store.fail_next("note")
    with pytest.raises(StoreUnavailable):
        await desk.see_to_all()
    await desk.clock.advance(60 * 2)
    await desk.see_to_all()
    assert (desk.teller.calls, desk.webhook(job).status) == (2, NotificationStatus.DELIVERED)


@pytest.mark.parametrize("body", ["", "{}", '{"v":1,"request_id":"x"}', '{"v":1,"channel":"webhook"}'])
async def test_what_is_no_reminder_is_buried(desk: Desk, body: str) -> None:
    """With its reason, in the queue's own dead letters."""
    desk.queue.put(body)
    await desk.see_to_all()
    assert ([each.reason for each in desk.queue.buried], desk.queue.bodies) == (["malformed_reminder"], [])


async def test_a_job_that_is_gone(desk: Desk) -> None:
    """Erased, or expired: there is nothing to tell."""
    job = await desk.ended()
    desk.store._rows.clear()  # noqa: SLF001 - as an operator can
    await desk.see_to_all()
    assert (desk.teller.calls, desk.queue.bodies, job.check_at) == (0, [], desk.clock.now() + CHECK_AFTER)
