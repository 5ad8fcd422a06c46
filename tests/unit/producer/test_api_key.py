"""Callers with an API key: who is let in, on what knowledge, and what a wrong key costs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from producer.auth import keyring
from producer.auth.api_key import ApiKeys, api_keys
from producer.auth.keyring import SEARCHED_MAX, UNKNOWN_SECONDS
from producer.auth.principal import Principal
from quarry.access import BUILT_IN
from quarry.errors import Overloaded, StoreUnavailable, Unauthenticated
from quarry.keys.base import KEYS_AT_ONCE
from quarry.keys.key import ApiKey
from quarry.testing import NOW, FakeClock, a_key
from tests.unit.producer.callers import CACHE_SECONDS, WatchedKeys, made_up, refused, wrong


@pytest_asyncio.fixture
async def keys() -> WatchedKeys:
    return WatchedKeys()


@pytest_asyncio.fixture
async def scheme(keys: WatchedKeys, clock: FakeClock) -> AsyncIterator[ApiKeys]:
    async with api_keys(keys, clock, CACHE_SECONDS, BUILT_IN) as made:
        yield made


def asked(*credentials: Coroutine[Any, Any, Principal | None]) -> list[asyncio.Task[Principal | None]]:
    return [asyncio.create_task(each) for each in credentials]


# --- who is let in ----------------------------------------------------------------------------------------------------


async def test_a_holder_is_known_by_the_key(scheme: ApiKeys, keys: WatchedKeys) -> None:
    """The tenant is the key's, the subject its id, and scopes say what is permitted."""
    key, text = keys.add(tenant="acme", scopes=("read:jobs",))
    assert await scheme.authenticate(text) == Principal("acme", key.key_id, "api_key", frozenset({"read:jobs"}))


@pytest.mark.parametrize("text", ["", "eyJhbGciOiJub25lIn0.e30.", "quarry_1_2", "quarry_" + "0" * 16 + "_" + "é" * 43])
async def test_what_is_no_key_is_left_to_others(scheme: ApiKeys, keys: WatchedKeys, text: str) -> None:
    """And never comes near the store."""
    assert await scheme.authenticate(text) is None
    assert keys.reads == []


async def test_a_wrong_secret_is_refused_like_an_unknown_id(scheme: ApiKeys, keys: WatchedKeys) -> None:
    """With the same words; the right one is served before and after."""
    key, text = keys.add()
    for _ in range(2):
        await refused(scheme, wrong(key))
        await refused(scheme, made_up(1)[0])
        assert await scheme.authenticate(text)


