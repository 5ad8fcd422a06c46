"""The store port: what Quarry needs of the job table. `dynamodb.py` is the real one, `quarry.testing.store` the fake; one
contract suite holds both to what is written here.

Each write names its guard: *new* (there is no such job), *unheld and unchanged* (nobody may be working it, and it is what was
read), *held* (the fencing token is the job's).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from quarry.envelope import Envelope
from quarry.job import Job, JobStatus, Lease
from quarry.notification import Channel

#: Many beats long, and short enough for the rows of many short lives. Our own choice.
HEARTBEAT_LIFE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key. `fingerprint` is a digest of the body it came with; after `expires_at` the key is free again."""

    tenant: str
    key: str
    fingerprint: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whose a key is."""

    request_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some of a tenant's jobs, newest first, without content (`invocation` and `result` are empty).

    `next_after` is where the next page begins, None after the last.
    """

    jobs: tuple[Job, ...]
    next_after: str | None
    #: Ids of those, of whatever status, whose records cannot be read.
    unreadable: tuple[str, ...] = ()


class Found(dict[str, Job]):
    """Jobs by id. `unreadable` are the ids of those whose records cannot be read."""

    def __init__(self, jobs: Iterable[Job], unreadable: Iterable[str] = ()) -> None:
        super().__init__((job.request_id, job) for job in jobs)
        self.unreadable = frozenset(unreadable)


