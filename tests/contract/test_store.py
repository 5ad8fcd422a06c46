"""The store port, sentence by sentence: the fake, and the DynamoDB adapter on two emulators.

Every instant is a parameter, so nothing here waits.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio

from quarry.aws import dynamodb_client
from quarry.clock import from_epoch_ms
from quarry.errors import (
    AlreadyFinished,
    CancelRequested,
    ClaimedElsewhere,
    ClaimRefused,
    DeadlinePassed,
    JobChanged,
    LeaseLost,
    NoRecord,
    NotYetDue,
    StaleGeneration,
    StoreUnavailable,
    TakenOverTooOften,
)
from quarry.ids import last_request_id_at, new_request_id
from quarry.invocation import Invocation
from quarry.job import (
    CHECK_AFTER,
    CLOCK_MARGIN,
    HISTORY_LIMIT,
    MAX_TAKEOVERS,
    AttemptOutcome,
    Cancelled,
    Claimed,
    Event,
    Expired,
    Failed,
    Failure,
    HandedBack,
    Job,
    JobStatus,
    RetryScheduled,
    Snoozed,
    StatusReason,
    Succeeded,
    abandoned,
    advance,
)
from quarry.provision import provision
from quarry.settings import load_settings
from quarry.store.base import IdempotencyKey, JobStore, KeyHolder
from quarry.store.dynamodb import DynamoStore
from quarry.store.expressions import digest
from quarry.store.item import idempotency_item_key, job_key, shard_of, to_item
from quarry.testing import NOW, MemoryStore, a_claimed_job, a_completion, a_job, a_lease, an_envelope, an_invocation
from tests.contract.conftest import REGION, Backend, Faulty
from tests.contract.unkind import CUT, RESET, Answer, UnkindAws, refusal, serving_unkind_aws

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

MS = timedelta(milliseconds=1)
LATER = NOW + timedelta(seconds=10)
#: When a lease that was made at `NOW` can be taken over.
LAPSED = NOW + timedelta(seconds=60) + CLOCK_MARGIN
RETENTION = timedelta(days=14)
TEXT = "Grüße, 世界 🚀\u2028 \\ \" ' \t\n \x7f \u0000"
FAILURE = Failure("model_failed", f"It broke: {TEXT}")

#: All that can become of a held job.
EVENTS: dict[str, Event] = {
    "succeeded": Succeeded(a_completion(TEXT, content=({"text": TEXT}, {"reasoningContent": {"score": 0.1}})), ("a", "b")),
    "retry": RetryScheduled(LATER, FAILURE, "bedrock/us-east-1/model", a_completion().usage),
    "snoozed": Snoozed(LATER, StatusReason.WAITING_FOR_CAPACITY),
    "handed back": HandedBack(call_cut=False),
    "cut": HandedBack(call_cut=True),
    "failed": Failed(StatusReason.REJECTED, FAILURE, bury=False),
    "buried": Failed(StatusReason.ATTEMPTS_EXHAUSTED, FAILURE, bury=True, target="echo", usage=a_completion().usage),
    "cancelled": Cancelled(call_cut=False),
    "expired": Expired(),
}
NON_TERMINAL = ("retry", "snoozed", "handed back", "cut")
TERMINAL = tuple(name for name in EVENTS if name not in NON_TERMINAL)
#: Jobs are put into moto by `create_with_key`.
MOTO_INSERT = "moto 5.2.5 answers a PartiQL INSERT with parameters with status 500 (py-partiql-parser 0.6.3 cannot read it)"
MOTO_RACE = "moto 5.2.5 holds no lock between the condition and the write: of two concurrent writes, both may succeed"


@dataclass
class Table:
    """A tenant of one's own in a store."""

    store: JobStore
    tenant: str
    client: "DynamoDBClient | None" = None
    name: str = ""
    #: Whether `create` works at all.
    creates_alone: bool = True

    def job(self, **changes: Any) -> Job:
        """A job that is not in the store."""
        return a_job(tenant=self.tenant, **changes)

    async def add(self, job: Job) -> Job:
        """Put a job into the store, in whatever state it is."""
        if self.creates_alone:
            await self.store.create(job)
        else:
            await self.store.create_with_key(job, self.key(job.request_id), NOW)
        return job

    async def submitted(self, **changes: Any) -> Job:
        """A job in the store."""
        return await self.add(self.job(**changes))

    async def worked(self, event: str, **changes: Any) -> tuple[Job, Job]:
        """A job held by the token `token`, and what the event makes of it. Who is cancelled was asked to stop before."""
        held = await self.claimed("token", **changes)
        if event == "cancelled":
            held = await self.store.request_cancel(held)
        return held, advance(held, EVENTS[event], LATER)

    async def claimed(self, token: str | None = None, **changes: Any) -> Job:
        """A job that was claimed at `NOW`."""
        job = await self.submitted(**changes)
        return await self.store.claim(an_envelope(job), a_lease(token), NOW)

    async def taken_over(self, job: Job) -> Job:
        """The job, in the hands of somebody else."""
        return await self.store.claim(an_envelope(job), a_lease(owner="worker-2", expires_at=LAPSED + CHECK_AFTER), LAPSED)

    async def holds(self, job: Job) -> None:
        """The store has exactly this, in every field."""
        assert await self.store.get(self.tenant, job.request_id) == job

    def key(self, text: str = "key", fingerprint: str = "print", **changes: Any) -> IdempotencyKey:
        """A caller's key, for a day from `NOW`."""
        return replace(IdempotencyKey(self.tenant, text, fingerprint, NOW + timedelta(days=1)), **changes)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def made(backend: Backend) -> AsyncIterator[Table]:
    """A store for all tests of a backend: each has a tenant of its own."""
    if backend.is_fake:
        yield Table(MemoryStore(), "")
        return
    name = f"q{uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("QUARRY_STORE__TABLE", name)
        environment.setenv("QUARRY_QUEUE__NAME", name)
        provision(load_settings())
    async with dynamodb_client(REGION, 50) as client:
        yield Table(DynamoStore(client, name, RETENTION), "", client, name, creates_alone=backend.name != "moto")


