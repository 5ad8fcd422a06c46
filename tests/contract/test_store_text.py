"""The store port, sentence by sentence: the text that a job says while it is worked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.job import Job, Succeeded, advance
from quarry.store.base import Look, Mark, Piece
from quarry.testing import NOW, a_completion
from tests.contract.tables import LATER, NON_TERMINAL, TEXT, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGINNING = Mark(0, 0, 0)
TOMORROW = NOW + timedelta(days=1)


async def add(table: Table, job: Job, *texts: str) -> list[Piece]:
    """Pieces in a row, as one worker writes them."""
    pieces, offset = [], 0
    for text in texts:
        pieces.append(Piece(Mark(job.revision, 1, offset), "token", text))
        await table.store.add_text(job, pieces[-1], TOMORROW)
        offset += len(text)
    return pieces


async def look(table: Table, job: Job, since: Mark = BEGINNING) -> Look:
    seen = await table.store.look(table.tenant, job.request_id, since)
    assert seen is not None
    return seen


async def test_what_is_said_is_read_in_order(table: Table) -> None:
    """Whatever characters it has; from a mark on, what begins at it or later; with whose it is."""
    job = await table.claimed("token", stream=True)
    pieces = await add(table, job, "a", TEXT, "\ud83d half a pair", "z" * 10)
    seen = await look(table, job)
    assert (seen.token, list(seen.pieces)) == ("token", pieces)
    for i, piece in enumerate(pieces):
        assert list((await look(table, job, piece.mark)).pieces) == pieces[i:]
        assert list((await look(table, job, replace(piece.mark, offset=piece.mark.offset + 1))).pieces) == pieces[i + 1 :]


async def test_marks_are_in_the_order_of_claims_then_calls_then_characters(table: Table) -> None:
    """By their numbers, not by their digits."""
    job = await table.claimed()
    marks = [Mark(2, 1, 0), Mark(2, 1, 9), Mark(2, 1, 10), Mark(2, 2, 0), Mark(2, 10, 0), Mark(3, 1, 0), Mark(10, 1, 0)]
    for mark in reversed(marks):
        await table.store.add_text(job, Piece(mark, "t", "x"), TOMORROW)
    assert [piece.mark for piece in (await look(table, job)).pieces] == marks == sorted(marks)


async def test_the_job_is_seen_without_content(table: Table) -> None:
    """As in a list, and whether it is streamed; with no text at all, too."""
    job = await table.claimed("token", stream=True, custom_id="mine", metadata={"a": "b"})
    seen = await look(table, job)
    assert seen.pieces == ()
    assert (seen.job.request_id, seen.job.status, seen.job.custom_id, seen.job.stream) == (job.request_id, job.status, "mine", True)
    assert (seen.job.attempts, seen.job.metadata, seen.job.deadline_at) == (1, {"a": "b"}, job.deadline_at)
    assert (seen.job.invocation.messages, seen.job.lease) == ((), None)
    assert not (await look(table, await table.claimed())).job.stream


async def test_there_is_no_such_job(table: Table) -> None:
    """Nor is there for another tenant, whatever was said."""
    job = await table.claimed()
    await add(table, job, "secret")
    assert await table.store.look(table.tenant, "0" * 32, BEGINNING) is None
    assert await table.store.look(f"{table.tenant}x", job.request_id, BEGINNING) is None


async def test_jobs_do_not_mix(table: Table) -> None:
    """Each has its own text."""
    one, other = await table.claimed("token"), await table.claimed("token")
    pieces = await add(table, one, "mine")
    assert list((await look(table, one)).pieces) == pieces
    assert (await look(table, other)).pieces == ()


async def test_a_repeat_is_the_same_piece(table: Table) -> None:
    """Kept once."""
    job = await table.claimed("token")
    [piece] = await add(table, job, "said")
    await table.store.add_text(job, piece, TOMORROW)
    assert (await look(table, job)).pieces == (piece,)


async def test_whose_text_counts(table: Table) -> None:
    """The holder's; after a take-over the new one's; of what is completed, that of who completed it."""
    job = await table.claimed("token")
    assert job.lease is not None
    assert (await look(table, job)).token == job.lease.token
    taken = await table.taken_over(job)
    assert taken.lease is not None
    late = await add(table, job, "late")
    seen = await look(table, job)
    assert (seen.token, list(seen.pieces)) == (taken.lease.token, late)
    assert taken.revision > job.revision
    await table.store.record(advance(taken, Succeeded(a_completion()), LATER), taken.lease.token)
    assert (await look(table, job)).token == taken.lease.token


@pytest.mark.parametrize("event", NON_TERMINAL)
async def test_nobodys_text_counts_while_a_job_waits(table: Table, event: str) -> None:
    """Its last attempt is void."""
    held, after = await table.worked(event)
    await table.store.record(after, "token")
    assert (await look(table, held)).token is None


async def test_text_expires(table: Table) -> None:
    """By its own time, for it is of use for a while only."""
    if table.client is None:
        return
    job = await table.claimed("token")
    await add(table, job, "said")
    items = await table.client.query(
        TableName=table.name, KeyConditionExpression="pk = :pk AND begins_with(sk, :text)",
        ExpressionAttributeValues={":pk": {"S": f"{table.tenant}#{job.request_id}"}, ":text": {"S": "#text#"}},
    )  # fmt: skip
    assert [item["expires_at"]["N"] for item in items["Items"]] == [str(int(TOMORROW.timestamp()))]


async def test_much_text_comes_whole(table: Table) -> None:
    """More than one answer of the table holds."""
    job = await table.claimed("token")
    pieces = await add(table, job, *(f"{i}" * 200_000 for i in range(7)))
    assert list((await look(table, job)).pieces) == pieces


async def test_a_job_keeps_that_it_is_streamed(table: Table) -> None:
    """Through its life."""
    held, after = await table.worked("retry", stream=True)
    assert held.stream
    await table.store.record(after, "token")
    await table.holds(replace(after, revision=held.revision + 1))
