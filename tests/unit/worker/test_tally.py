"""Counting the jobs that tenants have under way."""

from datetime import timedelta

import pytest

from quarry.errors import StoreUnavailable
from quarry.job import JobStatus
from quarry.store.base import Tally
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Policy, Tenants
from quarry.testing import NOW, FakeClock, a_job
from quarry.testing.store import MemoryStore
from worker.tally import COUNT_SECONDS, JOBS_PER_SECOND, Counting, next_tally

LIMITED = Tenants(named={"acme": Policy(limits=Limits(queued_jobs=5))})


def counting(store: MemoryStore, clock: FakeClock, tenants: Tenants = LIMITED, owner: str = "w") -> Counting:
    return Counting(store, tenants, clock, owner=owner)


async def test_nobody_counts_where_nobody_is_limited() -> None:
    """Not a read, and no role."""
    store = MemoryStore()
    for operation in ("take_role", "unfinished", "put_tally"):
        store.fail_next(operation)
    assert await counting(store, FakeClock(), Tenants()).once() == COUNT_SECONDS


async def test_what_is_not_over_is_counted_for_those_who_are_limited() -> None:
    """One worker at a time; and by how much it falls."""
    store, clock = MemoryStore(), FakeClock()
    jobs = [store.put(a_job(tenant="acme", check_at=NOW)) for _ in range(3)]
    store.put(a_job(tenant="acme", status=JobStatus.COMPLETED, check_at=None))
    store.put(a_job(tenant="other", check_at=NOW))
    first, second = counting(store, clock), counting(store, clock, owner="v")
    await first.once()
    assert await store.tally() == Tally(clock.now(), {"acme": 3})
    assert await second.once() > COUNT_SECONDS
    await clock.advance(10)
    store.put(a_job(tenant="acme", request_id=jobs[0].request_id, status=JobStatus.COMPLETED, check_at=None))
    await first.once()
    assert await store.tally() == Tally(clock.now(), {"acme": 2}, {"acme": 0.1})


async def test_the_more_there_are_the_more_seldom_they_are_counted() -> None:
    """So that counting costs no more."""
    store, clock = MemoryStore(), FakeClock()
    for _ in range(20):
        store.put(a_job(tenant="acme", check_at=NOW))
    assert await counting(store, clock).once() == COUNT_SECONDS

    async def many() -> dict[str, int]:
        return {"acme": 60 * JOBS_PER_SECOND}

    store.unfinished = many  # type: ignore[method-assign]
    assert await counting(store, clock, owner="w").once() in (60.0, 30.0)


async def test_an_outage_is_waited_out() -> None:
    """The count before stands."""
    store, clock = MemoryStore(), FakeClock()
    store.fail_next("unfinished")
    with pytest.raises(StoreUnavailable):
        await counting(store, clock).once()
    assert await store.tally() is None


def test_who_has_as_many_as_before_has_no_rate() -> None:
    """Nor who has more."""
    last, now = Tally(NOW, {"a": 4, "b": 2, "c": 1}), Tally(NOW + timedelta(seconds=2), {"a": 2, "b": 2, "d": 9})
    assert next_tally(last, now).falling == {"a": 1.0, "c": 0.5}
    assert next_tally(None, now) == now
