"""The store of objects in memory."""

import hashlib
from datetime import timedelta
from typing import Literal, TypeAlias

from quarry.errors import PayloadLost, PayloadsUnavailable
from quarry.job import StoredObject
from quarry.store.payloads import Kind, stored_object
from quarry.testing.faults import Faults

Operation: TypeAlias = Literal["put", "get", "url", "refresh"]


class MemoryPayloads:
    """A bucket as a dictionary: `objects` by key, for a test to look at, to lose and to spoil."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        #: The keys that were refreshed, in order.
        self.refreshed: list[str] = []
        self._faults = Faults(PayloadsUnavailable)

    # --- for tests ----------------------------------------------------------------------------------------------------

    def fail_next(self, operation: Operation, *, applied: bool = False, known: bool = True, times: int = 1) -> None:
        """Let the next calls end in `PayloadsUnavailable`.

        Args:
            operation: the method.
            applied: carry it out, then lose the answer, whatever it was. Else nothing happens.
            known: whether the error says so, where nothing happens.
            times: how often.
        """
        self._faults.plan(operation, applied=applied, known=known, times=times)

    def fail_at_random(self, rate: float, seed: int = 0) -> None:
        """Let each further call fail with a chance of `rate`: refused, lost on the way, or done and its answer lost."""
        self._faults.at_random(rate, seed)

    # --- the port -----------------------------------------------------------------------------------------------------

    async def put(self, tenant: str, request_id: str, kind: Kind, content: bytes) -> StoredObject:
        with self._faults.strike("put"):
            stored = stored_object(tenant, request_id, kind, content, hashlib.sha256(content).digest())
            self.objects[stored.key] = content
            return stored

    async def get(self, stored: StoredObject) -> bytes:
        with self._faults.strike("get"):
            content = self._content(stored)
            if hashlib.sha256(content).hexdigest() != stored.sha256:
                raise PayloadLost("the object is not what was put there")
            return content

    async def url(self, stored: StoredObject, life: timedelta) -> str:
        with self._faults.strike("url"):
            return f"memory://{stored.key}?seconds={int(life.total_seconds())}"

    async def refresh(self, stored: StoredObject) -> None:
        with self._faults.strike("refresh"):
            self._content(stored)
            self.refreshed.append(stored.key)

    def _content(self, stored: StoredObject) -> bytes:
        content = self.objects.get(stored.key)
        if content is None:
            raise PayloadLost("the object is gone")
        return content
