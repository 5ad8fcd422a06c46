"""The store port, sentence by sentence: writing what became of a held job."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.attempts import HISTORY_LIMIT, Failure
from quarry.errors import (
    CancelRequested,
    LeaseLost,
    RecordRefused,
)
from quarry.job import (
    Claimed,
    Failed,
    StatusReason,
    Succeeded,
    advance,
)
from quarry.testing import NOW, a_completion, a_lease, an_envelope, an_invocation
from tests.contract.conftest import Faulty
from tests.contract.tables import EVENTS, LAPSED, LATER, NON_TERMINAL, TERMINAL, TEXT, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
