"""Rows beside the jobs that no version which we know has written: they end nothing but what is to be done about themselves."""

from datetime import timedelta
from typing import Any

import pytest

from quarry.erasure import expressions
from quarry.erasure.dynamodb import DynamoErasures
from quarry.erasure.tombstone import Tombstone, again, promised
from quarry.store.dynamodb import DynamoStore
from quarry.store.item import shard_of
from quarry.testing import NOW, a_job

LATER = NOW + timedelta(minutes=1)


class Table:
    """Answers the reads of a sweep from these items, each of which is due."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self._items = items

    async def query(self, ExpressionAttributeValues: dict[str, Any], **_request: Any) -> dict[str, Any]:  # noqa: N803 - boto's name
        asked = ExpressionAttributeValues[":pk"]
        return {"Items": [item for item in self._items if item["check_pk"] == asked]}

    async def get_item(self, Key: dict[str, Any], **_request: Any) -> dict[str, Any]:  # noqa: N803 - boto's name
        return next({"Item": item} for item in self._items if Key.items() <= item.items())


def a_promise() -> tuple[Tombstone, dict[str, Any]]:
    """A tombstone, and its item."""
    tombstone = promised("default", a_job().request_id, None, NOW)
    return tombstone, expressions.put("table", tombstone, is_new=False)["Item"]


@pytest.mark.parametrize("damage", [{"asked_at": {"S": "?"}}, {"tenant": {"N": "1"}}, {"request_id": {"NULL": True}}])
async def test_a_tombstone_that_nobody_can_read_keeps_no_other_promise_waiting(damage: dict[str, Any]) -> None:
    """The sweep asks for all that are due at once; what it raised would end the worker, and the next one's."""
    (bad, damaged), (good, item) = a_promise(), a_promise()
    erasures = DynamoErasures(Table(damaged | damage, item), "table")  # type: ignore[arg-type]
    found = await erasures.due(LATER, 10)
    assert sorted(found, key=lambda each: each.request_id) == [again(bad.tenant, bad.request_id, LATER), good]


async def test_a_job_that_does_not_say_whose_it_is_keeps_no_other_from_being_found() -> None:
    """Its key does."""
    job = a_job()
    item = {"pk": {"S": f"default#{job.request_id}"}, "check_pk": {"S": str(shard_of(job.request_id))}, "check_at": {"N": "1"}}
    store = DynamoStore(Table(item), "table", timedelta(days=1))  # type: ignore[arg-type]
    assert await store.due(LATER, 10) == [("default", job.request_id)]
