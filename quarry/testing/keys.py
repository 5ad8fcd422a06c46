"""The port of the keys in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeAlias

from quarry.errors import RecordRefused, StoreUnavailable
from quarry.keys.base import KEYS_AT_ONCE
from quarry.keys.key import ApiKey
from quarry.testing.faults import Fallible

KeyOperation: TypeAlias = Literal["create", "get_many", "list", "end", "touch"]


class MemoryKeys(Fallible[KeyOperation]):
    """Keys as a dictionary, by id."""

    def __init__(self) -> None:
        super().__init__(StoreUnavailable)
        self.keys: dict[str, ApiKey] = {}

    async def create(self, key: ApiKey) -> None:
        with self._strike("create"):
            if self.keys.setdefault(key.key_id, key).digest != key.digest:
                raise RecordRefused("another key has this id")

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        with self._strike("get_many"):
            if len(key_ids) > KEYS_AT_ONCE:
                raise StoreUnavailable("too many keys for one read", applied=False)
            return {each: self.keys[each] for each in key_ids if each in self.keys}

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        with self._strike("list"):
            keys = [key for key in self.keys.values() if tenant in (None, key.tenant)]
            return sorted(keys, key=lambda key: (key.created_at, key.key_id))

    async def end(self, key_id: str, *, at: datetime, revoked: bool) -> bool:
        with self._strike("end"):
            key = self.keys.get(key_id)
            if key is None:
                return False
            if key.revoked_at is None and revoked:
                self.keys[key_id] = replace(key, revoked_at=at)
            elif key.revoked_at is None and (key.ends_at is None or at < key.ends_at):
                self.keys[key_id] = replace(key, ends_at=at)
            return True

    async def touch(self, key_id: str, at: datetime) -> None:
        with self._strike("touch"):
            key = self.keys.get(key_id)
            if key and (key.last_used_at is None or key.last_used_at < at):
                self.keys[key_id] = replace(key, last_used_at=at)
