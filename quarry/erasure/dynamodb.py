"""The port of erasing on Amazon DynamoDB: sends what `expressions.py` builds."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from quarry.erasure import expressions
from quarry.erasure.tombstone import Tombstone, again
from quarry.errors import JobChanged
from quarry.job import Job
from quarry.store.expressions import due
from quarry.store.item import SHARDS, Item, kept_partition, pointer_in
from quarry.store.table import DynamoTable

#: Rows that are deleted at once. Our own choice.
_AT_ONCE: Final = 16


class DynamoErasures(DynamoTable):
    """Tombstones in the job table."""

    async def promise(self, tombstone: Tombstone) -> Tombstone:
        there, _ = await self._guarded("put_item", expressions.put(self._table, tombstone, is_new=True))
        if there is None:
            return tombstone
        if (found := expressions.tombstone_in(there)) is None:
            await self.write(tombstone)
        return found or tombstone

    async def tombstone(self, tenant: str, request_id: str) -> Tombstone | None:
        item = await self._row(tenant, request_id)
        return expressions.tombstone_in(item) if item else None

    async def write(self, tombstone: Tombstone) -> None:
        await self._call("put_item", **expressions.put(self._table, tombstone, is_new=False))

    async def hide(self, job: Job) -> None:
        await self._guarded("update_item", expressions.hide(self._table, job))

    async def remove(self, job: Job, now: datetime) -> None:
        _, refused = await self._guarded("delete_item", expressions.remove(self._table, job, now))
        if refused:
            raise JobChanged("the job was changed by somebody else")

    async def remove_unread(self, tenant: str, request_id: str, now: datetime) -> bool:
        _, refused = await self._guarded("delete_item", expressions.remove_unread(self._table, tenant, request_id, now))
        return not refused

    async def clear(self, tombstone: Tombstone) -> int:
        if tombstone.key_digest:
            await self._guarded("delete_item", expressions.remove_key(self._table, tombstone, tombstone.key_digest))
        rows = await self._pages(expressions.texts(self._table, tombstone.tenant, tombstone.request_id))
        for i in range(0, len(rows), _AT_ONCE):
            await asyncio.gather(*(self._call("delete_item", TableName=self._table, Key=row) for row in rows[i : i + _AT_ONCE]))
        return len(rows)

    async def deliver(self, job: Job, now: datetime, erase_at: datetime) -> None:
        await self._guarded("update_item", expressions.deliver(self._table, job, now, erase_at))

    async def postpone(self, job: Job, erase_at: datetime) -> None:
        await self._guarded("update_item", expressions.postpone(self._table, job, erase_at))

    async def over(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        return await self._due(kept_partition, before, limit)

    async def due(self, before: datetime, limit: int) -> Sequence[Tombstone]:
        # The index has the ids and no more: the promise itself is read from the table.
        pointers = await self._due(expressions.check_partition, before, limit)
        rows = await asyncio.gather(*(self._row(*each) for each in pointers))
        found = (expressions.tombstone_in(row) or again(*each, before) for each, row in zip(pointers, rows, strict=True) if row)
        return [each for each in found if each.check_at and each.check_at <= before]

    async def _row(self, tenant: str, request_id: str) -> Item | None:
        key = expressions.tombstone_key(tenant, request_id)
        item: Item | None = (await self._call("get_item", TableName=self._table, Key=key, ConsistentRead=True)).get("Item")
        return item

    async def _due(self, partition: Callable[[int], str], before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        requests = (due(self._table, partition(shard), before, limit) for shard in range(SHARDS))
        pages = await asyncio.gather(*(self._call("query", **request) for request in requests))
        items = sorted((item for page in pages for item in page["Items"]), key=lambda item: int(item["check_at"]["N"]))
        return [pointer_in(item) for item in items[:limit]]
