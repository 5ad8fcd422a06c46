"""When a key was last used: noted while it is used, and written seldom."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from producer.auth import last_uses
from producer.auth.api_key import ApiKeys, api_keys
from producer.between import Between
from quarry.access import BUILT_IN
from quarry.testing import NOW, FakeClock
from tests.unit.producer.callers import CACHE_SECONDS, WatchedKeys, made_up, refused, wrong


@pytest_asyncio.fixture
async def keys() -> WatchedKeys:
    return WatchedKeys()


@pytest_asyncio.fixture
async def scheme(keys: WatchedKeys, clock: FakeClock) -> AsyncIterator[ApiKeys]:
    async with api_keys(keys, clock, CACHE_SECONDS, BUILT_IN) as made:
        yield made


async def test_a_use_is_noted_within_a_minute(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """The last one; not while the request waits."""
    key, text = keys.add()
    await scheme.authenticate(text)
    await clock.advance(10)
    await scheme.authenticate(text)
    assert keys.touched == []
    await clock.advance(50)
    assert keys.keys[key.key_id].last_used_at == NOW + timedelta(seconds=10)


async def test_a_busy_key_is_written_once_a_minute(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """And an idle one not at all."""
    _, text = keys.add()
    keys.add()
    for _ in range(600):
        await scheme.authenticate(text)
        await clock.advance(1)
    assert 5 <= len(keys.touched) <= 10
    keys.touched.clear()
    await clock.advance(600)
    assert len(keys.touched) <= 1


async def test_what_another_process_has_noted_is_not_written_again(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """The record of the key tells."""
    _, text = keys.add(last_used_at=NOW - timedelta(seconds=59))
    await scheme.authenticate(text)
    await clock.advance(60)
    assert keys.touched == []


async def test_only_who_is_let_in_has_used_a_key(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """No wrong key leads to a write, whatever is wrong with it."""
    key, _ = keys.add()
    _, revoked = keys.add(revoked_at=NOW)
    _, over = keys.add(ends_at=NOW)
    for each in (wrong(key), revoked, over, made_up(1)[0]):
        await refused(scheme, each)
    await clock.advance(120)
    assert keys.touched == []


async def test_a_note_that_cannot_be_written_is_lost(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock) -> None:
    """The next use is noted as ever."""
    key, text = keys.add()
    keys.fail_next("touch")
    await scheme.authenticate(text)
    await clock.advance(60)
    assert keys.keys[key.key_id].last_used_at is None
    await scheme.authenticate(text)
    await clock.advance(60)
    assert keys.keys[key.key_id].last_used_at == NOW + timedelta(seconds=60)


async def test_notes_are_bounded(scheme: ApiKeys, keys: WatchedKeys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys are served all the same; a key that is noted already takes no room."""
    monkeypatch.setattr(last_uses, "_NOTES_MAX", 2)
    made = [keys.add() for _ in range(3)]
    for _ in range(2):
        for _, text in made:
            assert await scheme.authenticate(text)
        await clock.advance(1)
    await clock.advance(60)
    assert sorted(keys.touched) == sorted(key.key_id for key, _ in made[:2])
    assert keys.keys[made[0][0].key_id].last_used_at == NOW + timedelta(seconds=1)


async def test_stopping_writes_what_was_noted(keys: WatchedKeys, clock: FakeClock) -> None:
    """At once."""
    key, text = keys.add()
    async with api_keys(keys, clock, CACHE_SECONDS, BUILT_IN) as scheme:
        await scheme.authenticate(text)
    assert keys.keys[key.key_id].last_used_at == NOW


async def test_stopping_does_not_wait_long(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second, for a store that does not answer."""
    keys = WatchedKeys()
    _, text = keys.add()

    async def silent(key_id: str, at: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(keys, "touch", silent)

    async def serve() -> None:
        async with api_keys(keys, clock, CACHE_SECONDS, BUILT_IN) as scheme:
            await scheme.authenticate(text)

    await clock.run(serve())
    assert clock.now() == NOW + timedelta(seconds=1)


async def test_where_nothing_runs_on_uses_are_written_after_a_request(keys: WatchedKeys, clock: FakeClock) -> None:
    """Once a minute for each key, although what is known of the key is older than what was written."""
    between = Between()
    key, text = keys.add()
    async with api_keys(keys, clock, 3600, BUILT_IN, between) as scheme:
        for _ in range(61):
            await scheme.authenticate(text)
            for chore in between.after:
                await chore()
            await clock.advance(1)
    assert keys.touched == [key.key_id] * 2
    assert keys.keys[key.key_id].last_used_at == NOW + timedelta(seconds=60)