async def test_a_key_ends_at_its_instant(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """Not a moment later, though what is known of it is fresh."""
    _, text = keys.add(ends_at=NOW + timedelta(seconds=2))
    await clock.advance(1.999)
    assert await scheme.authenticate(text)
    await clock.advance(0.001)
    await refused(scheme, text)
    assert len(keys.reads) == 1


# --- on what knowledge ------------------------------------------------------------------------------------------------


async def test_a_key_is_read_again_after_its_time(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """Once, however many requests there were."""
    key, text = keys.add()
    for seconds in (0, 4.999):
        await clock.advance(seconds)
        assert await scheme.authenticate(text)
    assert keys.reads == [[key.key_id]]
    await clock.advance(0.001)
    assert await scheme.authenticate(text)
    assert keys.reads == [[key.key_id]] * 2


async def test_its_time_begins_before_the_read(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """An answer that was long under way is old when it comes: the key may have been revoked since."""
    key, text = keys.add()
    keys.going.clear()
    [task] = asked(scheme.authenticate(text))
    await clock.advance(4)
    keys.going.set()
    assert await task
    await clock.advance(1)
    assert await scheme.authenticate(text)
    assert keys.reads == [[key.key_id]] * 2


async def test_a_revoked_key_is_refused_within_that_time(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """Also where its holder never stops asking."""
    key, text = keys.add()
    assert await scheme.authenticate(text)
    await keys.end(key.key_id, at=clock.now(), revoked=True)
    for _ in range(50):
        await clock.advance(CACHE_SECONDS / 50)
        last = asked(scheme.authenticate(text))[0]
        await asyncio.wait([last])
    assert isinstance(last.exception(), Unauthenticated)
    await refused(scheme, text)


async def test_a_key_that_is_gone_is_refused(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """Like one that never was: who goes on trying it costs no reads either."""
    key, text = keys.add()
    assert await scheme.authenticate(text)
    del keys.keys[key.key_id]
    await clock.advance(CACHE_SECONDS)
    for _ in range(10):
        await refused(scheme, text)
    assert len(keys.reads) == 2


async def test_those_who_come_together_share_a_read(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """The first one of a key, and each later one; whoever goes away takes nothing from the others."""
    key, text = keys.add()
    for _ in range(2):
        keys.reads.clear()
        keys.going.clear()
        tasks = asked(*(scheme.authenticate(text) for _ in range(50)))
        await clock.settle()
        tasks.pop(0).cancel()
        keys.going.set()
        assert all(await asyncio.gather(*tasks))
        assert keys.reads == [[key.key_id]]
        await clock.advance(CACHE_SECONDS)


async def test_nobody_is_let_in_on_stale_knowledge(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """While the store is away, what is fresh is served; then nobody can tell, and when it is back all is well."""
    key, text = keys.add()
    assert await scheme.authenticate(text)
    keys.fail_next("get_many", times=2)
    assert await scheme.authenticate(text)
    await clock.advance(CACHE_SECONDS)
    for credential in (text, wrong(key)):
        with pytest.raises(StoreUnavailable):
            await scheme.authenticate(credential)
    assert await scheme.authenticate(text)


async def test_nobody_is_called_wrong_whom_nobody_could_look_for(scheme: ApiKeys, keys: WatchedKeys) -> None:
    """A failed search is not remembered as an unknown key."""
    _, text = keys.add()
    keys.fail_next("get_many")
    with pytest.raises(StoreUnavailable):
        await scheme.authenticate(text)
    assert await scheme.authenticate(text)


# --- what a wrong key costs -------------------------------------------------------------------------------------------


async def test_an_unknown_id_is_searched_once(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """For some seconds; then it is looked for again, for it may have been made in the meantime."""
    key, text = a_key()
    for _ in range(10):
        await refused(scheme, text)
    assert keys.reads == [[key.key_id]]
    await keys.create(key)
    await clock.advance(UNKNOWN_SECONDS)
    assert await scheme.authenticate(text)


async def test_what_is_remembered_of_unknown_ids_is_bounded(
    scheme: ApiKeys, keys: WatchedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last ones are remembered. Known keys do not make room for them."""
    monkeypatch.setattr(keyring, "_UNKNOWN_MAX", 3)
    _, text = keys.add()
    assert await scheme.authenticate(text)
    texts = made_up(5)
    for each in texts:
        await refused(scheme, each)
    keys.reads.clear()
    assert await scheme.authenticate(text)
    for each in (*texts[2:], *texts[:2]):
        await refused(scheme, each)
    assert [each for read in keys.reads for each in read] == [text.split("_")[1] for text in texts[:2]]


async def test_what_is_remembered_of_keys_is_bounded(
    scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten one is looked for, like any other."""
    monkeypatch.setattr(keyring, "_KNOWN_MAX", 2)
    made = [keys.add() for _ in range(3)]
    for _ in range(2):
        for _, text in made:
            assert await scheme.authenticate(text)
    assert len(keys.reads) == 6


async def test_a_flood_of_made_up_keys_is_read_in_few_batches(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """One at a time, each as large as one read may be; nothing is written."""
    keys.going.clear()
    tasks = asked(*map(scheme.authenticate, made_up(501)))
    await clock.settle()
    assert len(keys.reads) == 1
    keys.going.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(each) for each in done} == {Unauthenticated}
    assert [len(read) for read in keys.reads] == [KEYS_AT_ONCE] * 5 + [1]
    assert keys.keys == {}
    await clock.advance(120)
    assert keys.touched == []


async def test_who_is_too_many_is_told_to_come_again(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """Not that the key is wrong: nobody has looked. The others are looked for as ever, and so is whoever comes later."""
    _, text = keys.add()
    keys.going.clear()
    tasks = asked(*map(scheme.authenticate, made_up(SEARCHED_MAX)))
    await clock.settle()
    with pytest.raises(Overloaded):
        await scheme.authenticate(text)
    again = asked(scheme.authenticate(made_up(1)[0]))  # already looked for: it needs no room
    await clock.settle()
    keys.going.set()
    assert {type(each) for each in await asyncio.gather(*tasks, *again, return_exceptions=True)} == {Unauthenticated}
    assert await scheme.authenticate(text)


async def test_a_known_key_does_not_wait_behind_a_flood(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """Nor is it turned away: it is read again by itself."""
    key, text = keys.add()
    assert await scheme.authenticate(text)
    await clock.advance(CACHE_SECONDS)
    keys.going.clear()
    flood = asked(*map(scheme.authenticate, made_up(SEARCHED_MAX)))
    await clock.settle()
    [task] = asked(scheme.authenticate(text))
    await clock.settle()
    assert keys.reads[-1] == [key.key_id]
    keys.going.set()
    assert await task
    await asyncio.gather(*flood, return_exceptions=True)


async def test_an_unknown_id_costs_a_comparison_too(scheme: ApiKeys, keys: WatchedKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a known one does, whether it is live or not."""
    compared: list[str] = []
    compare = ApiKey.is_opened_by

    def watched(key: ApiKey, secret: str) -> bool:
        compared.append(secret)
        return compare(key, secret)

    monkeypatch.setattr(ApiKey, "is_opened_by", watched)
    key, text = keys.add(revoked_at=NOW)
    for each in (made_up(1)[0], wrong(key), text):
        await refused(scheme, each)
    assert len(compared) == 3
