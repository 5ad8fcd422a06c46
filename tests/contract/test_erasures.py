"""The port of erasing, sentence by sentence."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from quarry.erasure.base import Erasures
from quarry.erasure.dynamodb import DynamoErasures
from quarry.erasure.expressions import tombstone_key
from quarry.erasure.tombstone import Tombstone, again, cleared, promised
from quarry.errors import JobChanged, RecordUnreadable
from quarry.job import Cancelled, Succeeded, advance
from quarry.store.base import Mark, Piece
from quarry.store.expressions import digest
from quarry.testing import NOW, MemoryErasures, MemoryStore, a_completion
from tests.contract.tables import LAPSED, LATER, MS, RETENTION, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGINNING = Mark(0, 0, 0)
TOMORROW = NOW + timedelta(days=1)


@dataclass
class Place:
    """A table, and the port beside its store."""

    table: Table
    erasures: Erasures

    async def spoil(self, tombstone: Tombstone) -> None:
        """Let a tombstone say nothing of when it was asked for."""
        if isinstance(self.erasures, MemoryErasures):
            self.erasures.spoil(tombstone.tenant, tombstone.request_id)
            return
        assert self.table.client
        await self.table.client.update_item(
            TableName=self.table.name,
            Key=tombstone_key(tombstone.tenant, tombstone.request_id),
            UpdateExpression="REMOVE asked_at",
        )


@pytest_asyncio.fixture(loop_scope="module")
async def place(table: Table) -> AsyncIterator[Place]:
    """Over the same rows."""
    if isinstance(table.store, MemoryStore):
        yield Place(table, MemoryErasures(table.store, lambda _: RETENTION))
    else:
        assert table.client
        yield Place(table, DynamoErasures(table.client, table.name))


async def test_a_promise_is_written_once(place: Place) -> None:
    """Who comes second gets the first one's; it is found when it is due, without its job."""
    request_id = (await place.table.submitted()).request_id
    first = promised(place.table.tenant, request_id, "digest", NOW)
    assert await place.erasures.tombstone(place.table.tenant, request_id) is None
    assert await place.erasures.promise(first) == first
    assert await place.erasures.promise(promised(place.table.tenant, request_id, None, LATER)) == first
    assert await place.erasures.tombstone(place.table.tenant, request_id) == first
    assert first in await place.erasures.due(LATER, 1000)
    assert first not in await place.erasures.due(NOW, 1000)
    over = cleared(cleared(first, NOW), TOMORROW)
    await place.erasures.write(over)
    assert await place.erasures.tombstone(place.table.tenant, request_id) == over
    assert over.check_at is None
    assert request_id not in {each.request_id for each in await place.erasures.due(TOMORROW, 1000)}


async def test_a_promise_that_nobody_can_read_is_made_again(place: Place) -> None:
    """It hides no other one, and is not lost: it is due at once. Whoever asks for it anew writes over it."""
    table = place.table
    promises = [promised(table.tenant, (await table.submitted()).request_id, None, NOW) for _ in range(2)]
    for each in promises:
        await place.erasures.promise(each)
    spoiled, sound = promises
    await place.spoil(spoiled)
    assert await place.erasures.tombstone(table.tenant, spoiled.request_id) is None
    due = await place.erasures.due(LATER, 1000)
    assert again(table.tenant, spoiled.request_id, LATER) in due
    assert sound in due
    anew = promised(table.tenant, spoiled.request_id, None, LATER)
    assert await place.erasures.promise(anew) == anew
    assert await place.erasures.tombstone(table.tenant, spoiled.request_id) == anew


async def test_a_record_goes_where_nobody_holds_it(place: Place) -> None:
    """And where it is what was read: then no reader finds it, and no worker."""
    table = place.table
    job = await table.submitted(custom_id="mine")
    await table.store.replace(advance(job, Cancelled(), NOW), job, NOW)
    with pytest.raises(JobChanged):
        await place.erasures.remove(job, NOW)
    seen = await table.store.get(table.tenant, job.request_id)
    assert seen
    await place.erasures.remove(seen, NOW)
    assert await table.store.get(table.tenant, job.request_id) is None
    with pytest.raises(JobChanged):
        await place.erasures.remove(seen, NOW)
    held = await table.claimed()
    with pytest.raises(JobChanged):
        await place.erasures.remove(held, NOW)
    await place.erasures.remove(held, LAPSED)


