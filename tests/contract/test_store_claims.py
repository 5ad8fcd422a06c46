"""The store port, sentence by sentence: the fake, and the DynamoDB adapter on two emulators. Here: all that changes a job."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.attempts import HISTORY_LIMIT, AttemptOutcome, Failure
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
    RecordRefused,
    StaleGeneration,
    StoreUnavailable,
    TakenOverTooOften,
)
from quarry.job import (
    CHECK_AFTER,
    MAX_TAKEOVERS,
    Cancelled,
    Claimed,
    Event,
    Expired,
    Failed,
    Job,
    JobStatus,
    StatusReason,
    Succeeded,
    abandoned,
    advance,
    check_later,
)
from quarry.testing import NOW, MemoryStore, a_completion, a_lease, an_envelope, an_invocation
from tests.contract.conftest import Faulty
from tests.contract.tables import EVENTS, FAILURE, LAPSED, LATER, MOTO_RACE, MS, NON_TERMINAL, TERMINAL, TEXT, Table

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


async def test_an_outcome_too_large_for_an_item_is_refused_for_good(table: Table, faulty: Faulty) -> None:
    """However often it is asked: that is told apart from a table that is away. What fits is then recorded."""
    faulty(moto="moto 5.2.5 writes a part of an update that it refuses as too large")
    held = await table.claimed("token")
    failure = Failure("model_failed", "x" * 500_000)
    with pytest.raises(RecordRefused):
        await table.store.record(advance(held, Failed(StatusReason.REJECTED, failure, bury=False), LATER), "token")
    await table.holds(held)
    fits = advance(held, EVENTS["failed"], LATER)
    await table.store.record(fits, "token")
    await table.holds(fits)


# --- replace, request_cancel, clear_bury ------------------------------------------------------------------------------


async def test_no_two_states_share_a_revision(table: Table) -> None:
    """The sweep looked at a lapsed job, a reader saw that, then its holder recorded: what the reader wants to write is refused."""
    held = await table.claimed("token")
    await table.store.replace(check_later(held, LAPSED + CHECK_AFTER), held, LAPSED)
    seen = await table.store.get(table.tenant, held.request_id)
    assert seen
    await table.store.record(advance(held, Succeeded(a_completion()), LAPSED), "token")
    with pytest.raises(JobChanged):
        await table.store.replace(advance(abandoned(seen), Cancelled(), LAPSED), seen, LAPSED)
    recorded = await table.store.get(table.tenant, held.request_id)
    assert recorded
    assert recorded.status is JobStatus.COMPLETED
    assert recorded.revision > seen.revision


async def test_a_wish_to_cancel_is_not_written_away(table: Table) -> None:
    """Somebody read the job before the wish and writes after it."""
    held = await table.claimed("token")
    wished = await table.store.request_cancel(held)
    with pytest.raises(JobChanged):
        await table.store.replace(check_later(held, LAPSED + CHECK_AFTER), held, LAPSED)
    await table.holds(wished)
    await table.store.replace(check_later(wished, LAPSED + CHECK_AFTER), wished, LAPSED)
    await table.holds(check_later(wished, LAPSED + CHECK_AFTER))


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
