"""Erasing what was chosen, on the fakes: those jobs and no others, each told once; run again, nothing is left to do."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from quarry.deadletters.redrive import Done, Report
from quarry.erasure.eraser import Erased
from quarry.erasure.many import Choice, ManyEraser, chosen
from quarry.errors import RecordUnreadable, StoreUnavailable
from quarry.job import Job
from quarry.testing import a_claimed_job, a_job, a_lease
from quarry.testing.builders import NOW
from tests.unit.test_eraser import TENANT, Place

SOON = NOW + timedelta(seconds=1)
THEIRS = {"user": "4711"}


@pytest.fixture
def place() -> Place:
    """An empty one."""
    return Place()


async def erased(place: Place, choice: Choice, *, dry_run: bool = False, patience: float = 0) -> dict[str, int]:
    """What is told of a run."""
    told: list[Done] = []
    report = Report(told.append)
    many = ManyEraser(place.eraser, report, choice.tenant, dry_run=dry_run)
    await many.run(chosen(place.store, choice, place.clock))
    await place.clock.run(many.wait(timedelta(seconds=patience)))
    await place.clock.run(many.verify(choice))
    assert len({each.request_id for each in told}) == len(told)
    return {what: count for what, count in report.counts.items() if count}


@pytest.mark.parametrize(
    ("job", "meant"),
    [
        (a_job(metadata={"user": "4711", "more": "x"}), True),
        (a_job(metadata={"user": "4712"}), False),
        (a_job(), False),
        (a_job(metadata=THEIRS, created_at=SOON), False),
        (a_job(metadata=THEIRS, tenant="other"), False),
    ],
    ids=["theirs", "another's", "nobody's", "later", "of another tenant"],
)
async def test_only_what_is_meant_is_erased(place: Place, job: Job, meant: bool) -> None:
    """By all of the metadata, the tenant, and when it was submitted."""
    await place.filled(job)
    assert await erased(place, Choice(TENANT, SOON, THEIRS)) == ({"erased": 1} if meant else {})
    assert (place.store.found(job.tenant, job.request_id) is None) is meant


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_nobody_can_read_keeps_no_other_from_being_erased(place: Place, dry_run: bool) -> None:
    """It is left, and told of, since nobody can say whether it was meant."""
    damaged, job = place.store.put(a_job()), await place.filled(a_job())
    place.store.spoil(damaged)
    assert await erased(place, Choice(TENANT, SOON), dry_run=dry_run) == {"erased": 1, "left": 1}
    assert (place.store.found(TENANT, job.request_id) is None) is not dry_run
    assert place.store.found(TENANT, damaged.request_id)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_is_readable_only_after_it_was_chosen_is_left(place: Place, dry_run: bool) -> None:
    """Nobody has seen that it is meant: it may be another person's."""
    another = await place.filled(a_job(metadata={"user": "4712"}))
    place.store.spoil(another)
    told: list[Done] = []
    ids = [each async for each in chosen(place.store, Choice(TENANT, SOON, THEIRS), place.clock)]
    place.store.repair(another)

    async def meant() -> AsyncIterator[str | RecordUnreadable]:
        for each in ids:
            yield each

    await ManyEraser(place.eraser, Report(told.append), TENANT, dry_run=dry_run).run(meant())
    assert [(each.request_id, each.what) for each in told] == [(another.request_id, "left")]
    assert place.store.found(TENANT, another.request_id)


async def test_more_than_a_page_is_erased_and_nothing_twice(place: Place) -> None:
    """A dry run says the same, and does nothing."""
    for _ in range(600):
        place.store.put(a_job())
    everything = Choice(TENANT, SOON)
    assert await erased(place, everything, dry_run=True) == {"erased": 600}
    assert len(place.store.jobs) == 600
    assert await erased(place, everything) == {"erased": 600}
    assert place.store.jobs == []
    assert await erased(place, everything) == {}


async def test_a_run_that_broke_off_goes_on(place: Place) -> None:
    """With what is left."""
    for _ in range(100):
        place.store.put(a_job())
    await erased(place, Choice(TENANT, NOW))
    place.erasures.fail_next("remove", applied=True)
    with pytest.raises(StoreUnavailable):
        await erased(place, Choice(TENANT, SOON))
    left = len(place.store.jobs)
    assert 0 < left < 100
    counts = await erased(place, Choice(TENANT, SOON))
    assert counts["erased"] >= left
    assert place.store.jobs == []


async def test_running_jobs_are_waited_for_and_told_of(place: Place) -> None:
    """Within patience they are gone; else they are promised, and that is no success."""
    job = await place.filled(a_claimed_job(a_lease(expires_at=NOW + timedelta(minutes=1))))
    assert await erased(place, Choice(TENANT, SOON), patience=5) == {"erasing": 1}
    other = await place.filled(a_claimed_job(a_lease(expires_at=place.clock.now() + timedelta(seconds=20))))
    assert await erased(place, Choice(TENANT, SOON), patience=60) == {"erased": 1}
    assert await place.is_gone(other)
    assert await place.eraser.erase(TENANT, job.request_id) is not Erased.UNKNOWN