@pytest.fixture
def table(made: Table) -> Table:
    """A store in which this test is alone."""
    return replace(made, tenant=f"t{uuid4().hex[:8]}")


# --- create and withdraw ----------------------------------------------------------------------------------------------


async def test_a_created_job_can_be_read(table: Table) -> None:
    """As it was written, at once."""
    await table.holds(await table.submitted())


async def test_everything_that_was_submitted_is_kept(table: Table) -> None:
    """Text of any script, floats, and fields that only AWS knows."""
    invocation = an_invocation(
        TEXT,
        system=({"text": TEXT},),
        temperature=0.7,
        top_p=0.0,
        stop_sequences=("\n\n", "🛑"),
        max_tokens=64_000,
        converse={"toolConfig": {"tools": [{"toolSpec": {"name": "t", "weight": 1e-9}}]}, "empty": {}, "none": None},
    )
    changes = {"custom_id": TEXT, "metadata": {"team": TEXT, "": "empty"}, "model": "eu.model:0", "priority": "high"}
    await table.holds(await table.submitted(invocation=invocation, max_attempts=10, **changes))
    await table.holds(await table.submitted(invocation=Invocation(native={"inputText": TEXT, "p": 0.25})))
    await table.holds(await table.submitted(invocation=Invocation(native={})))


async def test_a_large_job_is_kept(table: Table) -> None:
    """The largest payload that the settings allow by default."""
    await table.holds(await table.submitted(invocation=an_invocation("x" * 131_072)))


async def test_many_jobs_created_at_once(table: Table, faulty: Faulty) -> None:
    """Concurrent writes may share requests; every job is there."""
    faulty(moto=MOTO_INSERT)
    jobs = [table.job() for _ in range(60)]
    await asyncio.gather(*map(table.store.create, jobs))
    assert await table.store.get_many(table.tenant, [job.request_id for job in jobs]) == {job.request_id: job for job in jobs}


async def test_creating_again_is_harmless(table: Table, faulty: Faulty) -> None:
    """Whatever has happened to the job since: here it is being worked."""
    faulty(moto=MOTO_INSERT)
    job = await table.submitted()
    claimed = await table.store.claim(an_envelope(job), a_lease(), NOW)
    await table.store.create(job)
    await table.holds(claimed)


async def test_a_job_and_its_key_are_written_together(table: Table) -> None:
    """Both; and whoever comes with the key then learns whose it is, and writes neither."""
    job, second = table.job(), table.job()
    assert await table.store.create_with_key(job, table.key(), NOW) is None
    await table.holds(job)
    holder = await table.store.create_with_key(second, table.key(fingerprint="other"), NOW)
    assert holder == KeyHolder(job.request_id, "print")
    assert await table.store.get(table.tenant, second.request_id) is None


async def test_a_repeat_meets_its_own_key(table: Table) -> None:
    """After a lost answer, a repeat is as good as the first, and harmless."""
    job = table.job()
    await table.store.create_with_key(job, table.key(), NOW)
    claimed = await table.store.claim(an_envelope(job), a_lease(), NOW)
    assert await table.store.create_with_key(job, table.key(), NOW) is None
    await table.holds(claimed)


