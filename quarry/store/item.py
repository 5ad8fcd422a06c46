"""Job ⇄ DynamoDB item.

Keys: `pk` = `TENANT#REQUEST_ID`, `sk` = `job`. Structured values (the invocation, the history, the result) are JSON text: the
table never looks inside, text is smaller than a map, and DynamoDB's numbers know no floats. Their forms are in `json_forms.py`.
Instants are whole milliseconds.

Two sparse indexes:

* `by_tenant`: `list_pk` = `TENANT#SHARD`, sorted by `request_id`, which sorts by creation. Sharded, because one index partition
  takes about 1,000 writes a second.
* `by_check`: `check_pk` = `SHARD`, sorted by `check_at`: jobs that are not over. Those that are over, and of whose end somebody is
  still to be told, are in `owed#SHARD`; those that are to be erased in time, in `kept#SHARD`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from quarry.attempts import Failure
from quarry.clock import from_epoch_ms, to_epoch_ms
from quarry.errors import RecordUnreadable
from quarry.job import Job, JobStatus, Lease, Priority, StatusReason, StoredObject, status_for_readers
from quarry.store.base import Look, Mark, Piece
from quarry.store.json_forms import (
    attempt_in,
    attempt_out,
    completion_in,
    completion_out,
    invocation_in,
    invocation_json,
    json_text,
    made,
    notification_in,
    notification_json,
    wait_in,
    wait_out,
)
from quarry.tenants.privacy import GRACE

#: A DynamoDB item or part of one, in the wire form of the low-level API: `{"name": {"S": "value"}}`.
Item: TypeAlias = dict[str, Any]

SCHEMA_VERSION: Final = 1
SHARDS: Final = 8
JOB_SORT_KEY: Final = "job"
KEY_SORT_KEY: Final = "key"

_KEPT: Final = "kept#"
_OWED: Final = "owed#"
#: A job that is erased in time outlives that in the table, unseen: without its record nobody would look for its objects. Our own
#: choice.
_SLACK: Final = timedelta(days=7)

#: What the list shows, and so what the index `by_tenant` carries: no content. DynamoDB takes at most 20 beside the keys.
LISTED: Final = (
    "tenant", "request_id", "status", "status_reason", "model", "priority", "custom_id", "metadata", "generation",
    "revision", "cancel_requested", "attempts", "takeovers", "snoozes", "max_attempts", "created_at", "available_at",
    "deadline_at", "started_at", "finished_at",
)  # fmt: skip


#: What somebody reads who follows a job, of it and of its text.
FOLLOWED: Final = (*LISTED, "stream", "erasing", "lease_token", "recorded_token", "sk", "token", "text")

#: What of a job is read to know its status.
STATUS_ONLY: Final = {
    "ProjectionExpression": "request_id, #status, deadline_at, erasing",
    "ExpressionAttributeNames": {"#status": "status"},
}

#: What of a job is read to know whether its content is stored.
STORING_ONLY: Final = {"ProjectionExpression": "request_id, store_content, erasing"}


def job_key(tenant: str, request_id: str) -> Item:
    """The primary key of a job."""
    return {"pk": {"S": f"{tenant}#{request_id}"}, "sk": {"S": JOB_SORT_KEY}}


def pointer_in(item: Mapping[str, Any]) -> tuple[str, str]:
    """Whose an item is, of a job or of what lies beside it, and of which job: told from the key, which nothing can damage."""
    tenant, _, request_id = item["pk"]["S"].rpartition("#")
    return tenant, request_id


def text_key(tenant: str, request_id: str, mark: Mark) -> Item:
    """The primary key of a piece of a job's text: in the order of marks, and before the job itself."""
    sk = f"#text#{mark.claim:010d}#{mark.call:03d}#{mark.offset:08d}"
    return {"pk": job_key(tenant, request_id)["pk"], "sk": {"S": sk}}


def idempotency_item_key(tenant: str, digest: str) -> Item:
    """The primary key of an idempotency key. `digest` is hexadecimal and so never looks like a request id's job."""
    return {"pk": {"S": f"{tenant}#idempotency#{digest}"}, "sk": {"S": KEY_SORT_KEY}}


def shard_of(request_id: str) -> int:
    """Which index shard a job is in: by the random end of its id."""
    return int(request_id[-2:], 16) % SHARDS


def list_partition(tenant: str, shard: int) -> str:
    """A partition of the index `by_tenant`."""
    return f"{tenant}#{shard}"


