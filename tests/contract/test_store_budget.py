"""The store port, sentence by sentence: the fake, and the DynamoDB adapter on two emulators. Here: budgets."""

import asyncio
from datetime import datetime, timedelta

import pytest

from quarry.job import Succeeded, advance
from quarry.store.base import Booking, Tally
from quarry.testing import NOW, a_completion
from tests.contract.tables import LATER, Table

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = timedelta(seconds=1)
ODD = timedelta(microseconds=1_234_567)


async def book(
    table: Table, stretch: timedelta = SECOND, room: timedelta = 10 * SECOND, now: datetime = NOW, seen: datetime | None = None
) -> Booking:
    """Of the budget of this test, ten seconds ahead at most."""
    return await table.store.book(table.tenant, stretch, now + room, now, seen)


async def test_what_is_booked_follows_on_what_was(table: Table) -> None:
    """To the microsecond, whatever the caller believed before."""
    first = await book(table, ODD)
    assert first == Booking(NOW + ODD, booked=True)
    assert await book(table, seen=first.until) == Booking(NOW + ODD + SECOND, booked=True)
    assert await book(table, seen=None) == Booking(NOW + ODD + 2 * SECOND, booked=True)
    assert await book(table, seen=NOW + 9 * SECOND) == Booking(NOW + ODD + 3 * SECOND, booked=True)


async def test_what_was_booked_and_has_passed_is_as_nothing(table: Table) -> None:
    """A new stretch begins now, whether the caller knows of the old one or not."""
    await book(table)
    later = NOW + 5 * SECOND
    assert (await book(table, now=later, seen=NOW + SECOND)).until == later + SECOND
    much_later = later + 100 * SECOND
    assert (await book(table, now=much_later, seen=much_later + SECOND)).until == much_later + SECOND


@pytest.mark.parametrize("seen", [None, NOW + 10 * SECOND, NOW + SECOND])
async def test_nothing_is_booked_beyond_the_end(table: Table, seen: datetime | None) -> None:
    """And the caller learns what is."""
    await book(table, 10 * SECOND)
    assert await book(table, seen=seen) == Booking(NOW + 10 * SECOND, booked=False)
    assert await book(table, now=NOW + SECOND, seen=seen) == Booking(NOW + 11 * SECOND, booked=True)


async def test_what_is_given_back_can_be_booked_again(table: Table) -> None:
    """Whoever gives it back."""
    await book(table, 10 * SECOND)
    assert (await book(table, -3 * SECOND, seen=NOW + 10 * SECOND)).until == NOW + 7 * SECOND
    assert (await book(table, 3 * SECOND)).booked


async def test_of_many_who_book_at_once_as_many_succeed_as_there_is_room(table: Table) -> None:
    """Nobody overwrites another's."""
    await book(table, 2 * SECOND)
    found = await asyncio.gather(*(book(table, seen=NOW + 2 * SECOND) for _ in range(16)))
    assert sum(each.booked for each in found) == 8
    assert {each.until for each in found if each.booked} == {NOW + each * SECOND for each in range(3, 11)}


async def test_budgets_are_apart(table: Table) -> None:
    """By their names, and from jobs."""
    await book(table, 10 * SECOND)
    assert (await table.store.book(f"{table.tenant}-other", SECOND, NOW + SECOND, NOW, None)).booked
    await table.holds(await table.submitted())


# --- jobs under way ---------------------------------------------------------------------------------------------------


async def test_what_is_not_over_is_counted(table: Table) -> None:
    """By tenant, whatever state it is in; what is over is not."""
    assert table.tenant not in await table.store.unfinished()
    for _ in range(3):
        await table.submitted(check_at=NOW)
    await table.claimed(check_at=NOW)
    assert (await table.store.unfinished())[table.tenant] == 4
    held = await table.claimed("token", check_at=NOW)
    await table.store.record(advance(held, Succeeded(a_completion()), LATER), "token")
    assert (await table.store.unfinished())[table.tenant] == 4


async def test_the_last_tally_is_read_as_it_was_written(table: Table) -> None:
    """In place of the one before."""
    first = Tally(NOW, {"acme": 3, "a-b_C": 1_000_000}, {"acme": 0.125})
    await table.store.put_tally(first)
    assert await table.store.tally() == first
    await table.store.put_tally(Tally(LATER, {}))
    assert await table.store.tally() == Tally(LATER, {})
