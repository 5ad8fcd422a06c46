"""Going through what failed: all that is meant, once, and to an end."""

from quarry.deadletters.reading import failed_jobs, looking
from quarry.deadletters.selection import Selection
from quarry.job import StatusReason
from quarry.queue.base import LOOK
from quarry.testing import a_job
from tests.unit.deadletters.conftest import Yard


async def test_only_what_is_meant_is_found(yard: Yard) -> None:
    """Over all pages, newest first."""
    yard.store.put(a_job())
    yard.job(reason=StatusReason.REJECTED)
    yard.job(tenant="other")
    meant = [yard.job(bury=False) for _ in range(600)]
    selection = Selection("default", frozenset({"attempts_exhausted"}))
    found = [job.request_id async for job in failed_jobs(yard.store, selection, yard.clock)]
    assert found == sorted((job.request_id for job in meant), reverse=True)


async def test_a_walk_ends_where_the_queue_begins_to_repeat_itself(yard: Yard) -> None:
    """The walk was so slow that what was seen first came into sight again."""
    for _ in range(25):
        yard.job()
    seen: list[str] = []
    async with looking(yard.dead, yard.store) as look:
        while letters := await look.more():
            seen += [letter.delivery.message_id for letter in letters]
            await yard.clock.advance(LOOK.total_seconds() / 2.5)
    assert len(seen) == len(set(seen)) == 25
    assert yard.dead.hidden_count == 0
