"""Readiness follows what queue and store answer."""

import asyncio

from producer.health import Health
from quarry.testing.clock import FakeClock


class Flaky:
    """Answers, or not."""

    def __init__(self) -> None:
        self.works = True

    async def __call__(self) -> None:
        if not self.works:
            raise OSError("no route to host")


async def test_two_failures_in_a_row_are_unready_and_one_success_heals() -> None:
    """One may be chance; while it fails it is asked every second."""
    clock, queue, store = FakeClock(), Flaky(), Flaky()
    health = Health({"queue": queue, "store": store}, clock)
    keeping = asyncio.create_task(health.keep())
    await clock.advance(4)
    assert health.unready() is None
    store.works = False
    await clock.advance(1)
    assert health.unready() is None
    await clock.advance(1)
    assert health.unready() == "no answer from: store"
    store.works = True
    await clock.advance(1)
    assert health.unready() is None
    keeping.cancel()


async def test_who_stops_is_unready() -> None:
    """Whatever the checks say."""
    health = Health({}, FakeClock())
    health.stopping = True
    assert health.unready() == "stopping"


async def test_who_is_asked_seldom_looks_when_asked() -> None:
    """A process that is stopped between requests knows nothing by itself: one failure is enough, and so is one success."""
    store = Flaky()
    health = Health({"store": store}, FakeClock(), on_demand=True)
    assert await health.asked() is None
    store.works = False
    assert await health.asked() == "no answer from: store"
    store.works = True
    assert await health.asked() is None
