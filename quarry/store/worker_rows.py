"""What workers keep in the job table beside the jobs: notices, heartbeats, roles, budgets and the tally.

Their keys, writes and queries, as data like those of `expressions.py`, whose rules hold here too.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from quarry.clock import EPOCH, from_epoch_ms
from quarry.job import CLOCK_MARGIN, Job, Lease
from quarry.store.base import HEARTBEAT_LIFE, Heartbeat, Origin, Tally
from quarry.store.expressions import Request, guarded_update
from quarry.store.item import Item, attribute, ttl

_MICROSECOND: Final = timedelta(microseconds=1)
#: What is booked until an instant that has passed says no more than no row at all: this is for clocks that differ. Our own choice.
_BUDGET_LIFE: Final = timedelta(hours=1)
#: Nobody counts any more: it says nothing then. Our own choice.
_TALLY_LIFE: Final = timedelta(hours=1)
#: A notice that its worker never read is of no use to anybody else. Our own choice.
_NOTICE_LIFE: Final = timedelta(hours=1)


def notice_key(owner: str, request_id: str) -> Item:
    """The primary key of a notice to a worker. A tenant's name is never empty, so no job's key begins like this."""
    return {"pk": {"S": f"#notices#{owner}"}, "sk": {"S": request_id}}


def worker_key(worker: str) -> Item:
    """The primary key of a worker's heartbeat: all of them are one partition."""
    return {"pk": {"S": "#workers"}, "sk": {"S": worker}}


def budget_key(name: str) -> Item:
    """The primary key of what is booked of a budget: a partition of its own, since all of a tenant's calls may write there."""
    return {"pk": {"S": f"#budgets#{name}"}, "sk": {"S": "until"}}


def tally_key() -> Item:
    """The primary key of the tally: one row for all tenants."""
    return {"pk": {"S": "#tally"}, "sk": {"S": "queued"}}


def role_key(role: str) -> Item:
    """The primary key of the lease of a role."""
    return {"pk": {"S": "#roles"}, "sk": {"S": role}}


def leave_notice(table: str, job: Job, lease: Lease) -> Request:
    """Tell the holder at once of a wish to cancel, in a partition that it reads as one."""
    item = notice_key(lease.owner, job.request_id) | {
        "request_id": {"S": job.request_id},
        "token": {"S": lease.token},
        "expires_at": attribute(ttl(lease.expires_at + _NOTICE_LIFE)),
    }
    return {"TableName": table, "Item": item}


def notices(table: str, owner: str) -> Request:
    """What was left for a worker. Not read consistently: the wish is on the job too, this is only the faster way."""
    return {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk",
        "ExpressionAttributeNames": {"#pk": "pk"},
        "ExpressionAttributeValues": {":pk": notice_key(owner, "")["pk"]},
    }


def beat(table: str, heartbeat: Heartbeat) -> Request:
    """A worker's row, over its last one. Openings are kept in milliseconds."""
    openings = {target: attribute(round(seconds * 1000)) for target, seconds in heartbeat.openings.items()}
    item = worker_key(heartbeat.worker) | {
        "at": attribute(heartbeat.at),
        "openings": {"M": openings},
        "limits": {"M": {target: attribute(word) for target, word in heartbeat.limits.items()}},
        "slots": attribute(heartbeat.slots),
        "slots_in_use": attribute(heartbeat.slots_in_use),
        "expires_at": attribute(ttl(heartbeat.at + HEARTBEAT_LIFE)),
    }
    if origin := heartbeat.origin:
        item["origin"] = {
            "M": {
                "service": attribute(origin.service),
                "revision": attribute(origin.revision),
                "started_at": attribute(origin.started_at),
            }
        }
    return {"TableName": table, "Item": item}


def heartbeats(table: str, now: datetime, start: Item | None = None) -> Request:
    """The rows of all workers that live; TTL deletes late. Not read consistently: the next reading is seconds away."""
    request = {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk",
        "FilterExpression": "#at > :oldest",
        "ExpressionAttributeNames": {"#pk": "pk", "#at": "at"},
        "ExpressionAttributeValues": {":pk": worker_key("")["pk"], ":oldest": attribute(now - HEARTBEAT_LIFE)},
    }
    return request | ({"ExclusiveStartKey": start} if start else {})


