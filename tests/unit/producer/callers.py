"""Callers with an API key, right and wrong ones, and the store in which they are looked for."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from producer.auth.api_key import ApiKeys
from quarry.errors import Unauthenticated
from quarry.keys.key import ApiKey
from quarry.testing import MemoryKeys, a_key

CACHE_SECONDS = 5.0


class WatchedKeys(MemoryKeys):
    """Writes down what is read and written, and lets reads wait where a test wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[list[str]] = []
        self.touched: list[str] = []
        self.going = asyncio.Event()
        self.going.set()

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        self.reads.append(list(key_ids))
        await self.going.wait()
        return await super().get_many(key_ids)

    async def touch(self, key_id: str, at: Any) -> None:
        self.touched.append(key_id)
        await super().touch(key_id, at)

    def add(self, **changes: Any) -> tuple[ApiKey, str]:
        """A key in the store, and what its holder carries."""
        key, text = a_key(**changes)
        self.keys[key.key_id] = key
        return key, text


def made_up(count: int) -> list[str]:
    """As many keys as somebody makes up, all different."""
    return [f"quarry_{i:016x}_{'A' * 43}" for i in range(count)]


def wrong(key: ApiKey) -> str:
    """The id of a key, with a secret that is not its."""
    return a_key(key_id=key.key_id)[1]


async def refused(scheme: ApiKeys, credential: str) -> None:
    """It is told to be wrong, in words that do not say how."""
    with pytest.raises(Unauthenticated, match=r"^no valid credential came with the request$"):
        await scheme.authenticate(credential)
