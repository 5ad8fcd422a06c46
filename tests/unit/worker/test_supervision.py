"""A side task that dies stops the worker loudly: without renewals every lease would be lost in silence."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from quarry.job import JobStatus
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker.app import supervise


@pytest.mark.parametrize("part", ["keep", "run"])
async def test_a_side_task_that_dies_ends_the_worker_with_a_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Exit code 1, so that the platform starts another; what is in flight is finished first."""
    job = await bench.submitted()
    hold = Hold("answer")
    bench.provider.play(hold)
    loop = bench.loop()
    started: Callable[[], Awaitable[None]] = loop.run

    async def runs_and_dies() -> None:
        running = asyncio.ensure_future(started())
        await hold.reached.wait()
        running.cancel()
        raise ZeroDivisionError

    async def dies_later() -> None:
        await hold.reached.wait()
        raise ZeroDivisionError

    monkeypatch.setattr(*((bench.leases, "keep", dies_later) if part == "keep" else (loop, "run", runs_and_dies)))
    supervised = asyncio.create_task(supervise(loop, [bench.leases.keep()], bench.leases, bench.health, 60))
    await hold.reached.wait()
    await bench.clock.settle()
    assert bench.health.draining
    hold.release.set()
    await bench.clock.advance(20)
    assert await supervised == 1
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
