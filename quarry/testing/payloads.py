"""The store of objects in memory."""

import hashlib
from datetime import timedelta
from typing import Literal, TypeAlias

from quarry.errors import PayloadLost, PayloadsUnavailable
from quarry.job import StoredObject
from quarry.store.payloads import Kind, prefix_of, stored_object
from quarry.testing.faults import Fallible

Operation: TypeAlias = Literal["put", "get", "url", "refresh", "erase"]


class MemoryPayloads(Fallible[Operation]):
    """A bucket as a dictionary: `objects` by key, for a test to look at, to lose and to spoil."""

    def __init__(self) -> None:
        super().__init__(PayloadsUnavailable)
        self.objects: dict[str, bytes] = {}
        #: The keys that were refreshed, in order.
        self.refreshed: list[str] = []

    async def put(self, tenant: str, request_id: str, kind: Kind, content: bytes) -> StoredObject:
        with self._strike("put"):
            stored = stored_object(tenant, request_id, kind, content, hashlib.sha256(content).digest())
            self.objects[stored.key] = content
            return stored

    async def get(self, stored: StoredObject) -> bytes:
        with self._strike("get"):
            content = self._content(stored)
            if hashlib.sha256(content).hexdigest() != stored.sha256:
                raise PayloadLost("the object is not what was put there")
            return content

    async def url(self, stored: StoredObject, life: timedelta) -> str:
        with self._strike("url"):
            return f"memory://{stored.key}?seconds={int(life.total_seconds())}"

    async def refresh(self, stored: StoredObject) -> None:
        with self._strike("refresh"):
            self._content(stored)
            self.refreshed.append(stored.key)

    async def erase(self, tenant: str, request_id: str, kind: Kind | None = None) -> int:
        with self._strike("erase"):
            doomed = [key for key in self.objects if key.startswith(prefix_of(tenant, request_id, kind))]
            for key in doomed:
                del self.objects[key]
            return len(doomed)

    def _content(self, stored: StoredObject) -> bytes:
        content = self.objects.get(stored.key)
        if content is None:
            raise PayloadLost("the object is gone")
        return content