async def test_an_expired_key_is_free_again(table: Table) -> None:
    """From `expires_at` on, though it may still lie in the table; not a second before."""
    first, second = table.job(), table.job()
    key = table.key(expires_at=NOW + timedelta(hours=1))
    await table.store.create_with_key(first, key, NOW)
    held = await table.store.create_with_key(second, key, key.expires_at - timedelta(seconds=1))
    assert held == KeyHolder(first.request_id, "print")
    assert await table.store.create_with_key(second, table.key(), key.expires_at) is None
    await table.holds(second)
    assert await table.store.create_with_key(table.job(), table.key(), LATER) == KeyHolder(second.request_id, "print")


async def test_a_key_belongs_to_its_tenant(table: Table) -> None:
    """Two tenants may use the same key."""
    other = replace(table, tenant=f"{table.tenant}x")
    assert await table.store.create_with_key(table.job(), table.key(), NOW) is None
    assert await other.store.create_with_key(other.job(), other.key(), NOW) is None


async def test_of_many_with_one_key_one_is_written(table: Table, faulty: Faulty) -> None:
    """The others learn whose it is (or, where AWS would not say, that they should try again)."""
    faulty.now_and_then(moto=MOTO_RACE)
    jobs = [table.job() for _ in range(6)]
    answers = await asyncio.gather(*(table.store.create_with_key(job, table.key(), NOW) for job in jobs), return_exceptions=True)
    written = list(await table.store.get_many(table.tenant, [job.request_id for job in jobs]))
    assert len(written) == answers.count(None) == 1
    for answer in answers:
        assert answer is None or answer == KeyHolder(written[0], "print") or isinstance(answer, StoreUnavailable)


async def test_an_untouched_job_can_be_withdrawn(table: Table) -> None:
    """Without a trace."""
    job = await table.submitted()
    assert await table.store.withdraw(job, None) is True
    assert await table.store.get(table.tenant, job.request_id) is None


async def test_its_key_goes_with_it(table: Table) -> None:
    """The key is free for another job."""
    job = table.job()
    await table.store.create_with_key(job, table.key(), NOW)
    assert await table.store.withdraw(job, table.key()) is True
    assert await table.store.create_with_key(table.job(), table.key(), NOW) is None


async def test_a_job_that_was_touched_is_not_withdrawn(table: Table) -> None:
    """Claimed, or cancelled: it stays, and so does its key."""
    job = table.job()
    await table.store.create_with_key(job, table.key(), NOW)
    claimed = await table.store.claim(an_envelope(job), a_lease(), NOW)
    assert await table.store.withdraw(job, table.key()) is False
    await table.holds(claimed)
    assert await table.store.create_with_key(table.job(), table.key(), NOW) == KeyHolder(job.request_id, "print")
    waiting = await table.submitted()
    cancelled = advance(waiting, Cancelled(), NOW)
    await table.store.replace(cancelled, waiting, NOW)
    assert await table.store.withdraw(waiting, None) is False
    await table.holds(cancelled)


async def test_what_is_not_there_is_not_withdrawn(table: Table) -> None:
    """Nor is it made."""
    job = table.job()
    assert await table.store.withdraw(job, None) is False
    assert await table.store.get(table.tenant, job.request_id) is None


# --- read -------------------------------------------------------------------------------------------------------------


async def test_an_unknown_job_is_none(table: Table) -> None:
    """Never an error, whatever the id looks like."""
    assert await table.store.get(table.tenant, new_request_id(NOW)) is None
    assert await table.store.get(table.tenant, "no id") is None


async def test_a_job_of_another_tenant_is_none(table: Table) -> None:
    """One by one, or many at once."""
    job = await table.submitted()
    assert await table.store.get("somebody-else", job.request_id) is None
    assert await table.store.get_many("somebody-else", [job.request_id]) == {}


async def test_a_hundred_jobs_can_be_read_at_once(table: Table) -> None:
    """Those that do not exist are left out; one asked for twice is there once."""
    jobs = await asyncio.gather(*(table.submitted() for _ in range(20)))
    wanted = [job.request_id for job in jobs]
    unknown = [new_request_id(NOW) for _ in range(79)]
    found = await table.store.get_many(table.tenant, [*unknown, *wanted, wanted[0]])
    assert found == {job.request_id: job for job in jobs}
    assert await table.store.get_many(table.tenant, []) == {}


# --- list -------------------------------------------------------------------------------------------------------------


async def everything(table: Table, limit: int, **filters: Any) -> list[Job]:
    """All pages together, each checked for its size."""
    jobs: list[Job] = []
    after: str | None = None
    while True:
        criteria = {"status": None, "created_after": None, "now": NOW} | filters
        page = await table.store.list(table.tenant, limit=limit, after=after, **criteria)
        assert len(page.jobs) <= limit
        jobs += page.jobs
        if page.next_after is None:
            return jobs
        assert after is None or page.next_after < after
        after = page.next_after


