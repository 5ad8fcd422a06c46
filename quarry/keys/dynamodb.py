"""The keys in the job table: sends what `expressions.py` builds and reads what comes back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from quarry.errors import RecordRefused
from quarry.keys import expressions
from quarry.keys.base import KEYS_AT_ONCE
from quarry.keys.expressions import from_item, item_key
from quarry.keys.key import ApiKey
from quarry.store.item import Item
from quarry.store.table import NOT_SO, DynamoTable, cancellation_reasons, store_unavailable


class DynamoKeys(DynamoTable):
    """The keys of one deployment."""

    async def create(self, key: ApiKey) -> None:
        try:
            await self._client.transact_write_items(**expressions.create(self._table, key))
        except (BotoCoreError, ClientError) as error:
            reason, *_ = cancellation_reasons(error) or [{}]
            if reason.get("Code") != NOT_SO:
                raise store_unavailable("create", error) from error
            # A repeat after a lost answer meets its own key, whatever has happened to that since.
            if from_item(reason["Item"]).digest != key.digest:
                raise RecordRefused("another key has this id") from error

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        keys = (item_key(each) for each in dict.fromkeys(key_ids))
        found = await self._items(keys, {"ConsistentRead": True})
        return {key.key_id: key for key in map(from_item, found)}

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        request = expressions.listed(self._table, tenant, KEYS_AT_ONCE)
        pages = []
        while True:
            answer = await self._call("query", **request)
            # The entry of a key whose item TTL has removed lives on for a while.
            pages.append(await self.get_many([entry["key_id"]["S"] for entry in answer["Items"]]))
            if not (last := answer.get("LastEvaluatedKey")):
                return sorted((key for page in pages for key in page.values()), key=lambda key: (key.created_at, key.key_id))
            request["ExclusiveStartKey"] = last

    async def end(self, key_id: str, *, at: datetime, revoked: bool) -> bool:
        build = expressions.revoke if revoked else expressions.bring_forward
        item = await self._write(build(self._table, key_id, at))
        if item and "expires_at" in item:
            await self._write(expressions.forget_entry(self._table, item))
        return item is not None

    async def touch(self, key_id: str, at: datetime) -> None:
        await self._write(expressions.touch(self._table, key_id, at))

    async def _write(self, request: Mapping[str, Any]) -> Item | None:
        """One conditional update: the item as it is then, changed or not; None where there is none."""
        item, _ = await self._guarded("update_item", {**request, "ReturnValues": "ALL_NEW"})
        return item or None
