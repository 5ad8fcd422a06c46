"""The sweep has three things to do, and none of them keeps it from the others."""

from contextlib import suppress
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from quarry.erasure.eraser import Eraser
from quarry.erasure.tombstone import promised
from quarry.errors import PayloadsUnavailable, TransportError
from quarry.job import Expired, Job, advance
from quarry.notification import Channel, Notification, NotificationStatus, Try, settled
from quarry.queue.reminders import remind
from quarry.store.payloads import Kind
from quarry.testing import MemoryQueue, a_job
from tests.unit.worker.conftest import Bench
from worker.notify.consumer import Consumer


async def rounds(bench: Bench, count: int) -> None:
    """Some of them, a minute apart."""
    for _ in range(count):
        await bench.clock.advance(60)
        bench.nothing_waits()
        with suppress(TransportError):
            await bench.sweep.once()


async def test_a_bucket_that_deletes_nothing_does_not_stop_what_lost_its_message(bench: Bench) -> None:
    """What was promised to be erased is tried again each time; the others are sent all the same."""
    doomed = a_job()
    await bench.store.create(doomed)
    bench.payloads.fail_next("erase", times=1000)
    await Eraser(bench.store, bench.erasures, bench.payloads, bench.clock).erase(doomed.tenant, doomed.request_id)
    await bench.store.create(a_job())
    await rounds(bench, 20)
    assert bench.count("quarry_swept_total", outcome="resent") >= 1


async def test_objects_that_a_bucket_does_not_let_go_keep_no_other_erasure_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where some are under a legal hold: as many as a round tries before the first failure ends it."""
    held, erase = set[str](), bench.payloads.erase

    async def refused(tenant: str, request_id: str, kind: Kind | None = None) -> int:
        if request_id in held:
            raise PayloadsUnavailable("S3 did not delete 1 objects: AccessDenied")
        return await erase(tenant, request_id, kind)

    monkeypatch.setattr(bench.payloads, "erase", refused)
    for _ in range(40):
        job = bench.store.put(a_job())
        held.add(job.request_id)
        await bench.erasures.promise(promised(job.tenant, job.request_id, None, bench.clock.now()))
    await bench.clock.advance(1)
    job = await bench.submitted()
    await bench.erasures.promise(promised(job.tenant, job.request_id, None, bench.clock.now()))
    await rounds(bench, 3)
    assert not bench.store.found(job.tenant, job.request_id)
    held.clear()
    await rounds(bench, 3)
    assert all(tombstone.gone_at for tombstone in bench.erasures.tombstones.values())


async def test_ends_that_nobody_can_be_told_of_are_not_in_front_of_others_for_ever(bench: Bench) -> None:
    """Where webhooks were switched off while some were owed: a round looks at a thousand jobs."""
    for _ in range(1000):
        bench.store.put(advance(a_job(webhook_url="https://hooks.example.com/x"), Expired(), bench.clock.now()))
    await bench.store.create(a_job(created_at=bench.clock.now() + timedelta(seconds=10)))
    await rounds(bench, 20)
    assert bench.count("quarry_swept_total", outcome="resent") >= 1


async def test_records_that_nobody_can_read_are_not_in_front_of_others_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a newer version wrote them: they stay due, and a round looks at so many."""
    monkeypatch.setattr("worker.sweep.ROUND_LIMIT", 3)
    for _ in range(8):
        bench.store.spoil(bench.store.put(a_job()))
    await bench.store.create(a_job(created_at=bench.clock.now() + timedelta(seconds=10)))
    with capture_logs():
        await rounds(bench, 10)
    assert bench.count("quarry_swept_total", outcome="resent") >= 1


class Told:
    """Whom it told of what."""

    def __init__(self, bench: Bench) -> None:
        self.jobs: list[Job] = []
        self._bench = bench

    async def tell(self, job: Job, notification: Notification) -> Notification:
        self.jobs.append(job)
        return settled(notification, NotificationStatus.DELIVERED, Try(self._bench.clock.now(), 204))


async def test_nobody_is_told_of_a_job_that_is_being_erased(bench: Bench) -> None:
    """It was promised that nobody sees it any more, though the call under way still came to its end."""
    call = await bench.call(webhook_url="https://hooks.example.com/x")
    await Eraser(bench.store, bench.erasures, bench.payloads, bench.clock).erase("default", call.job.request_id)
    await call.answered()
    job, told = bench.store.job(call.job.request_id), Told(bench)
    queue = MemoryQueue(bench.clock, visibility=timedelta(seconds=30))
    assert await remind(queue, job, bench.clock.now())
    consumer = Consumer(queue, bench.store, {Channel.WEBHOOK: told}, bench.clock, bench.metrics, concurrency=1, poll=timedelta(0))
    [reminder] = await queue.receive(1, timedelta(0))
    await consumer.see_to(reminder)
    assert told.jobs == []
    assert await queue.receive(1, timedelta(0)) == []