def heartbeat_in(item: Mapping[str, Any]) -> Heartbeat:
    """What a worker's row says; one of another version may have less in it, or more. Of one that cannot be read: that it lives, so
    that its share is left to it.
    """
    try:
        return _heartbeat_in(item)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return Heartbeat(item["sk"]["S"], from_epoch_ms(int(item["at"]["N"])))


def _heartbeat_in(item: Mapping[str, Any]) -> Heartbeat:
    none: Item = {"N": "0"}
    return Heartbeat(
        worker=item["sk"]["S"],
        at=from_epoch_ms(int(item["at"]["N"])),
        openings={target: int(left["N"]) / 1000 for target, left in item.get("openings", {"M": {}})["M"].items()},
        limits={target: word["S"] for target, word in item.get("limits", {"M": {}})["M"].items()},
        slots=int(item.get("slots", none)["N"]),
        slots_in_use=int(item.get("slots_in_use", none)["N"]),
        origin=_origin_in(item["origin"]["M"]) if "origin" in item else None,
    )


def _origin_in(told: Mapping[str, Any]) -> Origin:
    return Origin(told["service"]["S"], told["revision"]["S"], from_epoch_ms(int(told["started_at"]["N"])))


def take_role(table: str, role: str, lease: Lease, now: datetime) -> Request:
    """A role that nobody has, that is ours already, or whose owner has not kept it."""
    return guarded_update(
        table,
        role_key(role),
        "SET #lease_token = :token, #lease_owner = :owner, #lease_expires_at = :until",
        "attribute_not_exists(#lease_token) OR #lease_token = :token OR #lease_expires_at <= :lapsed",
        {
            ":token": {"S": lease.token},
            ":owner": {"S": lease.owner},
            ":until": attribute(lease.expires_at),
            ":lapsed": attribute(now - CLOCK_MARGIN),
        },
    )


def book_on(table: str, name: str, stretch: timedelta, latest: datetime, now: datetime) -> Request:
    """Book a stretch after what is booked, where that reaches beyond `now`."""
    return guarded_update(
        table,
        budget_key(name),
        "SET #until = #until + :stretch, #expires_at = :expires_at",
        "#until >= :now AND #until <= :before",
        {
            ":stretch": attribute(stretch // _MICROSECOND),
            ":now": _microseconds(now),
            ":before": _microseconds(latest - stretch),
            ":expires_at": attribute(ttl(latest + _BUDGET_LIFE)),
        },
    )


def book_anew(table: str, name: str, stretch: timedelta, latest: datetime, now: datetime) -> Request:
    """Book a stretch from now, where nothing is booked beyond it."""
    return guarded_update(
        table,
        budget_key(name),
        "SET #until = :until, #expires_at = :expires_at",
        "attribute_not_exists(#until) OR #until < :now",
        {
            ":until": _microseconds(now + stretch),
            ":now": _microseconds(now),
            ":expires_at": attribute(ttl(latest + _BUDGET_LIFE)),
        },
    )


def booked_until(item: Mapping[str, Any] | None) -> datetime | None:
    """Until when a budget is booked."""
    return EPOCH + int(item["until"]["N"]) * _MICROSECOND if item else None


def _microseconds(at: datetime) -> Item:
    return attribute((at - EPOCH) // _MICROSECOND)


def put_tally(table: str, tally: Tally) -> Request:
    """The tally, over the last one. Rates are kept by the thousandth."""
    item = tally_key() | {
        "at": attribute(tally.at),
        "queued": {"M": {tenant: attribute(count) for tenant, count in tally.queued.items()}},
        "falling": {"M": {tenant: attribute(round(rate * 1000)) for tenant, rate in tally.falling.items()}},
        "expires_at": attribute(ttl(tally.at + _TALLY_LIFE)),
    }
    return {"TableName": table, "Item": item}


def tally_in(item: Mapping[str, Any]) -> Tally:
    """What the row of the tally says."""
    return Tally(
        at=from_epoch_ms(int(item["at"]["N"])),
        queued={tenant: int(count["N"]) for tenant, count in item["queued"]["M"].items()},
        falling={tenant: int(rate["N"]) / 1000 for tenant, rate in item["falling"]["M"].items()},
    )