def to_item(job: Job, retention_ms: int) -> Item:
    """The whole item of a job. Absent values are left out, so that the indexes stay sparse."""
    fixed: dict[str, Any] = {
        "list_pk": list_partition(job.tenant, shard_of(job.request_id)),
        "v": SCHEMA_VERSION,
        "tenant": job.tenant,
        "request_id": job.request_id,
        "invocation": None if job.payload else invocation_json(job.invocation),
        "payload": json_text(asdict(job.payload)) if job.payload else None,
        "priority": job.priority,
        "demoted_from": job.demoted_from,
        "custom_id": job.custom_id,
        "metadata": json_text(job.metadata) if job.metadata else None,
        "allowed_regions": json_text(job.allowed_regions) if job.allowed_regions else None,
        "flags": json_text(job.flags) if job.flags else None,
        "created_at": job.created_at,
        "stream": job.stream or None,
        "store_content": None if job.store_content else False,
        "brief": job.brief or None,
        "delivered_at": job.delivered_at,
        "traceparent": job.traceparent,
        "webhook_url": job.webhook_url,
        "publish": job.publish or None,
        "key_digest": job.key_digest,
        "erasing": job.erasing or None,
    }
    return job_key(job.tenant, job.request_id) | _attributes(fixed) | changing(job, retention_ms)


def changing(job: Job, retention_ms: int) -> Item:
    """The part of a job's item that changes in its life: what every write after the first is made of."""
    lease = job.lease
    kept_until = job.finished_at + timedelta(milliseconds=retention_ms) if job.finished_at else None
    erase_at = _erased_at(job, kept_until) if kept_until and job.brief else None
    values: dict[str, Any] = {
        "model": job.model,
        "deadline_at": job.deadline_at,
        "max_attempts": job.max_attempts,
        "generation": job.generation,
        "available_at": job.available_at,
        "status": job.status.value,
        "status_reason": job.status_reason and job.status_reason.value,
        "revision": job.revision,
        "cancel_requested": job.cancel_requested or None,
        "attempts": job.attempts,
        "attempts_before": job.attempts_before or None,
        "takeovers": job.takeovers,
        "snoozes": job.snoozes,
        "open_attempts": [to_epoch_ms(at) for at in job.open_attempts] or None,
        "attempt_history": json_text([attempt_out(each) for each in job.attempt_history]) if job.attempt_history else None,
        "waits": json_text([wait_out(each) for each in job.waits]) if job.waits else None,
        "lease_token": lease and lease.token,
        "lease_owner": lease and lease.owner,
        "lease_expires_at": lease and lease.expires_at,
        "check_pk": check_partition(job, erase_at),
        "check_at": job.check_at or erase_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": json_text(completion_out(job.result)) if job.result else None,
        "result_object": json_text(asdict(job.result_object)) if job.result_object else None,
        "degraded": job.degraded,
        "error": json_text(asdict(job.error)) if job.error else None,
        "bury_reason": job.bury_reason,
        **{channel.value: notification_json(each) for channel, each in job.notifications.items()},
        "expires_at": ttl(erase_at + _SLACK if erase_at else kept_until) if kept_until else None,
    }
    return _attributes(values)


def _erased_at(job: Job, kept_until: datetime) -> datetime:
    """What was read goes soon, whoever writes the job meanwhile."""
    return min(kept_until, job.delivered_at + GRACE) if job.delivered_at else kept_until


def check_partition(job: Job, erase_at: datetime | None) -> str | None:
    """The partition of the index `by_check` that a job is in: of work, of ends to be told, or of what is to be erased."""
    shard = shard_of(job.request_id)
    if job.check_at:
        return owed_partition(shard) if job.status.is_terminal else str(shard)
    return kept_partition(shard) if erase_at else None


def owed_partition(shard: int) -> str:
    """A partition of the index `by_check`, of jobs that are over, and of whose end somebody is still to be told."""
    return f"{_OWED}{shard}"


def kept_partition(shard: int) -> str:
    """A partition of the index `by_check`, of jobs that are over and are erased in time."""
    return f"{_KEPT}{shard}"


def from_item(item: Mapping[str, Any]) -> Job:
    """Read a job back, from a whole item or from what the index carries.

    Raises:
        RecordUnreadable: no version that we know has written it.
    """
    try:
        return _job_in(item)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordUnreadable(item["request_id"]["S"]) from error


def jobs_in(items: Iterable[Mapping[str, Any]]) -> Iterator[Job | RecordUnreadable]:
    """Each that can be read, and what is wrong with each other one."""
    for item in items:
        try:
            yield from_item(item)
        except RecordUnreadable as error:
            yield error


