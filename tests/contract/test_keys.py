"""The port of the keys, sentence by sentence: the fake, and the DynamoDB adapter on two emulators."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from quarry.errors import RecordRefused
from quarry.keys.base import KEYS_AT_ONCE, KeyStore
from quarry.keys.dynamodb import DynamoKeys
from quarry.keys.expressions import SHOWN_FOR, create, item_key
from quarry.keys.key import ApiKey
from quarry.store.item import ttl
from quarry.testing import NOW, MemoryKeys, a_key
from tests.contract.tables import MS, TEXT, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = NOW + timedelta(days=1)
#: No key has it.
NOBODYS = "f" * 16
#: What a key was given at its making.
END = NOW + timedelta(days=30)


@dataclass
class Ring:
    """Keys of a tenant of one's own, in a store."""

    store: KeyStore
    table: Table

    async def made(self, **changes: Any) -> ApiKey:
        """A key in the store."""
        key, _ = a_key(**{"tenant": self.table.tenant} | changes)
        await self.store.create(key)
        return key

    async def fill(self, keys: Sequence[ApiKey]) -> None:
        """Put keys into the store. Not in transactions, where there are tables: for each, moto 5.2.5 copies the whole table."""
        if self.table.client is None:
            await asyncio.gather(*map(self.store.create, keys))
            return
        puts = [each["Put"]["Item"] for key in keys for each in create(self.table.name, key)["TransactItems"]]
        await asyncio.gather(*(self.table.client.put_item(TableName=self.table.name, Item=item) for item in puts))

    async def now(self, key: ApiKey) -> ApiKey:
        """The key as it is stored."""
        return (await self.store.get_many([key.key_id]))[key.key_id]

    async def kept_until(self, pk: str, sk: str) -> int | None:
        """When DynamoDB may remove an item."""
        assert self.table.client is not None
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = await self.table.client.get_item(TableName=self.table.name, Key=key, ConsistentRead=True)
        found = answer["Item"].get("expires_at")
        return int(found["N"]) if found else None


@pytest.fixture
def ring(table: Table) -> Ring:
    """The store under test."""
    return Ring(DynamoKeys(table.client, table.name) if table.client else MemoryKeys(), table)


def ids(keys: Sequence[ApiKey]) -> list[str]:
    return [key.key_id for key in keys]


# --- create and get ---------------------------------------------------------------------------------------------------


async def test_a_key_is_kept_as_it_was_made(ring: Ring) -> None:
    """In every field; with and without an end."""
    endless = await ring.made(name=TEXT, scopes=("read:jobs", "member"), lifetime=None)
    ending = await ring.made(scopes=(), lifetime=timedelta(days=30))
    assert await ring.store.get_many([ending.key_id, endless.key_id]) == {ending.key_id: ending, endless.key_id: endless}


async def test_what_is_not_there_is_left_out(ring: Ring) -> None:
    """And asking twice for one, or for nothing, is no error."""
    key = await ring.made()
    assert await ring.store.get_many([key.key_id, NOBODYS, key.key_id]) == {key.key_id: key}
    assert await ring.store.get_many([NOBODYS]) == {}
    assert await ring.store.get_many([]) == {}


async def test_creating_again_is_harmless(ring: Ring) -> None:
    """A repeat after a lost answer does not bring a revoked key back."""
    key = await ring.made()
    await ring.store.touch(key.key_id, NOW)
    await ring.store.end(key.key_id, at=NOW, revoked=True)
    await ring.store.create(key)
    assert await ring.now(key) == replace(key, last_used_at=NOW, revoked_at=NOW)


async def test_no_key_takes_the_place_of_another(ring: Ring) -> None:
    """Of the same id, which chance will hardly make."""
    key = await ring.made()
    other, _ = a_key(key_id=key.key_id, tenant=f"{ring.table.tenant}-b")
    with pytest.raises(RecordRefused):
        await ring.store.create(other)
    assert await ring.now(key) == key
    assert await ring.store.list(other.tenant) == []


async def test_as_many_as_one_read_takes(ring: Ring) -> None:
    """All of them come."""
    keys = await asyncio.gather(*(ring.made() for _ in range(KEYS_AT_ONCE)))
    assert set(await ring.store.get_many(ids(keys))) == set(ids(keys))


# --- list -------------------------------------------------------------------------------------------------------------


async def test_a_list_is_of_one_tenant(ring: Ring) -> None:
    """Whose name may be the beginning of another's."""
    tenant = ring.table.tenant
    mine, other = await ring.made(), await ring.made(tenant=f"{tenant}-2")
    assert await ring.store.list(tenant) == [mine]
    assert await ring.store.list(f"{tenant}-2") == [other]
    assert await ring.store.list("nobody") == []


async def test_a_list_of_all_has_every_tenant(ring: Ring) -> None:
    """Each key once."""
    made = [await ring.made(tenant=f"{ring.table.tenant}-{i}") for i in range(3)]
    listed = ids(await ring.store.list(None))
    assert len(listed) == len(set(listed))
    assert set(listed) >= set(ids(made))


