"""The store port, sentence by sentence: changing a job without holding it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.attempts import AttemptOutcome
from quarry.errors import (
    AlreadyFinished,
    JobChanged,
)
from quarry.job import (
    CHECK_AFTER,
    Cancelled,
    Event,
    Expired,
    Failed,
    JobStatus,
    StatusReason,
    Succeeded,
    abandoned,
    advance,
    check_later,
)
from quarry.testing import NOW, a_completion, a_lease, an_envelope
from tests.contract.tables import EVENTS, FAILURE, LAPSED, LATER, MS, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_of_cancel_and_claim_one_wins(table: Table) -> None:
    """Never both: a job that is cancelled is not worked."""
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
