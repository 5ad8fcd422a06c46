"""What no emulator shows: DynamoDB cancels a transaction that meets another one on the same item."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quarry.errors import StoreUnavailable
from quarry.store.base import IdempotencyKey
from quarry.store.dynamodb import DynamoStore
from quarry.testing.builders import NOW, a_job

KEY = IdempotencyKey("default", "key", "fingerprint", NOW + timedelta(hours=24))


class ConflictingClient:
    """Cancels the first transactions, in the form that the API reference gives."""

    def __init__(self, conflicts: int) -> None:
        self.conflicts = conflicts
        self.calls = 0

    async def transact_write_items(self, **_request: Any) -> None:
        self.calls += 1
        if self.calls > self.conflicts:
            return
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
            "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        raise ClientError(answer, "TransactWriteItems")


def store(client: ConflictingClient) -> DynamoStore:
    return DynamoStore(client, "table", timedelta(days=1))  # type: ignore[arg-type]


async def test_a_transaction_that_met_another_is_tried_again() -> None:
    """Two submissions with one key at one moment: the loser asks again, and learns whose the key is."""
    client = ConflictingClient(conflicts=2)
    assert await store(client).create_with_key(a_job(), KEY, NOW) is None
    assert client.calls == 3


async def test_a_conflict_that_lasts_is_known_not_to_be_applied() -> None:
    """The caller may submit again without fear."""
    client = ConflictingClient(conflicts=100)
    with pytest.raises(StoreUnavailable) as caught:
        await store(client).create_with_key(a_job(), KEY, NOW)
    assert (caught.value.applied, client.calls) == (False, 4)
