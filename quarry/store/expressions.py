"""Every conditional write to a job, and every query of jobs, as data: what is sent to DynamoDB, and nothing that sends it.

The guards against one another, in time (W1 pauses or dies, W2 takes over):

    API        create (new) ── send envelope
    W1              claim ✓ token a ──── renew ✓ ──── … pause …                               ── record (token a) ✗ LeaseLost
    lease                 [··········a··········)[·····)  margin
    W2                    claim ✗ ClaimedElsewhere         claim ✓ token b ── record ✓ (token b)
    API                                    request_cancel ✓ (processing)        ↑ a non-terminal record: ✗ CancelRequested
    API             replace (unheld, unchanged) ✗ JobChanged while held; ✓ before the claim, which is then ✗ AlreadyFinished

Rules for whoever edits this file:

1. Tokens are made before the write that carries them; a refusal whose old item already carries ours is success.
2. `record` overwrites what its holder owns and nothing else: never `cancel_requested`, never what the caller submitted.
3. Names are always aliased: the reserved words (`status`, `error`, `result`, …) are too many to remember.
4. Every guarded write asks for the old item on refusal, so that the reason is known without a second read.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from quarry.clock import to_epoch_ms
from quarry.envelope import Envelope
from quarry.job import CHECK_AFTER, CLOCK_MARGIN, MAX_TAKEOVERS, Job, JobStatus, Lease
from quarry.notification import Channel, Notification
from quarry.store.base import IdempotencyKey, KeyHolder, Mark, Piece
from quarry.store.item import (
    FOLLOWED,
    Item,
    attribute,
    changing,
    idempotency_item_key,
    job_key,
    list_partition,
    piece_item,
    text_key,
    to_item,
    ttl,
)
from quarry.store.json_forms import notification_json

#: The keyword arguments of one DynamoDB call.
Request: TypeAlias = dict[str, Any]


_QUEUED, _PROCESSING, _RETRYING = ({"S": status.value} for status in (JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.RETRYING))

#: What a holder owns, and `record` therefore overwrites or removes.
_OWNED: Final = (
    "available_at", "status", "status_reason", "revision", "attempts", "takeovers", "snoozes", "open_attempts",
    "attempt_history", "waits", "lease_token", "lease_owner", "lease_expires_at", "check_pk", "check_at", "started_at",
    "finished_at", "result", "result_object", "degraded", "error", "bury_reason", "expires_at", "webhook", "events",
)  # fmt: skip
#: What a redrive changes beside that.
_REDRIVEN: Final = ("generation", "model", "deadline_at", "max_attempts", "attempts_before")

_CLAIM: Final = (
    "SET #status = :processing, #attempts = #attempts + :one, #revision = #revision + :one, #lease_token = :token, "
    "#lease_owner = :owner, #lease_expires_at = :until, #check_at = :check_at, "
    "#started_at = if_not_exists(#started_at, :now), "
    "#open_attempts = list_append(if_not_exists(#open_attempts, :none), :this)"
)
_CLAIMABLE: Final = "#generation = :generation AND #deadline_at > :now AND attribute_not_exists(#cancel_requested)"


def create(table: str, job: Job, retention_ms: int) -> Request:
    """A *new* job, as one statement of a batch: PartiQL's INSERT refuses an existing key."""
    item = to_item(job, retention_ms)
    names = ", ".join(f"'{name}': ?" for name in item)
    return {"Statement": f'INSERT INTO "{table}" VALUE {{{names}}}', "Parameters": list(item.values())}


