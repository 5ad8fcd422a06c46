"""The store port on Amazon DynamoDB: sends what `expressions.py` and `worker_rows.py` build, and reads what comes back.

How it is called is in `table.py`. Concurrent `create` calls share batches (each entry stands or falls alone); keyed ones are
transactions of their own.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import DENIED
from quarry.batching import Batcher
from quarry.envelope import Envelope
from quarry.errors import CancelRequested, JobChanged, LeaseLost, RecordUnreadable, StoreUnavailable
from quarry.ids import last_request_id_at
from quarry.job import Job, JobStatus, Lease, effective_status
from quarry.notification import Channel
from quarry.store import expressions, worker_rows
from quarry.store.base import Booking, CancelNotice, Found, Heartbeat, IdempotencyKey, JobPage, KeyHolder, Look, Mark, Piece, Tally
from quarry.store.item import (
    SHARDS,
    STATUS_ONLY,
    STORING_ONLY,
    Item,
    from_item,
    idempotency_item_key,
    job_key,
    jobs_in,
    look_in,
    owed_partition,
    pointer_in,
    statuses_in,
)
from quarry.store.refusals import why_refused
from quarry.store.table import NOT_SO, DynamoTable, cancellation_reasons, store_unavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

#: Source: the DynamoDB service model in botocore 1.43.117 (November 2026).
BATCH_MAX_STATEMENTS: Final = 25
#: How many index pages a filtered list reads before it answers with what it has.
_LIST_MAX_ROUNDS: Final = 5
#: How often a budget is asked that turns out to be other than it was believed to be.
_BOOKINGS: Final = 4


class DynamoStore(DynamoTable):
    """The job table."""

    def __init__(
        self, client: "DynamoDBClient", table: str, retention: timedelta, kept_for: Callable[[Job], timedelta] | None = None
    ) -> None:
        """`kept_for` says for how long after its end a job is kept; without it, all are for `retention`."""
        super().__init__(client, table)
        self._kept_for = kept_for or (lambda _: retention)
        self._creates: Batcher[Job, None] = Batcher(self._create_batch, limit=BATCH_MAX_STATEMENTS, concurrency=16)

    async def create(self, job: Job) -> None:
        await self._creates.submit(job)

    async def create_with_key(self, job: Job, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        request = expressions.create_with_key(self._table, job, key, self._retention_ms(job), now)
        try:
            await self._transact(request)
        except (BotoCoreError, ClientError) as error:
            reasons = cancellation_reasons(error)
            if not reasons or reasons[0].get("Code") != NOT_SO:
                raise store_unavailable("create", error) from error
            holder = expressions.holder_in(reasons[0]["Item"])
            # A repeat after a lost answer meets its own key.
            return None if holder.request_id == job.request_id else holder
        return None

    async def key_holder(self, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        wanted = idempotency_item_key(key.tenant, expressions.digest(key.key))
        item = (await self._call("get_item", TableName=self._table, Key=wanted, ConsistentRead=True)).get("Item")
        return expressions.holder_in(item) if item and not expressions.is_free(item, now) else None

    async def withdraw(self, job: Job, key: IdempotencyKey | None) -> bool:
        try:
            await self._transact(expressions.withdraw(self._table, job, key))
        except (BotoCoreError, ClientError) as error:
            if any(reason.get("Code") == NOT_SO for reason in cancellation_reasons(error)):
                return False
            raise store_unavailable("withdraw", error) from error
        return True

    async def get(self, tenant: str, request_id: str) -> Job | None:
        answer = await self._call("get_item", TableName=self._table, Key=job_key(tenant, request_id), ConsistentRead=True)
        item = answer.get("Item")
        return from_item(item) if item else None

    async def get_many(self, tenant: str, request_ids: Sequence[str]) -> Found:
        return Found(*_parted(jobs_in(await self._records(tenant, request_ids, {"ConsistentRead": True}))))

    async def statuses(self, tenant: str, request_ids: Sequence[str], now: datetime) -> dict[str, JobStatus]:
        items = await self._records(tenant, request_ids, STATUS_ONLY)
        return dict(statuses_in((item for item in items if "erasing" not in item), now))

    async def storing_content(self, tenant: str, request_ids: Sequence[str]) -> frozenset[str]:
        items = await self._records(tenant, request_ids, STORING_ONLY)
        return frozenset(item["request_id"]["S"] for item in items if not {"store_content", "erasing"} & item.keys())

    async def list(
        self,
        tenant: str,
        *,
        status: JobStatus | None,
        created_after: datetime | None,
        limit: int,
        after: str | None,
        now: datetime,
    ) -> JobPage:
        lowest = last_request_id_at(created_after) if created_after else "0"
        highest = after or "g"  # above every hexadecimal digit
        if lowest > highest:
            return JobPage((), None)
        found: list[Job | RecordUnreadable] = []
        for _ in range(_LIST_MAX_ROUNDS):
            # One more than is shown, to know whether anything follows.
            ahead = await self._list_once(tenant, lowest, highest, limit + 1)
            found += [each for each in ahead[:limit] if status is None or _may_be(status, each, now)]
            if len(ahead) <= limit:
                return _page(found, limit, end=True)
            highest = ahead[limit - 1].request_id
            if len(found) >= limit:
                return _page(found, limit, end=False)
        jobs, unreadable = _parted(found)
        return JobPage(tuple(jobs), highest, tuple(unreadable))

    async def claim(self, envelope: Envelope, lease: Lease, now: datetime) -> Job:
        request = expressions.claim(self._table, envelope, lease, now)
        item, refused = await self._guarded("update_item", request | {"ReturnValues": "ALL_NEW"})
        seen = from_item(item) if item else None
        if refused and seen and seen.lease and _can_take_over(seen, envelope, lease, now):
            request = expressions.take_over(self._table, envelope, lease, seen.lease.token, now)
            item, refused = await self._guarded("update_item", request | {"ReturnValues": "ALL_NEW"})
            seen = from_item(item) if item else None
        if seen and seen.lease and seen.lease.token == lease.token:
            return seen  # by this write, or by our own first try, whose answer was lost
        if not refused:
            raise StoreUnavailable("DynamoDB did not say what was claimed")
        # Where it would go through if judged again, the job moved between the two writes of a take-over.
        moved = StoreUnavailable("the job moved while it was being claimed", applied=False)
        raise why_refused(seen, envelope, now) or moved

    async def renew(self, job: Job, expires_at: datetime, *, answered: bool = False) -> None:
        token = _token(job)
        item, refused = await self._guarded(
            "update_item", expressions.renew(self._table, job, token, expires_at, answered=answered)
        )
        if refused:
            if item and item.get("lease_token", {}).get("S") == token and "cancel_requested" in item:
                raise CancelRequested(from_item(item))
            raise LeaseLost("the lease is no longer ours")

    async def record(self, job: Job, token: str) -> None:
        item, refused = await self._guarded("update_item", expressions.record(self._table, job, token, self._retention_ms(job)))
        if not refused:
            return
        item = item or {}
        if item.get("recorded_token", {}).get("S") == token:
            return  # our own first try, whose answer was lost
        if item.get("lease_token", {}).get("S") == token:
            raise CancelRequested(from_item(item))
        raise LeaseLost("the lease is no longer ours")

    async def replace(self, job: Job, seen: Job, now: datetime) -> None:
        _, refused = await self._guarded("update_item", expressions.replace(self._table, job, seen, self._retention_ms(job), now))
        if refused:
            raise JobChanged("the job was changed by somebody else")

    async def request_cancel(self, job: Job) -> Job:
        request = expressions.request_cancel(self._table, job)
        item, refused = await self._guarded("update_item", request | {"ReturnValues": "ALL_NEW"})
        if refused or not item:
            raise JobChanged("the job is no longer being processed")
        asked = from_item(item)
        if asked.lease:
            # A lost notice is not worth an error: the holder's next renewal is refused.
            with suppress(BotoCoreError, ClientError):
                notice = worker_rows.leave_notice(self._table, asked, asked.lease)
                await self._client.put_item(**notice)
        return asked

    async def clear_bury(self, job: Job) -> None:
        await self._guarded("update_item", expressions.clear_bury(self._table, job))

    async def note(self, job: Job, seen: Job, channel: Channel) -> None:
        _, refused = await self._guarded(
            "update_item", expressions.note(self._table, job, seen.notifications[channel], channel, self._retention_ms(job))
        )
        if refused:
            raise JobChanged("somebody else has told of it meanwhile")

    async def take_notices(self, owner: str) -> Sequence[CancelNotice]:
        found = (await self._call("query", **worker_rows.notices(self._table, owner)))["Items"]
        keys = [worker_rows.notice_key(owner, item["request_id"]["S"]) for item in found]
        await asyncio.gather(*(self._call("delete_item", TableName=self._table, Key=key) for key in keys))
        return [CancelNotice(item["request_id"]["S"], item["token"]["S"]) for item in found]

    async def add_text(self, job: Job, piece: Piece, expires_at: datetime) -> None:
        await self._call("put_item", **expressions.add_text(self._table, job, piece, expires_at))

    async def look(self, tenant: str, request_id: str, since: Mark) -> Look | None:
        return look_in(await self._pages(expressions.look(self._table, tenant, request_id, since)))

    async def due(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        partitions = (each for shard in range(SHARDS) for each in (str(shard), owed_partition(shard)))
        requests = (expressions.due(self._table, partition, before, limit) for partition in partitions)
        pages = await asyncio.gather(*(self._call("query", **request) for request in requests))
        items = sorted((item for page in pages for item in page["Items"]), key=lambda item: int(item["check_at"]["N"]))
        return [pointer_in(item) for item in items[:limit]]

    async def take_role(self, role: str, lease: Lease, now: datetime) -> bool:
        _, refused = await self._guarded("update_item", worker_rows.take_role(self._table, role, lease, now))
        return not refused

    async def beat(self, heartbeat: Heartbeat) -> None:
        await self._call("put_item", **worker_rows.beat(self._table, heartbeat))

    async def heartbeats(self, now: datetime) -> Sequence[Heartbeat]:
        found: list[Item] = []
        start: Item | None = None
        while True:
            answer = await self._call("query", **worker_rows.heartbeats(self._table, now, start))
            found += answer["Items"]
            # An answer ends at 1 MB, rows that TTL has yet to delete included.
            if not (start := answer.get("LastEvaluatedKey")):
                return [worker_rows.heartbeat_in(item) for item in found]

    async def book(self, name: str, stretch: timedelta, latest: datetime, now: datetime, seen: datetime | None) -> Booking:
        until = seen
        if now + stretch > latest:
            return Booking(until, booked=False)
        for _ in range(_BOOKINGS):
            how = worker_rows.book_on if until and until >= now else worker_rows.book_anew
            item, refused = await self._guarded(
                "update_item", how(self._table, name, stretch, latest, now) | {"ReturnValues": "ALL_NEW"}
            )
            until = worker_rows.booked_until(item)
            if not refused:
                return Booking(until, booked=True)
            if until and until + stretch > latest:
                break
        return Booking(until, booked=False)

    async def unfinished(self) -> Mapping[str, int]:
        pages = await asyncio.gather(*(self._pages(expressions.unfinished(self._table, shard)) for shard in range(SHARDS)))
        return Counter(item["tenant"]["S"] for page in pages for item in page)

    async def put_tally(self, tally: Tally) -> None:
        await self._call("put_item", **worker_rows.put_tally(self._table, tally))

    async def tally(self) -> Tally | None:
        # As a batch of one: by itself the API may read jobs, and nothing of what workers keep.
        request = {self._table: {"Keys": [worker_rows.tally_key()]}}
        found = (await self._call("batch_get_item", RequestItems=request))["Responses"].get(self._table, [])
        return worker_rows.tally_in(found[0]) if found else None

    async def close(self) -> None:
        """Wait until what was handed in has been sent."""
        await self._creates.close()

    def _retention_ms(self, job: Job) -> int:
        return int(self._kept_for(job).total_seconds() * 1000)

    async def _create_batch(self, jobs: Sequence[Job]) -> Sequence[None | Exception]:
        statements = [expressions.create(self._table, job, self._retention_ms(job)) for job in jobs]
        answer = await self._call("batch_execute_statement", Statements=statements)
        repeated = bool(answer["ResponseMetadata"].get("RetryAttempts"))
        written = [_created(each.get("Error"), repeated=repeated) for each in answer.get("Responses", [])]
        # A statement that the answer does not name may or may not have been carried out.
        return [*written, *(StoreUnavailable("DynamoDB did not say whether it wrote") for _ in jobs[len(written) :])]

    async def _records(self, tenant: str, request_ids: Sequence[str], how: Mapping[str, Any]) -> Sequence[Item]:
        return await self._items((job_key(tenant, request_id) for request_id in dict.fromkeys(request_ids)), how)

    async def _list_once(self, tenant: str, lowest: str, highest: str, count: int) -> Sequence[Job | RecordUnreadable]:
        shards = await asyncio.gather(*(self._list_shard(tenant, shard, lowest, highest, count) for shard in range(SHARDS)))
        merged = heapq.merge(*shards, key=lambda each: each.request_id, reverse=True)
        return [each for each, _ in zip(merged, range(count), strict=False)]

    async def _list_shard(self, tenant: str, shard: int, lowest: str, highest: str, count: int) -> Sequence[Job | RecordUnreadable]:
        # Both ends are included, and `highest` was shown already: one more is read and dropped.
        request = expressions.listed(self._table, tenant, shard, lowest, highest, count + 1)
        found: list[Job | RecordUnreadable] = []
        while True:
            answer = await self._call("query", **request)
            found += [each for each in jobs_in(answer["Items"]) if each.request_id != highest]
            # An answer ends at 1 MB, whatever was asked for.
            if len(found) >= count or not (last := answer.get("LastEvaluatedKey")):
                return found[:count]
            request["ExclusiveStartKey"] = last


def _may_be(status: JobStatus, found: Job | RecordUnreadable, now: datetime) -> bool:
    """Whether it has this status, as far as anybody can tell."""
    return isinstance(found, RecordUnreadable) or effective_status(found, now) is status


def _parted(found: Iterable[Job | RecordUnreadable]) -> tuple[list[Job], list[str]]:
    """Those that can be read, and the ids of those that cannot."""
    seen = list(found)
    return [each for each in seen if isinstance(each, Job)], [each.request_id for each in seen if not isinstance(each, Job)]


def _page(found: Sequence[Job | RecordUnreadable], limit: int, *, end: bool) -> JobPage:
    shown = found[:limit]
    more = len(found) > limit or not end
    jobs, unreadable = _parted(shown)
    return JobPage(tuple(jobs), shown[-1].request_id if more and shown else None, tuple(unreadable))


def _can_take_over(seen: Job, envelope: Envelope, lease: Lease, now: datetime) -> bool:
    ours = seen.lease is not None and seen.lease.token == lease.token
    return not ours and why_refused(seen, envelope, now) is None


def _token(job: Job) -> str:
    if job.lease is None:
        raise LeaseLost("the job has no lease")
    return job.lease.token


def _created(error: Mapping[str, Any] | None, *, repeated: bool) -> None | Exception:
    if error is None or error.get("Code") == "DuplicateItem":
        return None  # ids are made once: a duplicate is our own first try
    # The refusal of a repeat says nothing about the first try.
    applied = None if repeated or error.get("Code") == "InternalServerError" else False
    why = [error.get("Code"), error.get("Message") if error.get("Code") in DENIED else None]
    return StoreUnavailable(f"DynamoDB refused to create: {': '.join(filter(None, why))}", applied=applied)