@dataclass(frozen=True, slots=True)
class CancelNotice:
    """Word to a worker that the caller of a job which it holds under `token` wants it stopped."""

    request_id: str
    token: str


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in what a job has said: which claim it was (by the revision that the claim made), which model call under it, counted
    from 1, and how many characters of its text come before.
    """

    claim: int
    call: int
    offset: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text that is being generated. `token` is the fencing token of whoever wrote it."""

    mark: Mark
    token: str
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """A job as somebody sees it who follows it: without content, as in lists, but for `stream`.

    `token` is whose text counts: the holder's, or that of who completed it; None for all others. `pieces` come in the order of
    their marks, and may be anybody's.
    """

    job: Job
    token: str | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a worker comes from: its service, the revision of which it was started, and when. Texts as the platform has them."""

    service: str
    revision: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker tells the others: a row that it writes anew every few seconds.

    `openings` are targets that it leaves alone since they failed there, each with the seconds left at `at`, the writer's wall
    clock. Whoever reads it counts on from there: clocks differ. `limits` is what its limiters say of targets, in their own words
    (`Word` in `quarry/inference/limiter.py`). `origin` is told by workers that know it and are ready.
    """

    worker: str
    at: datetime
    openings: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    slots: int = 0
    slots_in_use: int = 0
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """What came of an attempt to book: until when the name is booked now (None: not at all), and whether this attempt did it."""

    until: datetime | None
    booked: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs tenants had that were not over, when they were counted last, at `at`: the instant before that began.

    `falling` is by how many a second that has fallen since the time before; tenants who are not in it have no fewer than then.
    """

    at: datetime
    queued: Mapping[str, int]
    falling: Mapping[str, float] = field(default_factory=dict)


class JobStore(Protocol):
    """The truth about jobs. Writes are conditional; reads of single jobs are strongly consistent."""

    async def create(self, job: Job) -> None:
        """Write a *new* job. Repeating it is harmless, whatever has happened to the job since.

        Raises:
            StoreUnavailable: with `applied` False where it is known not to have been written.
        """

    async def create_with_key(self, job: Job, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        """Write a *new* job together with its key, both or neither.

        Returns:
            None where both were written, else whose the key is already.

        Raises:
            StoreUnavailable: as for `create`.
        """

    async def key_holder(self, key: IdempotencyKey, now: datetime) -> KeyHolder | None:
        """Whose a key is; None while it is free.

        Raises:
            StoreUnavailable: try again.
        """

    async def withdraw(self, job: Job, key: IdempotencyKey | None) -> bool:
        """Delete a job that nobody has touched since `create`, and its key. True where that was so.

        Raises:
            StoreUnavailable: it may still be there.
        """

    async def get(self, tenant: str, request_id: str) -> Job | None:
        """One job, or None.

        Raises:
            RecordUnreadable: it is there.
            StoreUnavailable: try again.
        """

    async def get_many(self, tenant: str, request_ids: Sequence[str]) -> Found:
        """Up to 100 jobs by id; those that do not exist are left out. One that cannot be read does not hide the others.

        Raises:
            StoreUnavailable: try again.
        """

    async def statuses(self, tenant: str, request_ids: Sequence[str], now: datetime) -> dict[str, JobStatus]:
        """The status that each of up to 100 jobs has for a reader, perhaps a moment old; those that do not exist are left out, and
        those that are being erased, and those that cannot be read.

        Nothing else of the job is read: it is what long-polls ask, many times for each answer.

        Raises:
            StoreUnavailable: try again.
        """

    async def storing_content(self, tenant: str, request_ids: Sequence[str]) -> frozenset[str]:
        """Those of up to 100 jobs whose content is stored, which lists do not carry; those that are being erased are left out.

        Raises:
            StoreUnavailable: try again.
        """

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
        """A tenant's jobs, newest first. May lag behind writes by moments, and a page may hold fewer than `limit`.

        `created_after` excludes jobs made at or before it; `after` is a `next_after`. `status` is judged as a reader sees it at
        `now`: a waiting job past its deadline is `expired`.

        Raises:
            StoreUnavailable: try again.
        """

    async def claim(self, envelope: Envelope, lease: Lease, now: datetime) -> Job:
        """Take a job that is due, or take it over where its lease has run out: one conditional write.

        A repeat with the same lease token after a lost answer returns the job again.

        Raises:
            ClaimRefused: one of its classes says why.
            StoreUnavailable: the claim may stand; nobody else knows the token, so the job waits for the lease to run out.
        """

    async def renew(self, job: Job, expires_at: datetime, *, answered: bool = False) -> None:
        """Push the end of a *held* job's lease to `expires_at`. With `answered`, whatever its caller wishes by now.

        Raises:
            LeaseLost: the token is no longer the job's.
            CancelRequested: the token is the job's, and the caller wants it stopped; the lease was not pushed.
            StoreUnavailable: unknown; try again while the lease lasts.
        """

    async def record(self, job: Job, token: str) -> None:
        """Write what became of a *held* job (the result of `advance`). A live lease is not needed, the token is.

        A repeat after a lost answer succeeds.

        Raises:
            LeaseLost: the token is no longer the job's: nothing was written.
            CancelRequested: the new status is not terminal and the caller wants the job stopped: nothing was written.
            RecordRefused: the table will never take it.
            StoreUnavailable: unknown; repeat it until it is known.
        """

    async def replace(self, job: Job, seen: Job, now: datetime) -> None:
        """Write the successor of `seen`, where the job is *unheld and unchanged*.

        Raises:
            JobChanged: somebody wrote or took it since `seen` was read.
            StoreUnavailable: unknown.
        """

    async def request_cancel(self, job: Job) -> Job:
        """Leave word on a job in `processing` that it should stop; returns the job with `cancel_requested`.

        Its holder also finds a notice, as a rule; should that be lost, the next renewal of the lease tells.

        Raises:
            JobChanged: it is no longer being processed.
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def clear_bury(self, job: Job) -> None:
        """Note that the dead letter of this generation was sent. Of no effect where the job has moved on.

        Raises:
            StoreUnavailable: a later delivery may send it again.
        """

    async def note(self, job: Job, seen: Job, channel: Channel) -> None:
        """Note what came of a try to tell of a job's end: `job` is what `notified` made of `seen`. Nothing else of it is written.

        Raises:
            JobChanged: somebody else noted a try on that channel since `seen` was read, or the job went back to work, or is gone.
            StoreUnavailable: unknown.
        """

    async def take_notices(self, owner: str) -> Sequence[CancelNotice]:
        """The notices for the worker that calls itself `owner` in its leases; they are gone afterwards.

        Raises:
            StoreUnavailable: some may be lost.
        """

    async def add_text(self, job: Job, piece: Piece, expires_at: datetime) -> None:
        """Keep a piece of what a job is saying beside it, until `expires_at`. Nothing is guarded: readers judge by its token.

        Raises:
            StoreUnavailable: it may have been kept; a repeat with the same piece is harmless.
        """

    async def look(self, tenant: str, request_id: str, since: Mark) -> Look | None:
        """A job, and all pieces at or after `since`, perhaps a moment old; None where there is no job.

        A piece that was written after its writer had lost the job is never seen without the token of the next one.

        Raises:
            StoreUnavailable: try again.
        """

    async def due(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Up to `limit` jobs (tenant, request_id) with a `check_at` at or before `before`, those with the oldest first.

        From an index, which may lag behind: the job has to be read before anything is done about it.

        Raises:
            StoreUnavailable: try again.
        """

    async def take_role(self, role: str, lease: Lease, now: datetime) -> bool:
        """Take or keep a role that one process at a time may have; True where it is the owner's until the lease ends.

        Raises:
            StoreUnavailable: unknown.
        """

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Write a worker's heartbeat in place of its last one. It is there for a minute after its `at`.

        Raises:
            StoreUnavailable: unknown; the next one tells all anew.
        """

    async def heartbeats(self, now: datetime) -> Sequence[Heartbeat]:
        """Those of all workers that have beaten within the last minute, perhaps a moment old, in no order.

        Raises:
            StoreUnavailable: try again.
        """

    async def book(self, name: str, stretch: timedelta, latest: datetime, now: datetime, seen: datetime | None) -> Booking:
        """Book a stretch of time for whatever is called `name`: after what is booked, or from `now` where that lies ahead of it.

        Nothing is booked that would end after `latest`. A negative stretch gives back. Instants are kept to the microsecond.
        `seen` is what the caller believes to be booked; where it is wrong, that costs another write, and nothing else.

        Raises:
            StoreUnavailable: unknown; it may be booked.
        """

    async def unfinished(self) -> Mapping[str, int]:
        """How many jobs each tenant has that are not over; who has none is left out.

        From an index, which may lag behind, and of which all is read: 100 bytes or so for each job.

        Raises:
            StoreUnavailable: try again.
        """

    async def put_tally(self, tally: Tally) -> None:
        """Write it in place of the last one.

        Raises:
            StoreUnavailable: unknown; the next one tells all anew.
        """

    async def tally(self) -> Tally | None:
        """The last one, perhaps a moment old; None where nobody counts.

        Raises:
            StoreUnavailable: try again.
        """
