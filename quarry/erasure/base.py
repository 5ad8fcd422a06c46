"""What erasing needs of the job table, beside the store port. `dynamodb.py` is the real one, `quarry.testing.store` the fake; one
contract suite holds both to what is written here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from quarry.erasure.tombstone import Tombstone
from quarry.job import Job


class Erasures(Protocol):
    """Tombstones, and the deletions behind them."""

    async def promise(self, tombstone: Tombstone) -> Tombstone:
        """Write a tombstone, unless there is one that can be read; returns the one that is there.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def tombstone(self, tenant: str, request_id: str) -> Tombstone | None:
        """The tombstone of a job that was erased, or is about to be; None where there is none, or nobody can read it.

        Raises:
            StoreUnavailable: try again.
        """

    async def write(self, tombstone: Tombstone) -> None:
        """Write a tombstone over the one that is there.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def hide(self, job: Job) -> None:
        """Have no reader see a job that still has to be stopped. Of no effect on one that is gone.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def remove(self, job: Job, now: datetime) -> None:
        """Delete the record of a job which nobody holds, and which is as it was read: for good, whatever its status.

        Raises:
            JobChanged: somebody wrote or took it since; or it is gone.
            StoreUnavailable: unknown.
        """

    async def remove_unread(self, tenant: str, request_id: str, now: datetime) -> bool:
        """Delete a record that cannot be read, where nobody holds it as far as that can be told. Whether it is gone.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def clear(self, tombstone: Tombstone) -> int:
        """Delete what lies beside the record: the text that was streamed, and the row of the idempotency key, where that is still
        the job's. Returns how many rows of text there were.

        Raises:
            StoreUnavailable: some may be left; repeating is harmless.
        """

    async def deliver(self, job: Job, now: datetime, erase_at: datetime) -> None:
        """Note that the answer of a finished job was read, and have it erased at `erase_at`; from then on it is in no list. Of no
        effect on one that was read before, or has moved on.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def postpone(self, job: Job, erase_at: datetime) -> None:
        """Have a finished job erased at another time. Of no effect on one that has moved on.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def over(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Up to `limit` jobs (tenant, request_id) that were to be erased at or before `before`, from an index, which may lag.

        Raises:
            StoreUnavailable: try again.
        """

    async def due(self, before: datetime, limit: int) -> Sequence[Tombstone]:
        """Up to `limit` tombstones with a `check_at` at or before `before`, from an index, which may lag behind. In place of one
        that nobody can read, the promise made again.

        Raises:
            StoreUnavailable: try again.
        """