async def ten_jobs(table: Table) -> list[Job]:
    """Newest first."""
    jobs = [table.job(created_at=NOW + i * MS, custom_id=str(i), metadata={"i": TEXT}) for i in range(10)]
    await asyncio.gather(*map(table.add, jobs))
    return jobs[::-1]


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 11, 100])
async def test_a_list_shows_every_job_once_newest_first(table: Table, limit: int) -> None:
    """Over all pages, whatever their size; without content."""
    jobs = await ten_jobs(table)
    listed = [replace(job, invocation=Invocation(), check_at=None) for job in jobs]
    assert await everything(table, limit) == listed


async def test_after_the_last_job_there_is_no_page(table: Table) -> None:
    """`next_after` is None when nothing follows, also where the last page is full."""
    await ten_jobs(table)
    criteria: dict[str, Any] = {"status": None, "created_after": None, "now": NOW}
    page = await table.store.list(table.tenant, limit=10, after=None, **criteria)
    assert (len(page.jobs), page.next_after) == (10, None)
    empty = await table.store.list("nobody", limit=10, after=None, **criteria)
    assert (empty.jobs, empty.next_after) == ((), None)


async def test_a_list_shows_what_became_of_jobs_without_its_content(table: Table) -> None:
    """No answer, no history, no word about who works it."""
    claimed = await table.claimed()
    done = advance(claimed, EVENTS["succeeded"], LATER)
    await table.store.record(done, claimed.lease.token if claimed.lease else "")
    [listed] = await everything(table, 10)
    assert listed == replace(done, invocation=Invocation(), result=None, attempt_history=())


async def test_a_list_shows_one_tenant(table: Table) -> None:
    """Not even one whose name begins the same."""
    await replace(table, tenant=f"{table.tenant}x").submitted()
    mine = await table.submitted()
    assert [job.request_id for job in await everything(table, 10)] == [mine.request_id]


@pytest.mark.parametrize("limit", [2, 100])
async def test_a_list_can_be_narrowed_to_a_status(table: Table, limit: int) -> None:
    """As a reader sees it at `now`: a waiting job past its deadline is expired, one being worked is not."""
    late = NOW + timedelta(hours=1)
    jobs = {
        "waits": await table.submitted(),
        "too late": await table.submitted(deadline_at=late),
        "retry too late": await table.submitted(status=JobStatus.RETRYING, deadline_at=late),
        "worked": await table.submitted(status=JobStatus.PROCESSING, deadline_at=late),
        "expired": await table.submitted(status=JobStatus.EXPIRED, finished_at=NOW, check_at=None),
        "done": await table.submitted(status=JobStatus.COMPLETED, finished_at=NOW, check_at=None),
    }
    names = {job.request_id: name for name, job in jobs.items()}

    async def listed(status: JobStatus, now: datetime) -> set[str]:
        return {names[job.request_id] for job in await everything(table, limit, status=status, now=now)}

    assert await listed(JobStatus.QUEUED, late - MS) == {"waits", "too late"}
    assert await listed(JobStatus.QUEUED, late) == {"waits"}
    assert await listed(JobStatus.RETRYING, late) == set()
    assert await listed(JobStatus.EXPIRED, late) == {"too late", "retry too late", "expired"}
    assert await listed(JobStatus.PROCESSING, late) == {"worked"}
    assert await listed(JobStatus.COMPLETED, late) == {"done"}
    assert await listed(JobStatus.FAILED, late) == set()


async def test_a_rare_status_is_found_behind_many_others(table: Table) -> None:
    """A page may hold fewer than its limit, even nothing; following the pages finds everything."""
    oldest = await table.submitted(created_at=NOW - MS, status=JobStatus.FAILED, finished_at=NOW, check_at=None)
    await ten_jobs(table)
    assert [job.request_id for job in await everything(table, 1, status=JobStatus.FAILED)] == [oldest.request_id]


@pytest.mark.parametrize("limit", [4, 100])
async def test_created_after_excludes_its_own_instant(table: Table, limit: int) -> None:
    """Jobs made at or before it are not shown; an instant between two milliseconds parts them."""
    jobs = await ten_jobs(table)
    ids = [job.request_id for job in jobs]

    async def listed(created_after: datetime) -> list[str]:
        return [job.request_id for job in await everything(table, limit, created_after=created_after)]

    assert await listed(NOW - MS) == ids
    assert await listed(NOW + 6 * MS) == ids[:3]
    assert await listed(NOW + 6.5 * MS) == ids[:3]
    assert await listed(NOW + 9 * MS) == []
    assert await listed(datetime.max.replace(tzinfo=UTC)) == []
    assert await listed(datetime(1, 1, 1, tzinfo=UTC)) == ids


async def test_a_page_that_begins_before_created_after_is_empty(table: Table) -> None:
    """A cursor from another list is no error."""
    await ten_jobs(table)
    page = await table.store.list(
        table.tenant, status=None, created_after=NOW, limit=5, after=last_request_id_at(NOW - MS), now=NOW
    )
    assert (page.jobs, page.next_after) == ((), None)


