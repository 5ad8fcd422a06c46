"""The keys in the job table: sends what `expressions.py` builds and reads what comes back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import code_of, unavailable
from quarry.errors import RecordRefused, StoreUnavailable
from quarry.keys import expressions
from quarry.keys.base import KEYS_AT_ONCE
from quarry.keys.expressions import from_item, item_key
from quarry.keys.key import ApiKey
from quarry.store.item import Item

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

#: How often what a batch read left over is asked for again.
_ROUNDS: Final = 5
#: A condition that does not hold, of a write by itself and of one in a transaction.
_REFUSED: Final = "ConditionalCheckFailedException"
_NOT_SO: Final = "ConditionalCheckFailed"


class DynamoKeys:
    """The keys of one deployment."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client: Any = client
        self._table = table

    async def create(self, key: ApiKey) -> None:
        try:
            await self._client.transact_write_items(**expressions.create(self._table, key))
        except (BotoCoreError, ClientError) as error:
            answer: Any = error.response if isinstance(error, ClientError) else {}
            reason, *_ = answer.get("CancellationReasons") or [{}]
            if reason.get("Code") != _NOT_SO:
                raise _unavailable("create", error) from error
            # A repeat after a lost answer meets its own key, whatever has happened to that since.
            if from_item(reason["Item"]).digest != key.digest:
                raise RecordRefused("another key has this id") from error

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        wanted = [item_key(each) for each in dict.fromkeys(key_ids)]
        found: list[Item] = []
        for _ in range(_ROUNDS):
            if not wanted:
                break
            answer = await self._call("batch_get_item", RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}})
            found += answer["Responses"].get(self._table, [])
            wanted = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
        if wanted:
            raise StoreUnavailable("DynamoDB did not read all keys", applied=False)
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
        try:
            item: Item = (await self._client.update_item(**request, ReturnValues="ALL_NEW"))["Attributes"]
        except (BotoCoreError, ClientError) as error:
            if code_of(error) != _REFUSED:
                raise _unavailable("write", error) from error
            refused: Any = error
            return refused.response.get("Item") or None
        return item

    async def _call(self, operation: str, **request: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(operation, error) from error


def _unavailable(verb: str, error: Exception) -> StoreUnavailable:
    return unavailable(StoreUnavailable, "DynamoDB", verb, error)
