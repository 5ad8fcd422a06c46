"""The keys in the job table.

Each key is an item of its own, found by its id: `pk` = `#keys#ID`, `sk` = `key`. Beside it, in one transaction, lies an entry of a
directory, from which a tenant's keys are listed: `pk` = `#keys`, `sk` = `TENANT#ID`. No tenant's name begins with `#`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import unavailable
from quarry.clock import from_epoch_ms
from quarry.errors import StoreUnavailable
from quarry.keys.key import ApiKey
from quarry.store.item import Item, attribute, ttl

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

#: How long a key that is over can still be listed. Our own choice.
_SHOWN_FOR: Final = timedelta(days=90)
_DIRECTORY: Final = {"S": "#keys"}
_BATCH_MAX: Final = 100


class DynamoKeys:
    """The keys of one deployment."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client: Any = client
        self._table = table

    async def create(self, key: ApiKey) -> None:
        entry = {"pk": _DIRECTORY, "sk": {"S": f"{key.tenant}#{key.key_id}"}, "key_id": {"S": key.key_id}}
        puts = [{"Put": {"TableName": self._table, "Item": item}} for item in (to_item(key), entry | _gone_after(key.ends_at))]
        await self._call("transact_write_items", TransactItems=puts)

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        wanted = [_key(each) for each in dict.fromkeys(key_ids)][:_BATCH_MAX]
        if not wanted:
            return {}
        answer = await self._call("batch_get_item", RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}})
        if answer.get("UnprocessedKeys"):
            raise StoreUnavailable("DynamoDB did not read all keys", applied=False)
        return {key.key_id: key for key in map(from_item, answer["Responses"].get(self._table, []))}

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        raise NotImplementedError

    async def end(self, key_id: str, *, at: datetime, revoked: bool) -> bool:
        raise NotImplementedError

    async def touch(self, key_id: str, at: datetime) -> None:
        raise NotImplementedError

    async def _call(self, operation: str, **request: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(StoreUnavailable, "DynamoDB", operation, error) from error


def to_item(key: ApiKey) -> Item:
    """A key as it is stored."""
    values: dict[str, Any] = {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": json.dumps(key.scopes),
        "salt": key.salt,
        "digest": key.digest,
        "created_at": key.created_at,
        "ends_at": key.ends_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
    attributes = {name: attribute(value) for name, value in values.items() if value is not None}
    return _key(key.key_id) | attributes | _gone_after(key.ends_at)


def from_item(item: Mapping[str, Any]) -> ApiKey:
    """The reverse."""

    def instant(name: str) -> datetime | None:
        return from_epoch_ms(int(item[name]["N"])) if name in item else None

    return ApiKey(
        key_id=item["key_id"]["S"],
        tenant=item["tenant"]["S"],
        name=item["name"]["S"],
        scopes=tuple(json.loads(item["scopes"]["S"])),
        salt=item["salt"]["S"],
        digest=item["digest"]["S"],
        created_at=from_epoch_ms(int(item["created_at"]["N"])),
        ends_at=instant("ends_at"),
        revoked_at=instant("revoked_at"),
        last_used_at=instant("last_used_at"),
    )


def _key(key_id: str) -> Item:
    return {"pk": {"S": f"#keys#{key_id}"}, "sk": {"S": "key"}}


def _gone_after(ends_at: datetime | None) -> Item:
    """What has DynamoDB's TTL remove it, some time after it has ended."""
    return {"expires_at": attribute(ttl(ends_at + _SHOWN_FOR))} if ends_at else {}