# --- claim ------------------------------------------------------------------------------------------------------------


def lives(table: Table) -> dict[str, Job]:
    """Jobs that can be claimed at `LAPSED`, as they came to be so."""
    held = advance(table.job(), Claimed(a_lease()), NOW)
    again = advance(advance(held, EVENTS["retry"], LATER), Claimed(a_lease()), LATER)
    return {
        "new": table.job(),
        "due at this instant": table.job(available_at=LAPSED),
        "failed once": advance(held, EVENTS["retry"], LATER),
        "failed, then cut": advance(again, EVENTS["cut"], LATER),
        "waited for capacity": advance(held, EVENTS["snoozed"], LATER),
        "handed back": advance(held, EVENTS["handed back"], LATER),
        "abandoned": held,
        "abandoned twice": advance(held, Claimed(a_lease()), NOW),
        "put to work anew": table.job(generation=3, attempts=2, attempt_history=advance(held, EVENTS["cut"], NOW).attempt_history),
        "about to be too late": table.job(deadline_at=LAPSED + MS),
        "taken over almost too often": replace(held, takeovers=MAX_TAKEOVERS - 1, attempts=MAX_TAKEOVERS),
    }


@pytest.mark.parametrize("life", lives(Table(MemoryStore(), "")))
async def test_a_claim_is_what_advance_says(table: Table, life: str) -> None:
    """One conditional write makes exactly the move of `advance`, in every field, and returns it."""
    job, lease = lives(table)[life], a_lease(expires_at=LAPSED + timedelta(seconds=60))
    await table.add(job)
    claimed = await table.store.claim(an_envelope(job), lease, LAPSED)
    assert claimed == advance(job, Claimed(lease), LAPSED)
    await table.holds(claimed)


def refusals(table: Table) -> dict[str, tuple[Job, type[ClaimRefused]]]:
    """Jobs that cannot be claimed a millisecond before `LAPSED`, and why."""
    held = advance(table.job(), Claimed(a_lease()), NOW)
    gone = replace(held, lease=a_lease(expires_at=NOW))
    return {
        "a lease may be live": (held, ClaimedElsewhere),
        "a lease may be live, and cancel is requested": (replace(held, cancel_requested=True), ClaimedElsewhere),
        "not yet due": (table.job(available_at=LAPSED), NotYetDue),
        "retry not yet due": (table.job(status=JobStatus.RETRYING, available_at=LAPSED), NotYetDue),
        "too late": (table.job(deadline_at=LAPSED - MS), DeadlinePassed),
        "abandoned, and too late": (replace(gone, deadline_at=LAPSED - MS), DeadlinePassed),
        "cancel requested": (replace(gone, cancel_requested=True), CancelRequested),
        "taken over too often": (replace(gone, takeovers=MAX_TAKEOVERS), TakenOverTooOften),
        "put to work anew since": (table.job(generation=1), StaleGeneration),
        "put to work anew since, and over": (
            replace(advance(held, EVENTS["failed"], NOW), generation=1),
            StaleGeneration,
        ),
        **{name: (advance(held, EVENTS[name], NOW), AlreadyFinished) for name in TERMINAL},
    }


@pytest.mark.parametrize("life", refusals(Table(MemoryStore(), "")))
async def test_a_refused_claim_says_why_and_changes_nothing(table: Table, life: str) -> None:
    """The refusal carries the job that it was judged by."""
    job, why = refusals(table)[life]
    await table.add(job)
    with pytest.raises(ClaimRefused) as refused:
        await table.store.claim(an_envelope(job, generation=0), a_lease(), LAPSED - MS)
    assert type(refused.value) is why
    assert refused.value.job == job
    await table.holds(job)


async def test_a_refused_claim_says_until_when(table: Table) -> None:
    """So that the message can be released until then."""
    held = await table.claimed()
    with pytest.raises(ClaimedElsewhere) as elsewhere:
        await table.store.claim(an_envelope(held), a_lease(), NOW)
    assert held.lease is not None
    assert elsewhere.value.until == held.lease.expires_at
    waiting = await table.submitted(available_at=LATER)
    with pytest.raises(NotYetDue) as early:
        await table.store.claim(an_envelope(waiting), a_lease(), LATER - MS)
    assert early.value.until == LATER


async def test_what_has_no_record_cannot_be_claimed(table: Table) -> None:
    """Nor can another tenant's job, and the try leaves nothing behind."""
    job = await table.submitted()
    for envelope in (an_envelope(table.job()), an_envelope(job, tenant="somebody-else")):
        with pytest.raises(NoRecord):
            await table.store.claim(envelope, a_lease(), NOW)
        assert await table.store.get(envelope.tenant, envelope.request_id) is None


