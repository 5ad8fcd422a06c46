"""The store port on DynamoDB only: what lies in the table, and a DynamoDB that does not answer, or not usefully."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from quarry.aws import dynamodb_client
from quarry.clock import from_epoch_ms
from quarry.errors import (
    StoreUnavailable,
)
from quarry.job import (
    Cancelled,
    Job,
    advance,
)
from quarry.store.base import IdempotencyKey
from quarry.store.dynamodb import DynamoStore
from quarry.store.expressions import digest
from quarry.store.item import idempotency_item_key, job_key, shard_of, to_item
from quarry.testing import NOW, a_claimed_job, a_job, a_lease, an_envelope
from tests.contract.conftest import REGION
from tests.contract.tables import EVENTS, LATER, RETENTION, Table
from tests.contract.unkind import CUT, RESET, Answer, UnkindAws, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- only DynamoDB: what lies in the table ----------------------------------------------------------------------------


on_dynamodb = pytest.mark.parametrize("backend", ["ministack", "moto"], indirect=True, scope="module")


async def item_of(table: Table, job: Job) -> dict[str, Any]:
    """A job's item as it lies there."""
    assert table.client
    answer = await table.client.get_item(TableName=table.name, Key=job_key(job.tenant, job.request_id), ConsistentRead=True)
    return dict(answer["Item"])


@on_dynamodb
@pytest.mark.parametrize("event", EVENTS)
async def test_only_a_finished_job_is_deleted_by_and_by(table: Table, event: str) -> None:
    """`expires_at` (TTL, in seconds) is set by the write that ends the job, and by no other."""
    held, done = await table.worked(event)
    assert "expires_at" not in await item_of(table, held)
    await table.store.record(done, "token")
    item = await item_of(table, done)
    expected = {"N": str(int((LATER + RETENTION).timestamp()))} if done.status.is_terminal else None
    assert item.get("expires_at") == expected


@on_dynamodb
@pytest.mark.parametrize("event", EVENTS)
async def test_only_an_unfinished_job_is_in_the_index_of_the_sweep(table: Table, event: str) -> None:
    """There with the instant at which to look; gone with the write that ends the job."""
    held, done = await table.worked(event)
    assert await swept(table, held) == held.check_at
    await table.store.record(done, "token")
    assert await swept(table, done) == done.check_at
    assert (done.check_at is None) is done.status.is_terminal


async def swept(table: Table, job: Job) -> datetime | None:
    """When the sweep would look at a job, by its index; None where it is not in there."""
    assert table.client
    answer = await table.client.query(
        TableName=table.name,
        IndexName="by_check",
        KeyConditionExpression="check_pk = :shard",
        ExpressionAttributeValues={":shard": {"S": str(shard_of(job.request_id))}},
    )
    found = {item["request_id"]["S"]: from_epoch_ms(int(item["check_at"]["N"])) for item in answer["Items"]}
    return found.get(job.request_id)


@on_dynamodb
async def test_a_key_does_not_lie_there_in_the_clear(table: Table) -> None:
    """A caller's key may be anything, a name or a number of an order; it is deleted by and by, too."""
    key = table.key("order of Mrs Secret")
    await table.store.create_with_key(table.job(), key, NOW)
    assert table.client
    answer = await table.client.get_item(TableName=table.name, Key=idempotency_item_key(key.tenant, digest(key.key)))
    assert "Secret" not in str(answer["Item"])
    assert answer["Item"]["expires_at"] == {"N": str(int(key.expires_at.timestamp()))}


# --- when DynamoDB does not answer, or not usefully -------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def troubled(unkind: UnkindAws) -> AsyncIterator[DynamoStore]:
    """The adapter on it."""
    async with dynamodb_client(REGION, 10) as client:
        yield DynamoStore(client, "jobs", RETENTION)


@pytest.mark.parametrize(
    ("script", "applied"),
    [
        pytest.param([(400, refusal("AccessDeniedException"))], False, id="refused"),
        pytest.param([RESET, (400, refusal("AccessDeniedException"))], None, id="refused only when asked again"),
        pytest.param([CUT, (400, refusal("AccessDeniedException"))], None, id="cut, then refused"),
        pytest.param([(200, {"Responses": [{"Error": {"Code": "ThrottlingError"}}]})], False, id="entry refused"),
        pytest.param([(200, {"Responses": [{"Error": {"Code": "InternalServerError"}}]})], None, id="entry broken"),
        pytest.param([(200, {})], None, id="no word about the entry"),
    ],
)
async def test_whether_a_job_was_written_is_told_as_far_as_it_is_known(
    unkind: UnkindAws, troubled: DynamoStore, script: list[Answer], applied: bool | None
) -> None:
    """`applied` is False where it is known not to have been written, None where nobody knows."""
    unkind.answer(*script)
    with pytest.raises(StoreUnavailable) as failed:
        await troubled.create(a_job())
    assert failed.value.applied is applied