def create_with_key(table: str, job: Job, key: IdempotencyKey, retention_ms: int, now: datetime) -> Request:
    """A *new* job and its key, in one transaction. An expired key is free, even where TTL has not deleted it yet."""
    key_item = idempotency_item_key(key.tenant, digest(key.key)) | {
        "request_id": {"S": job.request_id},
        "fingerprint": {"S": key.fingerprint},
        "expires_at": attribute(ttl(key.expires_at)),
    }
    return {
        "TransactItems": [
            {
                "Put": {
                    "TableName": table,
                    "Item": key_item,
                    "ConditionExpression": "attribute_not_exists(#pk) OR #expires_at <= :now",
                    "ExpressionAttributeNames": {"#pk": "pk", "#expires_at": "expires_at"},
                    "ExpressionAttributeValues": {":now": attribute(ttl(now))},
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            {
                "Put": {
                    "TableName": table,
                    "Item": to_item(job, retention_ms),
                    "ConditionExpression": "attribute_not_exists(#pk)",
                    "ExpressionAttributeNames": {"#pk": "pk"},
                }
            },
        ]
    }


def withdraw(table: str, job: Job, key: IdempotencyKey | None) -> Request:
    """Delete an *untouched* job, and its key where it is still this job's."""
    job_delete = {
        "TableName": table,
        "Key": job_key(job.tenant, job.request_id),
        "ConditionExpression": "#revision = :revision",
        "ExpressionAttributeNames": {"#revision": "revision"},
        "ExpressionAttributeValues": {":revision": {"N": str(job.revision)}},
    }
    deletes = [{"Delete": job_delete}]
    if key:
        key_delete = {
            "TableName": table,
            "Key": idempotency_item_key(key.tenant, digest(key.key)),
            "ConditionExpression": "#request_id = :request_id",
            "ExpressionAttributeNames": {"#request_id": "request_id"},
            "ExpressionAttributeValues": {":request_id": {"S": job.request_id}},
        }
        deletes.append({"Delete": key_delete})
    return {"TransactItems": deletes}


def claim(table: str, envelope: Envelope, lease: Lease, now: datetime) -> Request:
    """Take a waiting job that is due."""
    return guarded_update(
        table,
        job_key(envelope.tenant, envelope.request_id),
        f"{_CLAIM} REMOVE #status_reason",
        f"#status IN (:queued, :retrying) AND #available_at <= :now AND {_CLAIMABLE}",
        _claim_values(envelope, lease, now) | {":queued": _QUEUED, ":retrying": _RETRYING},
    )


def take_over(table: str, envelope: Envelope, lease: Lease, seen_token: str, now: datetime) -> Request:
    """Take a job from an owner whose lease has run out by more than the clock margin."""
    return guarded_update(
        table,
        job_key(envelope.tenant, envelope.request_id),
        f"{_CLAIM}, #takeovers = #takeovers + :one REMOVE #status_reason",
        f"#status = :processing AND #lease_token = :seen AND #lease_expires_at <= :lapsed AND #takeovers < :most AND {_CLAIMABLE}",
        _claim_values(envelope, lease, now)
        | {
            ":seen": {"S": seen_token},
            ":lapsed": attribute(now - CLOCK_MARGIN),
            ":most": attribute(MAX_TAKEOVERS),
        },
    )


def renew(table: str, job: Job, token: str, expires_at: datetime, *, answered: bool) -> Request:
    """Push the end of a *held* lease. A wish to cancel refuses it, which is how the holder learns of the wish: too late, if it
    has the answer.
    """
    heedful = "" if answered else " AND attribute_not_exists(#cancel_requested)"
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        "SET #lease_expires_at = :until, #check_at = :check_at",
        f"#status = :processing AND #lease_token = :token{heedful}",
        {
            ":until": attribute(expires_at),
            ":check_at": attribute(expires_at + CHECK_AFTER),
            ":processing": _PROCESSING,
            ":token": {"S": token},
        },
    )


def record(table: str, job: Job, token: str, retention_ms: int) -> Request:
    """Write what became of a *held* job. `recorded_token` lets a repeat recognise its own first try."""
    # The revision is counted, not set: a sweep may have raised it, and no two states may share one.
    update, values = _overwrite(job, tuple(name for name in _OWNED if name != "revision"), retention_ms)
    condition = "#lease_token = :token"
    if not job.status.is_terminal:
        condition += " AND attribute_not_exists(#cancel_requested)"
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        update.replace("SET ", "SET #recorded_token = :token, #revision = #revision + :one, ", 1),
        condition,
        values | {":token": {"S": token}, ":one": attribute(1)},
    )


def replace(table: str, job: Job, seen: Job, retention_ms: int, now: datetime) -> Request:
    """Write the successor of `seen`, where the job is *unheld and unchanged*."""
    update, values = _overwrite(job, (*_OWNED, *_REDRIVEN, "cancel_requested"), retention_ms)
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        update,
        # The wish to cancel is no revision, or a holder could be kept from recording; it must not be written away either.
        f"#revision = :seen AND attribute_{'' if seen.cancel_requested else 'not_'}exists(#cancel_requested) "
        "AND (attribute_not_exists(#lease_expires_at) OR #lease_expires_at <= :lapsed)",
        values | {":seen": attribute(seen.revision), ":lapsed": attribute(now - CLOCK_MARGIN)},
    )


def request_cancel(table: str, job: Job) -> Request:
    """Leave word for the holder."""
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        "SET #cancel_requested = :true",
        "#status = :processing AND #generation = :generation",
        {":true": {"BOOL": True}, ":processing": _PROCESSING, ":generation": attribute(job.generation)},
    )


def clear_bury(table: str, job: Job) -> Request:
    """Note that the dead letter was sent."""
    return guarded_update(
        table,
        job_key(job.tenant, job.request_id),
        "REMOVE #bury_reason",
        "#generation = :generation AND attribute_exists(#bury_reason)",
        {":generation": attribute(job.generation)},
    )


def note(table: str, job: Job, seen: Notification, channel: Channel, retention_ms: int) -> Request:
    """Note a try to tell of a job's end, where nobody has noted one since, and it was not read and is to be erased. Nothing else of
    the job is written.
    """
    name, values = channel.value, {":one": attribute(1), ":generation": attribute(job.generation)}
    values |= {":after": {"S": notification_json(job.notifications[channel])}, ":seen": {"S": notification_json(seen)}}
    update = f"SET #{name} = :after, #revision = #revision + :one"
    # Once nothing is owed, a job that is to be erased in time is in the index for that.
    item = changing(job, retention_ms)
    if "check_at" in item:
        update += ", #check_at = :check_at, #check_pk = :check_pk"
        values |= {":check_at": item["check_at"], ":check_pk": item["check_pk"]}
    else:
        update += " REMOVE #check_at, #check_pk"
    condition = f"#generation = :generation AND #{name} = :seen AND attribute_not_exists(#delivered_at)"
    return guarded_update(table, job_key(job.tenant, job.request_id), update, condition, values)