async def test_a_repeated_claim_returns_the_job_again(table: Table) -> None:
    """Same token: its own first try, whose answer was lost. It costs no second attempt."""
    job, lease = await table.submitted(), a_lease()
    first = await table.store.claim(an_envelope(job), lease, NOW)
    assert await table.store.claim(an_envelope(job), lease, LATER) == first
    await table.holds(first)


async def test_a_repeated_take_over_returns_the_job_again(table: Table) -> None:
    """Even so late that it could be taken over once more: it costs no second take-over."""
    job, lease = await table.claimed(), a_lease()
    first = await table.store.claim(an_envelope(job), lease, LAPSED)
    assert await table.store.claim(an_envelope(job), lease, LAPSED + timedelta(hours=1)) == first
    assert first.takeovers == 1


async def test_of_many_claims_one_wins(table: Table, faulty: Faulty) -> None:
    """The others are told that it is held."""
    faulty.now_and_then(moto=MOTO_RACE)
    job = await table.submitted()
    claims = await asyncio.gather(*(table.store.claim(an_envelope(job), a_lease(), NOW) for _ in range(8)), return_exceptions=True)
    [winner] = [each for each in claims if isinstance(each, Job)]
    assert sum(isinstance(each, ClaimedElsewhere) for each in claims) == 7
    await table.holds(winner)
    assert winner.attempts == 1


async def test_of_many_take_overs_one_wins(table: Table, faulty: Faulty) -> None:
    """Each judges the same lapsed lease; the write names the token that was seen."""
    faulty.now_and_then(moto=MOTO_RACE)
    job, until = await table.claimed(), LAPSED + timedelta(seconds=60)
    claims = await asyncio.gather(
        *(table.store.claim(an_envelope(job), a_lease(expires_at=until), LAPSED) for _ in range(8)), return_exceptions=True
    )
    [winner] = [each for each in claims if isinstance(each, Job)]
    assert sum(isinstance(each, (ClaimedElsewhere, StoreUnavailable)) for each in claims) == 7
    await table.holds(winner)
    assert (winner.attempts, winner.takeovers, len(winner.open_attempts)) == (2, 1, 2)


# --- renew ------------------------------------------------------------------------------------------------------------


async def test_a_renewed_lease_ends_later(table: Table) -> None:
    """And the sweep looks later; nothing else changes, the revision included."""
    held = await table.claimed()
    assert held.lease is not None
    await table.store.renew(held, LAPSED)
    await table.holds(replace(held, lease=replace(held.lease, expires_at=LAPSED), check_at=LAPSED + CHECK_AFTER))
    with pytest.raises(ClaimedElsewhere):
        await table.store.claim(an_envelope(held), a_lease(), LAPSED)


async def test_a_lease_can_be_renewed_after_its_end(table: Table) -> None:
    """As long as nobody took the job over, the token counts."""
    held = await table.claimed()
    await table.store.renew(held, LAPSED + timedelta(hours=2))
    with pytest.raises(ClaimedElsewhere):
        await table.store.claim(an_envelope(held), a_lease(), LAPSED + timedelta(hours=1))


@pytest.mark.parametrize("event", ["succeeded", "retry"])
async def test_what_was_recorded_cannot_be_renewed(table: Table, event: str) -> None:
    """The lease was given up with the record."""
    held, done = await table.worked(event)
    await table.store.record(done, "token")
    with pytest.raises(LeaseLost):
        await table.store.renew(held, LAPSED)
    await table.holds(done)


async def test_a_lost_lease_cannot_be_renewed(table: Table) -> None:
    """Taken over, never held, or of a job that is gone; nothing is written."""
    held = await table.claimed()
    theirs = await table.taken_over(held)
    with pytest.raises(LeaseLost):
        await table.store.renew(held, LAPSED + timedelta(hours=1))
    await table.holds(theirs)
    with pytest.raises(LeaseLost):
        await table.store.renew(await table.submitted(), LAPSED)
    unknown = advance(table.job(), Claimed(a_lease()), NOW)
    with pytest.raises(LeaseLost):
        await table.store.renew(unknown, LAPSED)
    assert await table.store.get(table.tenant, unknown.request_id) is None


async def test_a_renewal_brings_the_wish_to_cancel(table: Table) -> None:
    """The lease is not pushed, so that the job ends even where its holder does not listen."""
    held = await table.claimed()
    wished = await table.store.request_cancel(held)
    with pytest.raises(CancelRequested):
        await table.store.renew(held, LAPSED)
    await table.holds(wished)


# --- record -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS)
async def test_what_became_of_a_job_is_recorded(table: Table, event: str) -> None:
    """Every field of what `advance` says can be read back."""
    _, done = await table.worked(event, metadata={"team": TEXT}, custom_id=TEXT)
    await table.store.record(done, "token")
    await table.holds(done)


