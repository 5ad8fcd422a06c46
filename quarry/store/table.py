"""Calling DynamoDB for whatever is in the job table: what it raises becomes ours, and what it does in parts is done whole."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from quarry.aws import DENIED, code_of, said, unavailable
from quarry.errors import ConfigurationError, RecordRefused, StoreUnavailable
from quarry.ids import new_token
from quarry.store.item import Item

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

#: Source: the DynamoDB service model in botocore 1.43.117 (November 2026).
BATCH_MAX_GETS: Final = 100
#: How often what a batch read left over is asked for again.
_BATCH_GET_ROUNDS: Final = 5
#: A condition that does not hold, of a write by itself and of one in a transaction.
_REFUSED: Final = "ConditionalCheckFailedException"
NOT_SO: Final = "ConditionalCheckFailed"


class DynamoTable:
    """The job table, as it is called."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client: Any = client
        self._table = table

    async def check(self) -> None:
        """See that the table is there.

        Raises:
            ConfigurationError: it is not, or we may not see it.
            StoreUnavailable: DynamoDB did not answer.
        """
        try:
            await self._client.describe_table(TableName=self._table)
        except (BotoCoreError, ClientError) as error:
            if code_of(error) in DENIED:
                raise ConfigurationError(
                    f"QUARRY_STORE__TABLE: the table {self._table!r} may not be seen: {said(error)}"
                ) from error
            if code_of(error) == "ResourceNotFoundException":
                raise ConfigurationError(
                    f"QUARRY_STORE__TABLE: the table {self._table!r} does not exist; `quarry provision` makes it locally"
                ) from error
            raise store_unavailable(f"describe the table {self._table!r}", error) from error

    async def _items(self, keys: Iterable[Item], how: Mapping[str, Any]) -> Sequence[Item]:
        """Those of these keys that are there, in any order."""
        wanted = list(keys)
        found: list[Item] = []
        for _ in range(_BATCH_GET_ROUNDS):
            if not wanted:
                return found
            answer = await self._call("batch_get_item", RequestItems={self._table: {"Keys": wanted[:BATCH_MAX_GETS], **how}})
            found += answer["Responses"].get(self._table, [])
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            wanted = [*left, *wanted[BATCH_MAX_GETS:]]
        if wanted:
            raise StoreUnavailable("DynamoDB did not read all keys", applied=False)
        return found

    async def _pages(self, request: Mapping[str, Any]) -> Sequence[Item]:
        """All that a query finds: an answer ends at 1 MB."""
        found: list[Item] = []
        start: dict[str, Any] = {}
        while True:
            answer = await self._call("query", **request, **start)
            found += answer["Items"]
            if not (last := answer.get("LastEvaluatedKey")):
                return found
            start = {"ExclusiveStartKey": last}

    async def _guarded(self, operation: str, request: Mapping[str, Any]) -> tuple[Item | None, bool]:
        """One conditional write: (the new or the old item, as far as it is told; whether it was refused)."""
        try:
            answer = await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and code_of(error) == _REFUSED:
                refused: Any = error.response
                return refused.get("Item"), True
            if code_of(error) == "ValidationException":
                raise RecordRefused(f"DynamoDB refused to write: {error}") from error
            raise store_unavailable("write", error) from error
        return answer.get("Attributes"), False

    async def _transact(self, request: Mapping[str, Any]) -> None:
        """One transaction; where it meets another one on the same item, which is over in milliseconds, again."""
        async for attempt in AsyncRetrying(stop=_CONFLICT_STOP, wait=_CONFLICT_WAIT, retry=_IF_CONFLICT, reraise=True):
            with attempt:
                # One token for all sendings of this try: a repeat after a lost answer is then no second transaction.
                await self._client.transact_write_items(**request, ClientRequestToken=new_token())

    async def _call(self, operation: str, **request: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError) as error:
            raise store_unavailable(operation, error) from error


def cancellation_reasons(error: BaseException) -> Sequence[Any]:
    """Why a transaction was cancelled, item by item; empty where it was not that."""
    answer: Any = error.response if isinstance(error, ClientError) else {}
    return answer.get("CancellationReasons") or ()


def _is_conflict(error: BaseException) -> bool:
    codes = {reason.get("Code") for reason in cancellation_reasons(error)}
    # With a failed condition beside it, another try would end the same way.
    return "TransactionConflict" in codes and NOT_SO not in codes


#: Our own choice.
_CONFLICT_STOP: Final = stop_after_attempt(4)
_CONFLICT_WAIT: Final = wait_random_exponential(multiplier=0.02, max=0.2)
_IF_CONFLICT: Final = retry_if_exception(_is_conflict)


def store_unavailable(verb: str, error: Exception) -> StoreUnavailable:
    """What DynamoDB, or the way to it, raised while `verb` was asked of it."""
    return unavailable(StoreUnavailable, "DynamoDB", verb, error)
