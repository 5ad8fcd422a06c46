"""The port of erasing on Amazon DynamoDB: sends what `expressions.py` builds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import code_of, unavailable
from quarry.erasure import expressions
from quarry.erasure.tombstone import Tombstone
from quarry.errors import JobChanged, StoreUnavailable
from quarry.job import Job
from quarry.store.expressions import due
from quarry.store.item import SHARDS, Item, kept_partition

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_REFUSED: Final = "ConditionalCheckFailedException"
#: Rows that are deleted at once. Our own choice.
_AT_ONCE: Final = 16


class DynamoErasures:
    """Tombstones in the job table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client: Any = client
        self._table = table

    async def promise(self, tombstone: Tombstone) -> Tombstone:
        refused = await self._guarded("put_item", expressions.put(self._table, tombstone, is_new=True))
        return tombstone if refused is None else expressions.tombstone_in(refused)

    async def tombstone(self, tenant: str, request_id: str) -> Tombstone | None:
        key = expressions.tombstone_key(tenant, request_id)
        item = (await self._call("get_item", TableName=self._table, Key=key, ConsistentRead=True)).get("Item")
        return expressions.tombstone_in(item) if item else None

    async def write(self, tombstone: Tombstone) -> None:
        await self._call("put_item", **expressions.put(self._table, tombstone, is_new=False))

    async def hide(self, job: Job) -> None:
        await self._guarded("update_item", expressions.hide(self._table, job))

    async def remove(self, job: Job, now: datetime) -> None:
        if await self._guarded("delete_item", expressions.remove(self._table, job, now)) is not None:
            raise JobChanged("the job was changed by somebody else")

    async def clear(self, tombstone: Tombstone) -> int:
        if tombstone.key_digest:
            await self._guarded("delete_item", expressions.remove_key(self._table, tombstone, tombstone.key_digest))
        rows = await self._texts(tombstone)
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
        found = (self.tombstone(*each) for each in await self._due(expressions.check_partition, before, limit))
        return [each for each in await asyncio.gather(*found) if each and each.check_at and each.check_at <= before]

    async def _due(self, partition: Callable[[int], str], before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        requests = (due(self._table, partition(shard), before, limit) for shard in range(SHARDS))
        pages = await asyncio.gather(*(self._call("query", **request) for request in requests))
        items = sorted((item for page in pages for item in page["Items"]), key=lambda item: int(item["check_at"]["N"]))
        return [(item["tenant"]["S"], item["request_id"]["S"]) for item in items[:limit]]

    async def _texts(self, tombstone: Tombstone) -> list[Item]:
        found: list[Item] = []
        start: dict[str, Any] = {}
        while True:
            answer = await self._call("query", **expressions.texts(self._table, tombstone.tenant, tombstone.request_id), **start)
            found += answer["Items"]
            if not (last := answer.get("LastEvaluatedKey")):
                return found
            start = {"ExclusiveStartKey": last}

    async def _guarded(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """One conditional write: None where it was made, else the old item, as far as it is told."""
        try:
            await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and code_of(error) == _REFUSED:
                refused: Any = error.response
                return refused.get("Item") or {}
            raise _unavailable(operation, error) from error
        return None

    async def _call(self, operation: str, **request: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(operation, error) from error


def _unavailable(verb: str, error: Exception) -> StoreUnavailable:
    return unavailable(StoreUnavailable, "DynamoDB", verb, error)