@pytest.mark.parametrize("event", EVENTS)
async def test_after_attempts_and_take_overs_too(table: Table, event: str) -> None:
    """The history of a job that was worked more often than the history keeps."""
    unseen = replace(advance(table.job(), Claimed(a_lease()), NOW), attempts=HISTORY_LIMIT + 5)
    for _ in range(HISTORY_LIMIT):
        unseen = advance(advance(unseen, EVENTS["retry"], LATER), Claimed(a_lease()), LATER)
    await table.add(unseen)
    held = await table.store.claim(an_envelope(unseen), a_lease("token"), LAPSED)
    if event == "cancelled":
        held = await table.store.request_cancel(held)
    done = advance(held, EVENTS[event], LATER)
    await table.store.record(done, "token")
    await table.holds(done)
    assert len(done.attempt_history) == HISTORY_LIMIT


async def test_a_large_answer_is_recorded(table: Table) -> None:
    """A quarter of a megabyte, beside the largest payload."""
    held = await table.claimed("token", invocation=an_invocation("x" * 131_072))
    done = advance(held, Succeeded(a_completion("ü" * 50_000)), LATER)
    await table.store.record(done, "token")
    await table.holds(done)


async def test_an_answer_of_broken_unicode_is_recorded(table: Table) -> None:
    """A model may cut an emoji in half; its answer was paid for."""
    held = await table.claimed("token")
    done = advance(held, Succeeded(a_completion("half an emoji: \ud83d")), LATER)
    await table.store.record(done, "token")
    await table.holds(done)


@pytest.mark.parametrize("event", EVENTS)
async def test_a_repeated_record_succeeds(table: Table, event: str) -> None:
    """After a lost answer; also where the job was taken on by somebody else since, whose work it leaves alone."""
    held, done = await table.worked(event)
    await table.store.record(done, "token")
    await table.store.record(done, "token")
    await table.holds(done)
    if event in NON_TERMINAL:
        theirs = await table.store.claim(an_envelope(held), a_lease(), LAPSED)
        await table.store.record(done, "token")
        await table.holds(theirs)


@pytest.mark.parametrize("event", ["succeeded", "retry", "cancelled"])
async def test_who_was_taken_over_cannot_record(table: Table, event: str) -> None:
    """Nothing is written."""
    held = await table.claimed("token")
    theirs = await table.taken_over(held)
    with pytest.raises(LeaseLost):
        await table.store.record(advance(held, EVENTS[event], LATER), "token")
    await table.holds(theirs)


async def test_what_is_not_held_cannot_be_recorded(table: Table) -> None:
    """No such job, or one that waits: nothing is written."""
    unknown = advance(table.job(), Claimed(a_lease("token")), NOW)
    with pytest.raises(LeaseLost):
        await table.store.record(advance(unknown, EVENTS["succeeded"], LATER), "token")
    assert await table.store.get(table.tenant, unknown.request_id) is None
    waiting = await table.submitted()
    done = advance(advance(waiting, Claimed(a_lease("token")), NOW), EVENTS["succeeded"], LATER)
    with pytest.raises(LeaseLost):
        await table.store.record(done, "token")
    await table.holds(waiting)


async def test_a_record_needs_no_live_lease(table: Table) -> None:
    """The token is enough: an answer in hand is kept, however late, as long as nobody took the job over."""
    held = await table.claimed("token")
    done = advance(held, EVENTS["succeeded"], LAPSED + timedelta(hours=3))
    await table.store.record(done, "token")
    await table.holds(done)


@pytest.mark.parametrize("event", NON_TERMINAL)
async def test_a_wish_to_cancel_refuses_going_on(table: Table, event: str) -> None:
    """Nothing is written: the holder decides anew."""
    held = await table.claimed("token")
    wished = await table.store.request_cancel(held)
    with pytest.raises(CancelRequested):
        await table.store.record(advance(held, EVENTS[event], LATER), "token")
    await table.holds(wished)


@pytest.mark.parametrize("event", TERMINAL)
async def test_a_wish_to_cancel_does_not_refuse_an_end(table: Table, event: str) -> None:
    """A completion in hand beats it; that it was wished stays on record."""
    held = await table.claimed("token")
    await table.store.request_cancel(held)
    done = advance(held, EVENTS[event], LATER)
    await table.store.record(done, "token")
    await table.holds(replace(done, cancel_requested=True))