async def test_a_list_begins_with_the_oldest(ring: Ring) -> None:
    """Whatever the ids are; keys that are over are in it."""
    keys = [await ring.made(created_at=NOW - timedelta(seconds=i), key_id=f"{i:016x}") for i in range(4)]
    await ring.store.end(keys[1].key_id, at=NOW, revoked=True)
    await ring.store.end(keys[2].key_id, at=NOW - timedelta(days=1), revoked=False)
    assert ids(await ring.store.list(ring.table.tenant)) == ids(keys[::-1])


async def test_a_list_has_all_pages(ring: Ring) -> None:
    """Of more keys than one read takes."""
    keys = [a_key(tenant=ring.table.tenant)[0] for _ in range(2 * KEYS_AT_ONCE + 1)]
    await ring.fill(keys)
    assert set(ids(await ring.store.list(ring.table.tenant))) == set(ids(keys))


# --- end --------------------------------------------------------------------------------------------------------------


async def test_a_revoked_key_stays_so(ring: Ring) -> None:
    """Since when it was first revoked, whatever is said later."""
    key = await ring.made()
    assert await ring.store.end(key.key_id, at=NOW, revoked=True)
    assert await ring.store.end(key.key_id, at=LATER, revoked=True)
    assert await ring.store.end(key.key_id, at=LATER, revoked=False)
    assert await ring.now(key) == replace(key, revoked_at=NOW)


@pytest.mark.parametrize("lifetime", [None, timedelta(days=30)])
async def test_an_end_is_brought_forward(ring: Ring, lifetime: timedelta | None) -> None:
    """To whatever is earlier; of a key without one, to any."""
    key = await ring.made(lifetime=lifetime)
    assert await ring.store.end(key.key_id, at=LATER, revoked=False)
    assert await ring.now(key) == replace(key, ends_at=LATER)
    assert await ring.store.end(key.key_id, at=LATER - MS, revoked=False)
    assert await ring.now(key) == replace(key, ends_at=LATER - MS)


async def test_no_end_is_moved_further_out(ring: Ring) -> None:
    """Not by a millisecond; it is no error either."""
    key = await ring.made(lifetime=END - NOW)
    assert await ring.store.end(key.key_id, at=END + MS, revoked=False)
    assert await ring.now(key) == key


async def test_what_is_not_there_cannot_end(ring: Ring) -> None:
    """It is told so, and nothing is made."""
    for revoked in (True, False):
        assert not await ring.store.end(NOBODYS, at=NOW, revoked=revoked)
    assert await ring.store.get_many([NOBODYS]) == {}


async def test_a_key_that_is_over_is_removed_one_day(ring: Ring) -> None:
    """With its entry; but while it lives, its end does not come near."""
    if ring.table.client is None:
        return  # the fake keeps all
    tenant = ring.table.tenant
    key, ending = await ring.made(lifetime=None), await ring.made(lifetime=END - NOW)
    for each, expected in ((key, None), (ending, ttl(END + SHOWN_FOR))):
        assert await ring.kept_until(item_key(each.key_id)["pk"]["S"], "key") == expected
        assert await ring.kept_until("#keys", f"{tenant}#{each.key_id}") == expected
    await ring.store.end(key.key_id, at=LATER, revoked=False)
    await ring.store.end(ending.key_id, at=NOW, revoked=True)
    for each, end in ((key, LATER), (ending, NOW)):
        assert await ring.kept_until(item_key(each.key_id)["pk"]["S"], "key") == ttl(end + SHOWN_FOR)
        assert await ring.kept_until("#keys", f"{tenant}#{each.key_id}") == ttl(end + SHOWN_FOR)


# --- touch ------------------------------------------------------------------------------------------------------------


async def test_a_use_is_noted_and_never_an_earlier_one(ring: Ring) -> None:
    """Several processes note uses, in any order."""
    key = await ring.made()
    await ring.store.touch(key.key_id, LATER)
    await ring.store.touch(key.key_id, NOW)
    assert await ring.now(key) == replace(key, last_used_at=LATER)
    await ring.store.touch(key.key_id, LATER + MS)
    assert await ring.now(key) == replace(key, last_used_at=LATER + MS)


async def test_a_use_of_no_key_makes_none(ring: Ring) -> None:
    """It may have been removed in the meantime."""
    await ring.store.touch(NOBODYS, NOW)
    assert await ring.store.get_many([NOBODYS]) == {}


async def test_a_use_does_not_bring_back_what_has_ended(ring: Ring) -> None:
    """A note that comes late changes nothing else."""
    key = await ring.made()
    await ring.store.end(key.key_id, at=NOW, revoked=True)
    await ring.store.touch(key.key_id, LATER)
    assert await ring.now(key) == replace(key, revoked_at=NOW, last_used_at=LATER)