def _job_in(item: Mapping[str, Any]) -> Job:
    get = _Reader(item)
    token, expires_at = get.text("lease_token"), get.instant("lease_expires_at")
    lease = Lease(token, get.text("lease_owner") or "", expires_at) if token and expires_at else None
    created_at = get.instant("created_at") or from_epoch_ms(0)
    reason, result, error = get.text("status_reason"), get.parsed("result"), get.parsed("error")
    payload, result_object = get.parsed("payload"), get.parsed("result_object")
    return Job(
        request_id=item["request_id"]["S"],
        tenant=item["tenant"]["S"],
        invocation=invocation_in(get.parsed("invocation") or {}),
        model=item["model"]["S"],
        priority=Priority(item["priority"]["S"]),
        demoted_from=Priority(demoted_from) if (demoted_from := get.text("demoted_from")) else None,
        custom_id=get.text("custom_id"),
        metadata=get.parsed("metadata") or {},
        stream="stream" in item,
        store_content="store_content" not in item,
        brief="brief" in item,
        delivered_at=get.instant("delivered_at"),
        allowed_regions=tuple(get.parsed("allowed_regions") or ()),
        flags=tuple(get.parsed("flags") or ()),
        payload=made(StoredObject, payload) if payload else None,
        traceparent=get.text("traceparent"),
        key_digest=get.text("key_digest"),
        erasing="erasing" in item,
        created_at=created_at,
        deadline_at=get.instant("deadline_at") or created_at,
        available_at=get.instant("available_at") or created_at,
        max_attempts=get.count("max_attempts"),
        status=JobStatus(item["status"]["S"]),
        status_reason=_reason(reason),
        generation=get.count("generation"),
        revision=get.count("revision"),
        cancel_requested="cancel_requested" in item,
        attempts=get.count("attempts"),
        attempts_before=get.count("attempts_before"),
        takeovers=get.count("takeovers"),
        snoozes=get.count("snoozes"),
        open_attempts=tuple(from_epoch_ms(int(each["N"])) for each in item.get("open_attempts", {}).get("L", [])),
        attempt_history=tuple(attempt_in(each) for each in get.parsed("attempt_history") or ()),
        waits=tuple(wait_in(each) for each in get.parsed("waits") or ()),
        lease=lease,
        check_at=None if (get.text("check_pk") or "").startswith(_KEPT) else get.instant("check_at"),
        started_at=get.instant("started_at"),
        finished_at=get.instant("finished_at"),
        result=completion_in(result) if result else None,
        result_object=made(StoredObject, result_object) if result_object else None,
        degraded=get.text("degraded"),
        error=made(Failure, error) if error else None,
        bury_reason=get.text("bury_reason"),
        webhook_url=get.text("webhook_url"),
        publish="publish" in item,
        webhook=notification_in(get.parsed("webhook")),
        events=notification_in(get.parsed("events")),
    )


def piece_item(job: Job, piece: Piece, expires_at: datetime) -> Item:
    """The item of a piece of a job's text. The text is JSON: what a model says may have no UTF-8."""
    values = {"token": piece.token, "text": json_text(piece.text), "expires_at": ttl(expires_at)}
    return text_key(job.tenant, job.request_id, piece.mark) | _attributes(values)


def look_in(items: Sequence[Mapping[str, Any]]) -> Look | None:
    """The pieces of a job's text, and the job itself, which is the last item."""
    if not items or items[-1]["sk"]["S"] != JOB_SORT_KEY:
        return None
    *pieces, item = items
    return Look(from_item(item), _voice(item), tuple(map(_piece_in, pieces)))


def _voice(item: Mapping[str, Any]) -> str | None:
    """The token of whose text counts."""
    get = _Reader(item)
    return get.text("lease_token") or (get.text("recorded_token") if get.text("status") == JobStatus.COMPLETED else None)


def _piece_in(item: Mapping[str, Any]) -> Piece:
    claim, call, offset = map(int, item["sk"]["S"].split("#")[2:])
    return Piece(Mark(claim, call, offset), item["token"]["S"], json.loads(item["text"]["S"]))


def statuses_in(items: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[tuple[str, JobStatus]]:
    """Request ids, and statuses for readers, of items that were read by `STATUS_ONLY`; without those that cannot be read."""
    for item in items:
        with suppress(LookupError, ValueError):
            deadline_at = from_epoch_ms(int(item["deadline_at"]["N"]))
            yield item["request_id"]["S"], status_for_readers(JobStatus(item["status"]["S"]), deadline_at, now)


def ttl(at: datetime) -> int:
    """An instant as DynamoDB's TTL counts it: in seconds."""
    return to_epoch_ms(at) // 1000


def attribute(value: str | int | bool | datetime | list[int]) -> Item:
    """One value in DynamoDB's wire form."""
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case datetime():
            return {"N": str(to_epoch_ms(value))}
        case _:
            return {"L": [{"N": str(each)} for each in value]}


def _attributes(values: Mapping[str, Any]) -> Item:
    return {name: attribute(value) for name, value in values.items() if value is not None}


def _reason(text: str | None) -> StatusReason | None:
    """A reason, or None where a newer version has one that this one does not know."""
    return StatusReason(text) if text in frozenset(StatusReason) else None


class _Reader:
    def __init__(self, item: Mapping[str, Any]) -> None:
        self._item = item

    def text(self, name: str) -> str | None:
        found = self._item.get(name)
        return found["S"] if found else None

    def count(self, name: str) -> int:
        found = self._item.get(name)
        return int(found["N"]) if found else 0

    def instant(self, name: str) -> datetime | None:
        found = self._item.get(name)
        return from_epoch_ms(int(found["N"])) if found else None

    def parsed(self, name: str) -> Any:
        found = self._item.get(name)
        return json.loads(found["S"]) if found else None