# --- replace, request_cancel, clear_bury ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [Cancelled(), Expired(), Failed(StatusReason.TAKEN_OVER_TOO_OFTEN, FAILURE, bury=True)],
    ids=lambda each: type(each).__name__,
)
async def test_an_abandoned_job_can_be_ended_by_anybody(table: Table, event: Event) -> None:
    """From the instant at which it could be taken over, not before."""
    held = await table.claimed()
    ended = advance(abandoned(held), event, LAPSED)
    with pytest.raises(JobChanged):
        await table.store.replace(ended, held, LAPSED - MS)
    await table.holds(held)
    await table.store.replace(ended, held, LAPSED)
    await table.holds(ended)
    assert [attempt.outcome for attempt in ended.attempt_history] == [AttemptOutcome.OUTCOME_UNKNOWN]


@pytest.mark.parametrize("event", [Cancelled(), Expired()], ids=lambda each: type(each).__name__)
async def test_a_waiting_job_can_be_ended_by_anybody(table: Table, event: Event) -> None:
    """Once: whoever read it before must read again."""
    waiting = await table.submitted()
    ended = advance(waiting, event, LATER)
    await table.store.replace(ended, waiting, LATER)
    await table.holds(ended)
    with pytest.raises(JobChanged):
        await table.store.replace(ended, waiting, LATER)
    with pytest.raises(AlreadyFinished):
        await table.store.claim(an_envelope(waiting), a_lease(), LATER)


async def test_what_changed_since_it_was_read_is_not_replaced(table: Table) -> None:
    """Claimed, renewed, recorded, claimed again, or gone."""
    waiting = await table.submitted()
    held = await table.store.claim(an_envelope(waiting), a_lease("token"), NOW)
    with pytest.raises(JobChanged):
        await table.store.replace(advance(waiting, Cancelled(), LAPSED), waiting, LAPSED)
    await table.store.renew(held, LAPSED)
    with pytest.raises(JobChanged):
        await table.store.replace(advance(abandoned(held), Expired(), LAPSED), held, LAPSED)
    retrying = advance(held, EVENTS["retry"], LATER)
    await table.store.record(retrying, "token")
    with pytest.raises(JobChanged):
        await table.store.replace(advance(abandoned(held), Expired(), LAPSED), held, LAPSED + timedelta(days=1))
    await table.holds(retrying)
    unknown = table.job()
    with pytest.raises(JobChanged):
        await table.store.replace(advance(unknown, Cancelled(), NOW), unknown, NOW)
    assert await table.store.get(table.tenant, unknown.request_id) is None


async def test_of_cancel_and_claim_one_wins(table: Table, faulty: Faulty) -> None:
    """Never both: a job that is cancelled is not worked."""
    faulty.now_and_then(moto=MOTO_RACE)
    for _ in range(5):
        waiting = await table.submitted()
        cancelled = advance(waiting, Cancelled(), NOW)
        answers = await asyncio.gather(
            table.store.replace(cancelled, waiting, NOW),
            table.store.claim(an_envelope(waiting), a_lease(), NOW),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, (JobChanged, AlreadyFinished)) for answer in answers) == 1


async def test_a_wish_to_cancel_is_left_on_a_job_in_work(table: Table) -> None:
    """It changes nothing else, and can be left twice."""
    held = await table.claimed()
    wished = await table.store.request_cancel(held)
    assert wished == replace(held, cancel_requested=True)
    assert await table.store.request_cancel(held) == wished
    await table.holds(wished)


async def test_a_wish_to_cancel_is_left_nowhere_else(table: Table) -> None:
    """Waiting, over, put to work anew, or gone: read again."""
    held = await table.claimed("token")
    others = [await table.submitted(), replace(held, generation=1), table.job()]
    done = await table.claimed("token")
    await table.store.record(advance(done, EVENTS["succeeded"], LATER), "token")
    for job in (*others, done):
        before = await table.store.get(table.tenant, job.request_id)
        with pytest.raises(JobChanged):
            await table.store.request_cancel(job)
        assert await table.store.get(table.tenant, job.request_id) == before


async def test_a_sent_dead_letter_is_noted(table: Table) -> None:
    """Once is enough, twice is harmless."""
    held = await table.claimed("token")
    failed = advance(held, EVENTS["buried"], LATER)
    await table.store.record(failed, "token")
    await table.store.clear_bury(failed)
    await table.store.clear_bury(failed)
    await table.holds(replace(failed, bury_reason=None))


async def test_noting_a_dead_letter_of_another_generation_is_of_no_effect(table: Table) -> None:
    """Nor is it where there is none, or no job."""
    failed = await table.submitted(
        generation=1, status=JobStatus.FAILED, finished_at=NOW, check_at=None, bury_reason="attempts_exhausted"
    )
    await table.store.clear_bury(replace(failed, generation=0))
    await table.holds(failed)
    unknown = table.job()
    await table.store.clear_bury(unknown)
    assert await table.store.get(table.tenant, unknown.request_id) is None


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
async def unkind(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UnkindAws]:
    """A DynamoDB that answers by script."""
    async with serving_unkind_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield aws


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
