"""The store port, sentence by sentence: claiming a job, and keeping it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.errors import (
    AlreadyFinished,
    CancelRequested,
    ClaimedElsewhere,
    ClaimRefused,
    DeadlinePassed,
    LeaseLost,
    NoRecord,
    NotYetDue,
    StaleGeneration,
    StoreUnavailable,
    TakenOverTooOften,
)
from quarry.job import (
    CHECK_AFTER,
    MAX_TAKEOVERS,
    Claimed,
    Job,
    JobStatus,
    advance,
)
from quarry.testing import NOW, MemoryStore, a_lease, an_envelope
from tests.contract.tables import EVENTS, LAPSED, LATER, MS, TERMINAL, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_of_many_claims_one_wins(table: Table) -> None:
    """The others are told that it is held."""
    job = await table.submitted()
    claims = await asyncio.gather(*(table.store.claim(an_envelope(job), a_lease(), NOW) for _ in range(8)), return_exceptions=True)
    [winner] = [each for each in claims if isinstance(each, Job)]
    assert sum(isinstance(each, ClaimedElsewhere) for each in claims) == 7
    await table.holds(winner)
    assert winner.attempts == 1


async def test_of_many_take_overs_one_wins(table: Table) -> None:
    """Each judges the same lapsed lease; the write names the token that was seen."""
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


async def test_an_answer_in_hand_renews_despite_the_wish(table: Table) -> None:
    """It will be recorded, whatever its caller wants by now."""
    held = await table.claimed("token")
    await table.store.request_cancel(held)
    await table.store.renew(held, LAPSED, answered=True)
    seen = await table.store.get(table.tenant, held.request_id)
    assert seen
    assert seen.lease
    assert seen.lease.expires_at == LAPSED
    with pytest.raises(CancelRequested):
        await table.store.renew(held, LAPSED)