async def test_a_record_that_nobody_can_read_goes_where_nobody_holds_it(place: Place) -> None:
    """No reader finds it then; of one that is gone already, nothing comes into being."""
    table = place.table
    free, held = await table.submitted(), await table.claimed()
    for job in (free, held):
        await table.spoil(job)
    assert await place.erasures.remove_unread(table.tenant, free.request_id, NOW)
    assert not await place.erasures.remove_unread(table.tenant, held.request_id, NOW)
    with pytest.raises(RecordUnreadable):
        await table.store.get(table.tenant, held.request_id)
    assert await place.erasures.remove_unread(table.tenant, held.request_id, LAPSED)
    assert await place.erasures.remove_unread(table.tenant, held.request_id, LAPSED)
    assert [await table.store.get(table.tenant, job.request_id) for job in (free, held)] == [None, None]


async def test_a_job_is_hidden_from_all_readers_until_its_worker_let_go(place: Place) -> None:
    """Its holder writes as before, and shows it to nobody. Of one that is gone, nothing comes into being."""
    table = place.table
    job = await table.claimed("token", stream=True)
    await place.erasures.hide(job)
    seen = await table.store.get(table.tenant, job.request_id)
    assert seen
    assert seen.erasing
    assert await table.store.statuses(table.tenant, [job.request_id], NOW) == {}
    assert await table.store.storing_content(table.tenant, [job.request_id]) == frozenset()
    look = await table.store.look(table.tenant, job.request_id, BEGINNING)
    assert look
    assert look.job.erasing
    page = await table.store.list(table.tenant, status=None, created_after=None, limit=100, after=None, now=NOW)
    assert job.request_id not in {each.request_id for each in page.jobs}
    await table.store.record(advance(job, Succeeded(a_completion()), LATER), "token")
    seen = await table.store.get(table.tenant, job.request_id)
    assert seen
    assert seen.erasing
    await place.erasures.remove(seen, LATER)
    await place.erasures.hide(seen)
    assert await table.store.get(table.tenant, job.request_id) is None


async def test_what_lies_beside_goes(place: Place) -> None:
    """The text, and the row of the key, unless that is another job's by now; the neighbour keeps both."""
    table, key = place.table, place.table.key()
    job, neighbour = await table.claimed("token"), await table.claimed("token")
    for each in (job, neighbour):
        for offset in range(20):
            await table.store.add_text(each, Piece(Mark(each.revision, 1, offset), "token", "x"), TOMORROW)
    assert await place.erasures.clear(promised(table.tenant, job.request_id, None, NOW)) == 20
    assert await place.erasures.clear(promised(table.tenant, job.request_id, None, NOW)) == 0
    left = await table.store.look(table.tenant, neighbour.request_id, BEGINNING)
    assert left
    assert len(left.pieces) == 20
    made = table.job(key_digest=digest(key.key))
    await table.store.create_with_key(made, key, NOW)
    await table.holds(made)
    await place.erasures.clear(promised(table.tenant, neighbour.request_id, made.key_digest, NOW))
    assert await table.store.key_holder(key, NOW)
    await place.erasures.clear(promised(table.tenant, made.request_id, made.key_digest, NOW))
    assert await table.store.key_holder(key, NOW) is None


async def test_what_is_over_is_found_when_its_time_has_come(place: Place) -> None:
    """Put off or brought forward; one that is read leaves the lists, and is put off no further by being read again. Others are not
    found at all.
    """
    table = place.table
    brief, plain = await table.claimed("token", brief=True, store_content=False), await table.claimed("token")
    for held in (brief, plain):
        await table.store.record(advance(held, Succeeded(a_completion()), LATER), "token")
    end = LATER + RETENTION
    mine, others = (table.tenant, brief.request_id), (table.tenant, plain.request_id)

    async def over(at: datetime) -> bool:
        found = await place.erasures.over(at, 1000)
        assert others not in found
        return mine in found

    assert not await over(end - MS)
    assert await over(end)
    job = await table.store.get(*mine)
    assert job
    assert (job.check_at, job.brief, job.store_content, job.delivered_at) == (None, True, False, None)
    await place.erasures.postpone(job, end + MS)
    assert not await over(end)
    await place.erasures.deliver(job, LATER, LATER + MS)
    await place.erasures.deliver(job, end, end + MS)
    assert not await over(LATER)
    assert await over(LATER + MS)
    delivered = await table.store.get(*mine)
    assert delivered
    assert delivered.delivered_at == LATER