def listed(table: str, tenant: str, shard: int, lowest: str, highest: str, limit: int) -> Request:
    """A tenant's jobs of one shard whose ids are between these, both included, the newest first."""
    return {
        "TableName": table,
        "IndexName": "by_tenant",
        "KeyConditionExpression": "#pk = :pk AND #id BETWEEN :lowest AND :highest",
        "ExpressionAttributeNames": {"#pk": "list_pk", "#id": "request_id"},
        "ExpressionAttributeValues": {
            ":pk": {"S": list_partition(tenant, shard)},
            ":lowest": {"S": lowest},
            ":highest": {"S": highest},
        },
        "ScanIndexForward": False,
        "Limit": limit,
    }


def add_text(table: str, job: Job, piece: Piece, expires_at: datetime) -> Request:
    """A piece of a job's text."""
    return {"TableName": table, "Item": piece_item(job, piece, expires_at)}


def look(table: str, tenant: str, request_id: str, since: Mark) -> Request:
    """The pieces of a job's text from `since` on, then the job. Not read consistently: nothing is decided by it, and what it may
    miss it misses from the end, since all of it is one partition.
    """
    names = {f"#{name}": name for name in FOLLOWED}
    return {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk AND #sk BETWEEN :since AND :job",
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": {"#pk": "pk", **names},
        "ExpressionAttributeValues": {
            ":pk": job_key(tenant, request_id)["pk"],
            ":since": text_key(tenant, request_id, since)["sk"],
            ":job": job_key(tenant, request_id)["sk"],
        },
    }


def due(table: str, partition: str, before: datetime, limit: int) -> Request:
    """What should be looked at of one partition of the index: jobs that wait, ends to be told, what is over, tombstones."""
    return {
        "TableName": table,
        "IndexName": "by_check",
        "KeyConditionExpression": "#pk = :pk AND #at <= :before",
        "ExpressionAttributeNames": {"#pk": "check_pk", "#at": "check_at"},
        "ExpressionAttributeValues": {":pk": {"S": partition}, ":before": attribute(before)},
        "Limit": limit,
    }


def unfinished(table: str, shard: int) -> Request:
    """The tenants of all jobs of one shard that are not over, one for each job."""
    return {
        "TableName": table,
        "IndexName": "by_check",
        "KeyConditionExpression": "#pk = :pk",
        "ProjectionExpression": "#tenant",
        "ExpressionAttributeNames": {"#pk": "check_pk", "#tenant": "tenant"},
        "ExpressionAttributeValues": {":pk": {"S": str(shard)}},
    }


# --- the keys of idempotency -------------------------------------------------------------------------------------------


def digest(key: str) -> str:
    """An idempotency key as it is stored: of fixed length, and not readable."""
    return hashlib.sha256(key.encode()).hexdigest()


def holder_in(item: Mapping[str, Any]) -> KeyHolder:
    """Whose the key of an item is."""
    return KeyHolder(item["request_id"]["S"], item["fingerprint"]["S"])


def is_free(item: Mapping[str, Any], now: datetime) -> bool:
    """Whether the key of an item has expired; TTL deletes late. As the condition of `create_with_key` has it."""
    return int(item["expires_at"]["N"]) <= ttl(now)


# --- building blocks --------------------------------------------------------------------------------------------------


def _claim_values(envelope: Envelope, lease: Lease, now: datetime) -> Item:
    return {
        ":processing": _PROCESSING,
        ":one": attribute(1),
        ":token": {"S": lease.token},
        ":owner": {"S": lease.owner},
        ":until": attribute(lease.expires_at),
        ":check_at": attribute(lease.expires_at + CHECK_AFTER),
        ":now": attribute(now),
        ":none": {"L": []},
        ":this": attribute([to_epoch_ms(now)]),
        ":generation": attribute(envelope.generation),
    }


def _overwrite(job: Job, names: tuple[str, ...], retention_ms: int) -> tuple[str, Item]:
    """SET what the job has, REMOVE what it has not."""
    item = changing(job, retention_ms)
    present = [name for name in names if name in item]
    absent = [name for name in names if name not in item]
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in present)
    if absent:
        update += " REMOVE " + ", ".join(f"#{name}" for name in absent)
    return update, {f":{name}": item[name] for name in present}


def guarded_update(table: str, key: Item, update: str, condition: str, values: Mapping[str, Any]) -> Request:
    """One update of an item, where a condition holds. Names are told from the two texts, in which they begin with `#`."""
    return {
        "TableName": table,
        "Key": key,
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in re.findall(r"#(\w+)", f"{update} {condition}")},
        "ExpressionAttributeValues": dict(values),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