async def test_a_job_that_was_not_written_fails_alone(unkind: UnkindAws, troubled: DynamoStore) -> None:
    """Those that shared its request are there."""
    unkind.answer((200, {"Responses": [{}, {"Error": {"Code": "ThrottlingError"}}, {"Error": {"Code": "DuplicateItem"}}]}))
    written = await asyncio.gather(*(troubled.create(a_job()) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in written] == [type(None), StoreUnavailable, type(None)]
    assert len(unkind.requests) == 1


async def test_every_verb_says_when_the_store_is_unavailable(unkind: UnkindAws, troubled: DynamoStore) -> None:
    """No foreign exception crosses the port."""
    unkind.answer((400, refusal("AccessDeniedException")))
    job, held = a_job(), a_claimed_job(a_lease("token"))
    key = IdempotencyKey(job.tenant, "key", "print", LATER)
    for call in (
        troubled.create_with_key(job, key, NOW),
        troubled.withdraw(job, key),
        troubled.get(job.tenant, job.request_id),
        troubled.get_many(job.tenant, [job.request_id]),
        troubled.list(job.tenant, status=None, created_after=None, limit=1, after=None, now=NOW),
        troubled.claim(an_envelope(job), a_lease(), NOW),
        troubled.renew(held, LATER),
        troubled.record(advance(held, EVENTS["succeeded"], LATER), "token"),
        troubled.replace(advance(job, Cancelled(), NOW), job, NOW),
        troubled.request_cancel(held),
        troubled.clear_bury(job),
    ):
        with pytest.raises(StoreUnavailable):
            await call


async def test_what_a_batch_read_left_over_is_asked_for_again(unkind: UnkindAws, troubled: DynamoStore) -> None:
    """DynamoDB answers with what fits into 16 MB, and names the rest."""
    first, second = a_job(), a_job()
    left = {"jobs": {"Keys": [job_key(second.tenant, second.request_id)]}}
    unkind.answer(
        (200, {"Responses": {"jobs": [to_item(first, 0)]}, "UnprocessedKeys": left}),
        (200, {"Responses": {"jobs": [to_item(second, 0)]}, "UnprocessedKeys": {}}),
    )
    found = await troubled.get_many(first.tenant, [first.request_id, second.request_id])
    assert found == {first.request_id: first, second.request_id: second}


async def test_a_list_reads_on_where_an_answer_stopped_early(unkind: UnkindAws, troubled: DynamoStore) -> None:
    """DynamoDB ends an answer at 1 MB: what follows in that shard is not skipped."""
    first, second = a_job(created_at=LATER), a_job(created_at=NOW)
    unkind.answer(
        (200, {"Items": [to_item(first, 0)], "LastEvaluatedKey": job_key(first.tenant, first.request_id)}),
        *[(200, {"Items": []})] * 7,
        (200, {"Items": [to_item(second, 0)]}),
    )
    page = await troubled.list(first.tenant, status=None, created_after=None, limit=5, after=None, now=NOW)
    assert [job.request_id for job in page.jobs] == [first.request_id, second.request_id]
    asked = [request["ExclusiveStartKey"] for _, request in unkind.requests if "ExclusiveStartKey" in request]
    assert asked == [job_key(first.tenant, first.request_id)]


async def test_a_claim_whose_answer_is_empty_is_not_a_missing_job(unkind: UnkindAws, troubled: DynamoStore) -> None:
    """What was not refused may have been written: the message must not be thrown away."""
    unkind.answer((200, {}))
    with pytest.raises(StoreUnavailable):
        await troubled.claim(an_envelope(), a_lease(), NOW)


async def test_a_key_that_is_being_written_by_somebody_else(unkind: UnkindAws, troubled: DynamoStore) -> None:
    """Two transactions met: nothing was written, time helps."""
    cancelled = refusal("TransactionCanceledException") | {
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]
    }
    unkind.answer((400, cancelled))
    job = a_job()
    with pytest.raises(StoreUnavailable) as failed:
        await troubled.create_with_key(job, IdempotencyKey(job.tenant, "key", "print", LATER), NOW)
    assert failed.value.applied is False
