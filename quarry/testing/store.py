"""The store port in memory: the same guards, with `advance` and `why_refused` for rules."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from quarry.envelope import Envelope
from quarry.errors import CancelRequested, JobChanged, LeaseLost, RecordRefused, RecordUnreadable, StoreUnavailable
from quarry.invocation import Invocation
from quarry.job import CHECK_AFTER, CLOCK_MARGIN, Claimed, Job, JobStatus, Lease, advance, effective_status, notified
from quarry.notification import Channel
from quarry.store.base import (
    HEARTBEAT_LIFE,
    Booking,
    CancelNotice,
    Found,
    Heartbeat,
    IdempotencyKey,
    JobPage,
    KeyHolder,
    Look,
    Mark,
    Piece,
    Tally,
)
from quarry.store.expressions import digest
from quarry.store.item import to_item
from quarry.store.refusals import why_refused
from quarry.testing.faults import Fallible

Operation: TypeAlias = Literal[
    "create", "create_with_key", "key_holder", "withdraw", "get", "get_many", "statuses", "storing_content", "list", "claim",
    "renew", "record", "replace", "request_cancel", "clear_bury", "note", "take_notices", "add_text", "look", "due", "take_role",
    "beat", "heartbeats", "book", "unfinished", "put_tally", "tally",
]  # fmt: skip
#: DynamoDB's limit, of names and values together. Here it is held against the item's JSON, which is a little longer.
_ITEM_MAX_BYTES = 409_600


@dataclass(slots=True)
class _Row:
    job: Job
    recorded_token: str | None = None
    is_spoiled: bool = False


class MemoryStore(Fallible[Operation]):
    """The job table as a dictionary."""

    def __init__(self) -> None:
        super().__init__(StoreUnavailable)
        self._rows: dict[tuple[str, str], _Row] = {}
        self._keys: dict[tuple[str, str], tuple[KeyHolder, datetime]] = {}
        self._texts: dict[tuple[str, str], dict[Mark, Piece]] = {}
        self._notices: dict[str, list[CancelNotice]] = {}
        self._roles: dict[str, Lease] = {}
        self._heartbeats: dict[str, Heartbeat] = {}
        self._tally: Tally | None = None
        self._booked: dict[str, datetime] = {}
        #: How often a budget was asked.
        self.bookings = 0

    # --- for tests ----------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> list[Job]:
        """Every job of every tenant, oldest first."""
        return [row.job for _, row in sorted(self._rows.items(), key=lambda entry: entry[0][1])]

    def job(self, request_id: str, tenant: str = "default") -> Job:
        """A job as it stands."""
        return self._rows[tenant, request_id].job

    def put(self, job: Job) -> Job:
        """Set a job to whatever the test needs, without any guard."""
        self._rows[job.tenant, job.request_id] = _Row(job)
        return job

    def spoil(self, job: Job) -> None:
        """Make a job's record one that nobody can read."""
        self._rows[job.tenant, job.request_id].is_spoiled = True

    def repair(self, job: Job) -> None:
        """Make it readable again."""
        self._rows[job.tenant, job.request_id].is_spoiled = False

    def found(self, tenant: str, request_id: str) -> Job | None:
        """A job, or None."""
        row = self._rows.get((tenant, request_id))
        return row.job if row else None

    def change(self, job: Job, how: Callable[[Job], Job]) -> None:
        """Change a job, if it is there, without any guard."""
        if row := self._rows.get((job.tenant, job.request_id)):
            row.job = how(row.job)

    def forget(self, tenant: str, request_id: str) -> None:
        """Delete a job's row, and nothing beside it."""
        self._rows.pop((tenant, request_id), None)

    def forget_beside(self, tenant: str, request_id: str, key_digest: str | None) -> int:
        """Delete what lies beside a job's row; how many pieces of text that were."""
        for (owner, key), (holder, _) in list(self._keys.items()):
            if (owner, holder.request_id, digest(key)) == (tenant, request_id, key_digest):
                del self._keys[owner, key]
        return len(self._texts.pop((tenant, request_id), {}))

    # --- the port -----------------------------------------------------------------------------------------------------

    async def create(self, job: Job) -> None:
        with self._strike("create"):
            self._rows.setdefault((job.tenant, job.request_id), _Row(job))

    async def create_with_key(self, job: Job, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        with self._strike("create_with_key"):
            holder = self._holder(key, now)
            if holder is None:
                self._keys[key.tenant, key.key] = KeyHolder(job.request_id, key.fingerprint), key.expires_at
                self._rows.setdefault((job.tenant, job.request_id), _Row(job))
            return None if holder and holder.request_id == job.request_id else holder

    async def key_holder(self, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        with self._strike("key_holder"):
            return self._holder(key, now)

    async def withdraw(self, job: Job, key: IdempotencyKey | None) -> bool:
        with self._strike("withdraw"):
            row = self._rows.get((job.tenant, job.request_id))
            if row is None or row.job.revision != job.revision:
                return False
            if key:
                held = self._keys.get((key.tenant, key.key))
                if held is None or held[0].request_id != job.request_id:
                    return False
                del self._keys[key.tenant, key.key]
            del self._rows[job.tenant, job.request_id]
            return True

    async def get(self, tenant: str, request_id: str) -> Job | None:
        with self._strike("get"):
            row = self._rows.get((tenant, request_id))
            if row and row.is_spoiled:
                raise RecordUnreadable(request_id)
            return row.job if row else None

    async def get_many(self, tenant: str, request_ids: Sequence[str]) -> Found:
        with self._strike("get_many"):
            rows = [self._rows[tenant, each] for each in request_ids if (tenant, each) in self._rows]
            return Found((row.job for row in rows if not row.is_spoiled), (row.job.request_id for row in rows if row.is_spoiled))

    async def statuses(self, tenant: str, request_ids: Sequence[str], now: datetime) -> dict[str, JobStatus]:
        with self._strike("statuses"):
            found = [self._rows[tenant, each] for each in request_ids if (tenant, each) in self._rows]
            return {
                row.job.request_id: effective_status(row.job, now) for row in found if not row.job.erasing and not row.is_spoiled
            }

    async def storing_content(self, tenant: str, request_ids: Sequence[str]) -> frozenset[str]:
        with self._strike("storing_content"):
            found = (self._rows[tenant, each].job for each in request_ids if (tenant, each) in self._rows)
            return frozenset(job.request_id for job in found if job.store_content and not job.erasing)

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
        with self._strike("list"):
            spoiled = {request_id for (_, request_id), row in self._rows.items() if row.is_spoiled}
            jobs = [
                _without_content(job)
                for job in reversed(self.jobs)
                if job.tenant == tenant
                and not job.erasing
                and not job.delivered_at
                and (job.request_id in spoiled or status in (None, effective_status(job, now)))
                and (created_after is None or job.created_at > created_after)
                and (after is None or job.request_id < after)
            ]
            page = tuple(jobs[:limit])
            return JobPage(
                tuple(job for job in page if job.request_id not in spoiled),
                page[-1].request_id if len(jobs) > limit else None,
                tuple(job.request_id for job in page if job.request_id in spoiled),
            )

    async def claim(self, envelope: Envelope, lease: Lease, now: datetime) -> Job:
        with self._strike("claim"):
            row = self._rows.get((envelope.tenant, envelope.request_id))
            if row and row.job.lease and row.job.lease.token == lease.token:
                return row.job
            refusal = why_refused(row.job if row else None, envelope, now)
            if refusal:
                raise refusal
            if row is None or row.job.generation != envelope.generation:
                raise StoreUnavailable("the envelope is ahead of its record", applied=False)
            row.job = advance(row.job, Claimed(lease), now)
            return row.job

    async def renew(self, job: Job, expires_at: datetime, *, answered: bool = False) -> None:
        with self._strike("renew"):
            row, lease = self._held(job, job.lease.token if job.lease else None)
            if row.job.cancel_requested and not answered:
                raise CancelRequested(row.job)
            row.job = replace(row.job, lease=replace(lease, expires_at=expires_at), check_at=expires_at + CHECK_AFTER)

    async def record(self, job: Job, token: str) -> None:
        with self._strike("record"):
            before = self._rows.get((job.tenant, job.request_id))
            if before and before.recorded_token == token:
                return
            row, _ = self._held(job, token)
            if row.job.cancel_requested and not job.status.is_terminal:
                raise CancelRequested(row.job)
            if len(json.dumps(to_item(job, 0), ensure_ascii=False).encode()) > _ITEM_MAX_BYTES:
                raise RecordRefused("the item is too large")
            # The caller's wish is not the holder's to write.
            kept = row.job
            row.job = replace(job, cancel_requested=kept.cancel_requested, erasing=kept.erasing, revision=kept.revision + 1)
            row.recorded_token = token

    async def replace(self, job: Job, seen: Job, now: datetime) -> None:
        with self._strike("replace"):
            row = self._rows.get((job.tenant, job.request_id))
            unchanged = row and (row.job.revision, row.job.cancel_requested) == (seen.revision, seen.cancel_requested)
            if row is None or not unchanged or row.job.is_held(now):
                raise JobChanged("the job was changed by somebody else")
            row.job = job

    async def request_cancel(self, job: Job) -> Job:
        with self._strike("request_cancel"):
            row = self._rows.get((job.tenant, job.request_id))
            if row is None or row.job.status is not JobStatus.PROCESSING or row.job.generation != job.generation:
                raise JobChanged("the job is no longer being processed")
            row.job = replace(row.job, cancel_requested=True)
            if row.job.lease:
                self._notices.setdefault(row.job.lease.owner, []).append(CancelNotice(job.request_id, row.job.lease.token))
            return row.job

    async def clear_bury(self, job: Job) -> None:
        with self._strike("clear_bury"):
            row = self._rows.get((job.tenant, job.request_id))
            if row and row.job.generation == job.generation:
                row.job = replace(row.job, bury_reason=None)

    async def note(self, job: Job, seen: Job, channel: Channel) -> None:
        with self._strike("note"):
            row = self._rows.get((job.tenant, job.request_id))
            known = seen.notifications[channel]
            if row is None or row.job.generation != job.generation or row.job.notifications.get(channel) != known:
                raise JobChanged("somebody else has told of it meanwhile")
            if row.job.delivered_at:
                raise JobChanged("it was read, and is to be erased")
            row.job = replace(notified(row.job, channel, job.notifications[channel]), check_at=job.check_at)

    async def take_notices(self, owner: str) -> Sequence[CancelNotice]:
        with self._strike("take_notices"):
            return self._notices.pop(owner, [])

    async def add_text(self, job: Job, piece: Piece, expires_at: datetime) -> None:
        with self._strike("add_text"):
            self._texts.setdefault((job.tenant, job.request_id), {})[piece.mark] = piece

    async def look(self, tenant: str, request_id: str, since: Mark) -> Look | None:
        with self._strike("look"):
            row = self._rows.get((tenant, request_id))
            if row is None:
                return None
            recorded = row.recorded_token if row.job.status is JobStatus.COMPLETED else None
            token = row.job.lease.token if row.job.lease else recorded
            said = sorted(self._texts.get((tenant, request_id), {}).items())
            job = replace(_without_content(row.job), stream=row.job.stream)
            return Look(job, token, tuple(piece for mark, piece in said if mark >= since))

    async def due(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        with self._strike("due"):
            jobs = [(job.check_at, job) for job in self.jobs if job.check_at and job.check_at <= before]
            return [(job.tenant, job.request_id) for _, job in sorted(jobs, key=lambda each: each[0])[:limit]]

    async def take_role(self, role: str, lease: Lease, now: datetime) -> bool:
        with self._strike("take_role"):
            held = self._roles.get(role)
            if held and held.token != lease.token and now < held.expires_at + CLOCK_MARGIN:
                return False
            self._roles[role] = lease
            return True

    async def beat(self, heartbeat: Heartbeat) -> None:
        with self._strike("beat"):
            self._heartbeats[heartbeat.worker] = heartbeat

    async def heartbeats(self, now: datetime) -> Sequence[Heartbeat]:
        with self._strike("heartbeats"):
            return [each for each in self._heartbeats.values() if each.at > now - HEARTBEAT_LIFE]

    async def book(self, name: str, stretch: timedelta, latest: datetime, now: datetime, seen: datetime | None) -> Booking:
        with self._strike("book"):
            self.bookings += 1
            until = self._booked.get(name)
            after = max(until or now, now) + stretch
            if after > latest:
                return Booking(until, booked=False)
            self._booked[name] = after
            return Booking(after, booked=True)

    async def unfinished(self) -> Mapping[str, int]:
        with self._strike("unfinished"):
            return Counter(job.tenant for job in self.jobs if job.check_at and not job.status.is_terminal)

    async def put_tally(self, tally: Tally) -> None:
        with self._strike("put_tally"):
            self._tally = tally

    async def tally(self) -> Tally | None:
        with self._strike("tally"):
            return self._tally

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _holder(self, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        holder, expires_at = self._keys.get((key.tenant, key.key), (None, now))
        return holder if now < expires_at else None

    def _held(self, job: Job, token: str | None) -> tuple[_Row, Lease]:
        row = self._rows.get((job.tenant, job.request_id))
        if row is None or row.job.lease is None or row.job.lease.token != token:
            raise LeaseLost("the lease is no longer ours")
        return row, row.job.lease


def _without_content(job: Job) -> Job:
    """What a list shows: neither content, nor history, nor who works it."""
    return replace(
        job, invocation=Invocation(), payload=None, result=None, result_object=None, error=None, attempt_history=(),
        open_attempts=(), stream=False, key_digest=None, lease=None, check_at=None, bury_reason=None, attempts_before=0,
        store_content=True, brief=False, delivered_at=None, demoted_from=None,
        webhook_url=None, publish=False, webhook=None, events=None,
    )  # fmt: skip
