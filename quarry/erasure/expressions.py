"""What erasing sends to DynamoDB, as data: tombstones, and conditional deletions. Pure.

A tombstone lies beside the record, under `sk` = `tombstone`, so that whoever reads the record finds none. It is in the index
`by_check` too, in partitions of its own: work that waits in a long queue must not keep an erasure waiting.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from quarry.clock import from_epoch_ms
from quarry.erasure.tombstone import Tombstone
from quarry.job import CLOCK_MARGIN, Job
from quarry.store.expressions import Request, guarded_update
from quarry.store.item import Item, attribute, idempotency_item_key, job_key, kept_partition, owed_partition, shard_of, ttl

SORT_KEY: Final = "tombstone"
#: Behind every piece of a job's text, and before everything else of it.
_TEXTS: Final = "#text#"


def tombstone_key(tenant: str, request_id: str) -> Item:
    """The primary key of a tombstone."""
    return {"pk": job_key(tenant, request_id)["pk"], "sk": {"S": SORT_KEY}}


def check_partition(shard: int) -> str:
    """A partition of the index `by_check`."""
    return f"erase#{shard}"


def put(table: str, tombstone: Tombstone, *, is_new: bool) -> Request:
    """Write a tombstone; with `is_new`, where there is none."""
    values: dict[str, Any] = {
        "tenant": tombstone.tenant,
        "request_id": tombstone.request_id,
        "asked_at": tombstone.asked_at,
        "gone_at": tombstone.gone_at,
        "key_digest": tombstone.key_digest,
        "check_pk": check_partition(shard_of(tombstone.request_id)) if tombstone.check_at else None,
        "check_at": tombstone.check_at,
        "expires_at": ttl(tombstone.expires_at),
    }
    item = tombstone_key(tombstone.tenant, tombstone.request_id)
    item |= {name: attribute(value) for name, value in values.items() if value is not None}
    request: Request = {"TableName": table, "Item": item}
    if is_new:
        request |= {"ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": "pk"}}
        request |= {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return request


def tombstone_in(item: Mapping[str, Any]) -> Tombstone | None:
    """The reverse; None where no version that we know has written it."""

    def instant(name: str) -> datetime | None:
        return from_epoch_ms(int(item[name]["N"])) if name in item else None

    try:
        return Tombstone(
            tenant=item["tenant"]["S"],
            request_id=item["request_id"]["S"],
            asked_at=from_epoch_ms(int(item["asked_at"]["N"])),
            check_at=instant("check_at"),
            key_digest=item["key_digest"]["S"] if "key_digest" in item else None,
            gone_at=instant("gone_at"),
        )
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def hide(table: str, job: Job) -> Request:
    """Out of the lists, and marked for all other readers. The holder's record leaves both as they are."""
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        "SET #erasing = :true REMOVE #list_pk",
        "attribute_exists(#status)",
        {":true": {"BOOL": True}},
    )


def remove(table: str, job: Job, now: datetime) -> Request:
    """Delete a record that is *unheld and unchanged*."""
    return {
        "TableName": table,
        "Key": job_key(job.tenant, job.request_id),
        "ConditionExpression": "#revision = :seen AND (attribute_not_exists(#until) OR #until <= :lapsed)",
        "ExpressionAttributeNames": {"#revision": "revision", "#until": "lease_expires_at"},
        "ExpressionAttributeValues": {":seen": attribute(job.revision), ":lapsed": attribute(now - CLOCK_MARGIN)},
    }


def remove_unread(table: str, tenant: str, request_id: str, now: datetime) -> Request:
    """Delete a record that is *unheld*, whatever else it says; a lease without a time is none."""
    return {
        "TableName": table,
        "Key": job_key(tenant, request_id),
        "ConditionExpression": "NOT attribute_type(#until, :number) OR #until <= :lapsed",
        "ExpressionAttributeNames": {"#until": "lease_expires_at"},
        "ExpressionAttributeValues": {":number": {"S": "N"}, ":lapsed": attribute(now - CLOCK_MARGIN)},
    }


def remove_key(table: str, tombstone: Tombstone, digest: str) -> Request:
    """Delete the row of an idempotency key, unless it has become another job's."""
    return {
        "TableName": table,
        "Key": idempotency_item_key(tombstone.tenant, digest),
        "ConditionExpression": "#request_id = :request_id",
        "ExpressionAttributeNames": {"#request_id": "request_id"},
        "ExpressionAttributeValues": {":request_id": {"S": tombstone.request_id}},
    }


def texts(table: str, tenant: str, request_id: str) -> Request:
    """The keys of all pieces of a job's text, and nothing else of them."""
    return {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk AND begins_with(#sk, :texts)",
        # Said, since a role may be bound to it.
        "Select": "SPECIFIC_ATTRIBUTES",
        "ProjectionExpression": "#pk, #sk",
        "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
        "ExpressionAttributeValues": {":pk": job_key(tenant, request_id)["pk"], ":texts": {"S": _TEXTS}},
        "ConsistentRead": True,
    }


def deliver(table: str, job: Job, now: datetime, erase_at: datetime) -> Request:
    """Out of the lists, and to be erased soon. Where somebody is still to be told of its end, then as well."""
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        "SET #delivered_at = :now, #check_at = :erase_at, #check_pk = :kept REMOVE #list_pk",
        "attribute_not_exists(#delivered_at) AND #check_pk IN (:kept, :owed)",
        {
            ":now": attribute(now),
            ":erase_at": attribute(erase_at),
            ":kept": {"S": kept_partition(shard_of(job.request_id))},
            ":owed": {"S": owed_partition(shard_of(job.request_id))},
        },
    )


def postpone(table: str, job: Job, erase_at: datetime) -> Request:
    """To be erased at another time."""
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        "SET #check_at = :erase_at",
        "#revision = :seen AND begins_with(#check_pk, :kept)",
        {
            ":erase_at": attribute(erase_at),
            ":seen": attribute(job.revision),
            ":kept": {"S": kept_partition(shard_of(job.request_id))},
        },
    )
