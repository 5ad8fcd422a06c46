"""The store port, sentence by sentence: what workers watch (notices, jobs that are due, roles, each other)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from quarry.job import CHECK_AFTER, CLOCK_MARGIN, Succeeded, advance
from quarry.store.base import HEARTBEAT_LIFE, CancelNotice, Heartbeat, Origin
from quarry.testing import NOW, a_completion, a_lease, an_envelope
from tests.contract.tables import LATER, MS, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: Before anything that other tests in the same table are about.
LONG_AGO = NOW - timedelta(days=2000)


async def due(table: Table, before: datetime, limit: int = 1000) -> list[str]:
    """Which of this test's jobs are due."""
    return [request_id for tenant, request_id in await table.store.due(before, limit) if tenant == table.tenant]


async def test_a_wish_to_cancel_leaves_a_notice_for_the_holder(table: Table) -> None:
    """By its owner's name, with the token of the lease; once read it is gone."""
    job = await table.submitted()
    held = await table.store.claim(an_envelope(job), a_lease("token", owner=table.tenant), NOW)
    await table.store.request_cancel(held)
    assert await table.store.take_notices(f"{table.tenant}-2") == []
    assert await table.store.take_notices(table.tenant) == [CancelNotice(job.request_id, "token")]
    assert await table.store.take_notices(table.tenant) == []


async def test_notices_of_many_jobs_come_together(table: Table) -> None:
    """And asking twice makes one."""
    ids = set()
    for _ in range(3):
        job = await table.submitted()
        held = await table.store.claim(an_envelope(job), a_lease(owner=table.tenant), NOW)
        ids.add(job.request_id)
        await table.store.request_cancel(held)
        await table.store.request_cancel(held)
    assert {notice.request_id for notice in await table.store.take_notices(table.tenant)} == ids


async def test_jobs_are_due_from_their_instant_on_oldest_first(table: Table) -> None:
    """Whatever shard they are in."""
    jobs = [await table.submitted(check_at=LONG_AGO + i * timedelta(seconds=1)) for i in range(20)]
    assert await due(table, LONG_AGO - MS) == []
    assert await due(table, LONG_AGO + timedelta(seconds=9)) == [job.request_id for job in jobs[:10]]


async def test_no_more_jobs_than_asked_for(table: Table) -> None:
    """The oldest of all."""
    jobs = [await table.submitted(check_at=LONG_AGO - timedelta(days=1) + i * MS) for i in range(20)]
    assert await due(table, LONG_AGO - timedelta(hours=1), 5) == [job.request_id for job in jobs[:5]]


async def test_what_is_over_is_not_due(table: Table) -> None:
    """It left the index when it ended."""
    job = await table.submitted(check_at=LONG_AGO)
    held = await table.store.claim(an_envelope(job), a_lease("token"), NOW)
    assert await due(table, NOW) == []
    assert held.check_at == a_lease().expires_at + CHECK_AFTER
    await table.store.record(advance(held, Succeeded(a_completion()), LATER), "token")
    assert await due(table, NOW + timedelta(days=1000)) == []


async def test_a_renewal_puts_off_the_look(table: Table) -> None:
    """As far behind the lease's end as the claim did."""
    held = await table.claimed("token")
    await table.store.renew(held, LATER + timedelta(days=1))
    seen = await table.store.get(table.tenant, held.request_id)
    assert seen
    assert seen.check_at == LATER + timedelta(days=1) + CHECK_AFTER
    assert await due(table, LATER + timedelta(hours=23)) == []


async def test_a_role_is_one_owners_until_its_lease_has_lapsed(table: Table) -> None:
    """It may keep it; others wait for the end and the clock margin."""
    role, mine, other = table.tenant, a_lease("mine"), a_lease("other", expires_at=LATER + timedelta(days=1))
    assert await table.store.take_role(role, mine, NOW)
    assert not await table.store.take_role(role, other, mine.expires_at + CLOCK_MARGIN - MS)
    kept = replace(mine, expires_at=mine.expires_at + timedelta(seconds=30))
    assert await table.store.take_role(role, kept, NOW)
    assert not await table.store.take_role(role, other, mine.expires_at + CLOCK_MARGIN)
    assert await table.store.take_role(role, other, kept.expires_at + CLOCK_MARGIN)
    assert not await table.store.take_role(role, kept, kept.expires_at + CLOCK_MARGIN)


async def test_roles_are_apart(table: Table) -> None:
    """Having one says nothing about another."""
    assert await table.store.take_role(f"{table.tenant}-a", a_lease(), NOW)
    assert await table.store.take_role(f"{table.tenant}-b", a_lease(), NOW)


async def beats(table: Table, now: datetime) -> dict[str, Heartbeat]:
    """Those of this test's workers, by what follows the tenant in their names."""
    rows = await table.store.heartbeats(now)
    return {each.worker.removeprefix(table.tenant): each for each in rows if each.worker.startswith(table.tenant)}


async def test_a_heartbeat_is_read_as_it_was_written(table: Table) -> None:
    """Openings to the millisecond, whatever the target's name holds; none at all is a heartbeat too."""
    openings = {"bedrock/us-east-1/arn:aws:x:1:y/z.v1:0": 29.125, "echo": 0.001}
    first = Heartbeat(f"{table.tenant}-a", NOW, openings, slots=100, slots_in_use=7)
    second = Heartbeat(f"{table.tenant}-b", LATER, origin=Origin("service", "7", NOW))
    await table.store.beat(first)
    await table.store.beat(second)
    assert await beats(table, LATER) == {"-a": first, "-b": second}


async def test_a_heartbeat_takes_the_place_of_the_last_one(table: Table) -> None:
    """One row for each worker."""
    await table.store.beat(Heartbeat(table.tenant, NOW, {"x": 30.0}))
    await table.store.beat(Heartbeat(table.tenant, LATER))
    assert await beats(table, LATER) == {"": Heartbeat(table.tenant, LATER)}


async def test_who_has_not_beaten_for_long_is_not_there(table: Table) -> None:
    """Even where TTL has not deleted the row yet."""
    await table.store.beat(Heartbeat(table.tenant, NOW))
    assert set(await beats(table, NOW + HEARTBEAT_LIFE - MS)) == {""}
    assert await beats(table, NOW + HEARTBEAT_LIFE) == {}
