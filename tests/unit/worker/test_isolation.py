"""A job that may be what kills workers runs alone."""

import asyncio
from datetime import timedelta

import pytest

from quarry.job import JobStatus
from quarry.testing import a_claimed_job, a_lease, an_envelope
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker.isolation import SUSPECT_AFTER_TAKEOVERS, Isolation, is_suspect


async def a_suspect(bench: Bench) -> str:
    """A job whose workers died on it, with its message on the queue; the next claim is the take-over that makes it a suspect."""
    lapsed = a_lease(expires_at=bench.clock.now() - timedelta(minutes=1))
    job = bench.store.put(a_claimed_job(lapsed, takeovers=SUSPECT_AFTER_TAKEOVERS - 1))
    assert await bench.queue.send([an_envelope(job)]) == [None]
    return job.request_id


@pytest.mark.parametrize("takeovers", [0, 1, 2, 3])
def test_two_take_overs_make_a_suspect(takeovers: int) -> None:
    """One or two may be chance."""
    assert is_suspect(a_claimed_job(takeovers=takeovers)) is (takeovers >= 2)


async def test_a_suspect_waits_for_its_neighbours_and_keeps_others_out(bench: Bench) -> None:
    """Who is there finishes; who comes waits in the queue, unclaimed, so that nothing is taken along."""
    neighbour, suspect = Hold("neighbour"), Hold("suspect")
    bench.provider.play(neighbour, suspect)
    loop = bench.loop()
    running = asyncio.create_task(loop.run())
    first = await bench.submitted()
    await neighbour.reached.wait()
    suspected = await a_suspect(bench)
    await bench.clock.settle()
    assert not suspect.reached.is_set()
    late = await bench.submitted()
    await bench.clock.advance(30)
    assert bench.store.job(late.request_id).status is JobStatus.QUEUED
    neighbour.release.set()
    await suspect.reached.wait()
    await bench.clock.advance(30)
    assert bench.store.job(first.request_id).status is JobStatus.COMPLETED
    assert bench.store.job(late.request_id).status is JobStatus.QUEUED
    suspect.release.set()
    await bench.clock.advance(30)
    assert bench.store.job(suspected).status is JobStatus.COMPLETED
    assert bench.store.job(late.request_id).status is JobStatus.COMPLETED
    loop.stop()
    running.cancel()


async def test_of_two_suspects_one_goes_back_at_once(bench: Bench) -> None:
    """Another worker may have room; here it would hold a lease for nothing. No attempt is spent."""
    neighbour, first = Hold("neighbour"), Hold("first")
    bench.provider.play(neighbour, first)
    await bench.submitted()
    loop = bench.loop()
    running = asyncio.create_task(loop.run())
    await neighbour.reached.wait()
    ids = [await a_suspect(bench), await a_suspect(bench)]
    neighbour.release.set()
    await first.reached.wait()
    await bench.clock.settle()
    statuses = [bench.store.job(each).status for each in ids]
    assert sorted(statuses) == [JobStatus.PROCESSING, JobStatus.QUEUED]
    first.release.set()
    await bench.clock.advance(30)
    assert {bench.store.job(each).status for each in ids} == {JobStatus.COMPLETED}
    loop.stop()
    running.cancel()


async def test_a_suspect_that_is_stopped_while_it_waits_opens_the_door(bench: Bench) -> None:
    """Cancelled by its caller, say."""
    neighbour = Hold("neighbour")
    bench.provider.play(neighbour)
    await bench.submitted()
    loop = bench.loop()
    tasks = [asyncio.create_task(each) for each in (loop.run(), bench.leases.listen())]
    await neighbour.reached.wait()
    suspected = await a_suspect(bench)
    await bench.clock.settle()
    assert not bench.isolation.is_open
    await bench.store.request_cancel(bench.store.job(suspected))
    await bench.clock.advance(2)
    assert bench.store.job(suspected).status is JobStatus.CANCELLED
    assert bench.isolation.is_open
    neighbour.release.set()
    loop.stop()
    for task in tasks:
        task.cancel()


async def test_the_door_does_not_stay_shut_for_ever() -> None:
    """Others may be long at work: the suspect goes elsewhere, and the worker goes on."""
    isolation = Isolation(patience_seconds=0)
    isolation.enter()
    isolation.enter()
    async with isolation.alone() as alone:
        assert not alone
    assert isolation.is_open
