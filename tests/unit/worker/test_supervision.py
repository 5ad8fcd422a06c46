"""A side task that dies stops the worker loudly: without renewals every lease would be lost in silence."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry

from quarry.job import JobStatus
from quarry.telemetry.metrics import WorkerMetrics
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker.app import supervise
from worker.health import Health


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


@pytest.mark.parametrize(("dies", "seconds"), [(True, 20), (False, 60)])
async def test_without_renewals_there_is_no_long_drain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, dies: bool, seconds: float
) -> None:
    """A third of a lease is what every job surely has left; a stop in good order has its whole budget."""
    drained: list[float] = []

    async def drain(_loop: object, _leases: object, _health: object, budget_seconds: float) -> None:
        drained.append(budget_seconds)

    async def side() -> None:
        if dies:
            raise ZeroDivisionError
        await asyncio.Event().wait()

    stop = asyncio.Event()
    monkeypatch.setattr("worker.app.drain", drain)
    monkeypatch.setattr("worker.app.stop_on_signals", lambda: stop)
    supervised = asyncio.create_task(supervise(bench.loop(), [side()], bench.leases, bench.health, 60))
    await bench.clock.settle()
    stop.set()
    assert await supervised == dies
    assert drained == [seconds]


def test_a_machine_whose_clock_is_far_off_is_not_ready(bench: Bench) -> None:
    """It is corrected, and somebody should look at it; a few seconds are nothing."""
    off = Health(WorkerMetrics(CollectorRegistry()), bench.clock, lambda: -61.0)
    assert off.unready() == "clock: off by -61 s against AWS"
    assert Health(WorkerMetrics(CollectorRegistry()), bench.clock, lambda: 59.0).unready() is None
