"""Every write of a key, and every query, as data: what is sent to DynamoDB, and nothing that sends it.

Each key is an item of its own, found by its id: `pk` = `#keys#ID`, `sk` = `key`. Beside it lies an entry of a directory, from which
a tenant's keys are listed: `pk` = `#keys`, `sk` = `TENANT#ID`. No tenant's name begins with `#`, or has one in it.

A key only ever gets less: no write here moves an end further out, takes a revocation back, or makes an item that was not there.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from quarry.clock import from_epoch_ms
from quarry.keys.key import ApiKey
from quarry.store.expressions import Request, guarded_update
from quarry.store.item import Item, attribute, ttl

#: How long a key that is over can still be listed. Our own choice.
SHOWN_FOR: Final = timedelta(days=90)
_DIRECTORY: Final = {"S": "#keys"}
_SECOND: Final = timedelta(seconds=1)


def create(table: str, key: ApiKey) -> Request:
    """A *new* key and its entry, in one transaction."""
    put_key = {
        "TableName": table,
        "Item": to_item(key),
        "ConditionExpression": "attribute_not_exists(#pk)",
        "ExpressionAttributeNames": {"#pk": "pk"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    entry = _entry_key(key.tenant, key.key_id) | {"key_id": {"S": key.key_id}} | _gone_after(key.ends_at)
    # An entry says nothing that could be overwritten.
    return {"TransactItems": [{"Put": put_key}, {"Put": {"TableName": table, "Item": entry}}]}


def revoke(table: str, key_id: str, at: datetime) -> Request:
    """End a key that is not revoked."""
    return guarded_update(
        table,
        item_key(key_id),
        "SET #revoked_at = :at, #expires_at = :gone",
        "attribute_exists(#pk) AND attribute_not_exists(#revoked_at)",
        {":at": attribute(at), ":gone": attribute(ttl(at + SHOWN_FOR))},
    )


def bring_forward(table: str, key_id: str, at: datetime) -> Request:
    """Let a key end at an instant that is *earlier* than its end."""
    return guarded_update(
        table,
        item_key(key_id),
        "SET #ends_at = :at, #expires_at = :gone",
        "attribute_exists(#pk) AND attribute_not_exists(#revoked_at) AND (attribute_not_exists(#ends_at) OR #ends_at > :at)",
        {":at": attribute(at), ":gone": attribute(ttl(at + SHOWN_FOR))},
    )


def forget_entry(table: str, item: Mapping[str, Any]) -> Request:
    """Let the entry of a key that is in the table go when the key goes."""
    return guarded_update(
        table,
        _entry_key(item["tenant"]["S"], item["key_id"]["S"]),
        "SET #expires_at = :gone",
        "attribute_exists(#pk)",
        {":gone": item["expires_at"]},
    )


def touch(table: str, key_id: str, at: datetime) -> Request:
    """Note a use that is *later* than what is noted."""
    return guarded_update(
        table,
        item_key(key_id),
        "SET #last_used_at = :at",
        "attribute_exists(#pk) AND (attribute_not_exists(#last_used_at) OR #last_used_at < :at)",
        {":at": attribute(at)},
    )


def listed(table: str, tenant: str | None, limit: int) -> Request:
    """The entries of a tenant, or of all (None)."""
    request: Request = {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk",
        "ExpressionAttributeNames": {"#pk": "pk"},
        "ExpressionAttributeValues": {":pk": _DIRECTORY},
        "ConsistentRead": True,
        "Limit": limit,
    }
    if tenant is not None:
        request["KeyConditionExpression"] += " AND begins_with(#sk, :tenant)"
        request["ExpressionAttributeNames"]["#sk"] = "sk"
        request["ExpressionAttributeValues"][":tenant"] = {"S": f"{tenant}#"}
    return request


def item_key(key_id: str) -> Item:
    """The primary key of a key's item."""
    return {"pk": {"S": f"#keys#{key_id}"}, "sk": {"S": "key"}}


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
        "lifetime_seconds": None if key.lifetime is None else key.lifetime // _SECOND,
    }
    attributes = {name: attribute(value) for name, value in values.items() if value is not None}
    return item_key(key.key_id) | attributes | _gone_after(key.revoked_at or key.ends_at)


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
        lifetime=timedelta(seconds=int(item["lifetime_seconds"]["N"])) if "lifetime_seconds" in item else None,
    )


def _entry_key(tenant: str, key_id: str) -> Item:
    return {"pk": _DIRECTORY, "sk": {"S": f"{tenant}#{key_id}"}}


def _gone_after(end: datetime | None) -> Item:
    """What has DynamoDB's TTL remove it, some time after its end."""
    return {"expires_at": attribute(ttl(end + SHOWN_FOR))} if end else {}
