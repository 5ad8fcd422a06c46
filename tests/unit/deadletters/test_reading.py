"""Going through what failed: all that is meant, once, and to an end."""

from quarry.deadletters.discard import discard
from quarry.deadletters.reading import failed_jobs, looking
from quarry.deadletters.selection import Selection, Summary
from quarry.errors import RecordUnreadable
from quarry.job import Job, StatusReason
from quarry.queue.base import LOOK
from quarry.testing import a_job
from tests.unit.deadletters.conftest import Yard, ids


async def test_only_what_is_meant_is_found(yard: Yard) -> None:
    """Over all pages, newest first."""
    yard.store.put(a_job())
    yard.job(reason=StatusReason.REJECTED)
    yard.job(tenant="other")
    meant = [yard.job(bury=False) for _ in range(600)]
    selection = Selection("default", frozenset({"attempts_exhausted"}))
    found = [job.request_id async for job in failed_jobs(yard.store, selection, yard.clock)]
    assert found == sorted((job.request_id for job in meant), reverse=True)


async def test_a_record_that_nobody_can_read_hides_no_other(yard: Yard) -> None:
    """It is told of by its id, in the records and in the queue, and nothing is done with it; unless other reasons are asked for."""
    readable, damaged, unburied = yard.job(), yard.job(), yard.job(bury=False)
    for job in (damaged, unburied):
        yard.store.spoil(job)
    found = [each async for each in failed_jobs(yard.store, Selection("default"), yard.clock)]
    assert [each.request_id for each in found if isinstance(each, Job)] == [readable.request_id]
    summary = Summary()
    async with looking(yard.dead, yard.store) as look:
        while letters := await look.more():
            summary.add_letters(letters)
    for each in found:
        if isinstance(each, RecordUnreadable):
            summary.add_unreadable(each.request_id)
        else:
            summary.add_job(each)
    groups = {group.reason: group for group in summary}
    assert groups["unreadable_record"].request_ids == [damaged.request_id, unburied.request_id]
    counts = {reason: (group.both, group.records_only, group.queue_only) for reason, group in groups.items()}
    assert counts == {"unreadable_record": (1, 1, 0), "attempts_exhausted": (1, 0, 0)}
    chosen = Selection("default", frozenset({"attempts_exhausted"}))
    assert [each.request_id async for each in failed_jobs(yard.store, chosen, yard.clock)] == [readable.request_id]
    # By the time that it is its turn it may be readable, and be of another model.
    of_one_model = Selection("default", model=readable.model, since=readable.created_at)
    assert [each.request_id async for each in failed_jobs(yard.store, of_one_model, yard.clock)] == [readable.request_id]

    await yard.redrive(damaged, readable)
    await discard(yard.store, yard.clock, yard.report, "default", ids([unburied]), dry_run=False)
    assert [(done.request_id, done.what) for done in yard.told] == [
        (damaged.request_id, "skipped"),
        (readable.request_id, "redriven"),
        (unburied.request_id, "skipped"),
    ]
    assert await yard.tidy(discard=True) == {"removed": 1}


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
