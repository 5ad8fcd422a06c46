"""Time: instants that survive the store, and a clock that a test can hold still."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from quarry.clock import EPOCH, CorrectedClock, SystemClock, from_epoch_ms, to_epoch_ms, to_rfc3339
from quarry.testing import NOW, FakeClock


@pytest.mark.parametrize("milliseconds", [0, 1, -1, 999, 1_795_262_400_123, 253_402_300_799_999])
def test_an_instant_survives_the_store(milliseconds: int) -> None:
    """Milliseconds and instants are the same thing, back and forth, without rounding."""
    assert to_epoch_ms(from_epoch_ms(milliseconds)) == milliseconds
    assert from_epoch_ms(milliseconds) - EPOCH == timedelta(milliseconds=milliseconds)


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    """What is kept and shown is UTC."""
    noon = datetime(2026, 11, 21, 13, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1)))
    assert from_epoch_ms(to_epoch_ms(noon)) == datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)
    assert to_rfc3339(noon) == "2026-11-21T12:00:00.123Z"


def test_the_system_clock_knows_whole_milliseconds() -> None:
    """What the store keeps is what was compared."""
    before, now = datetime.now(UTC), SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0
    assert abs(now - before) < timedelta(seconds=5)


async def test_the_system_clock_does_not_wait_for_what_is_over() -> None:
    """Zero or less returns at once."""
    await asyncio.wait_for(SystemClock().sleep(-1), timeout=1)


async def test_a_fake_clock_stands_still(clock: FakeClock) -> None:
    """Until it is told to go on."""
    sleeper = asyncio.create_task(clock.sleep(10))
    await clock.settle()
    assert (clock.now(), clock.monotonic(), clock.sleepers) == (NOW, 0, 1)
    await clock.advance(9.999)
    assert not sleeper.done()
    await clock.advance(0.001)
    assert sleeper.done()
    assert (clock.now(), clock.monotonic(), clock.sleepers) == (NOW + timedelta(seconds=10), 10, 0)


async def test_sleepers_wake_in_order_each_at_its_own_instant(clock: FakeClock) -> None:
    """Also those that fall asleep again on the way."""
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, *seconds: float) -> None:
        for each in seconds:
            await clock.sleep(each)
            woken.append((name, clock.monotonic()))

    sleepers = [asyncio.create_task(sleep("slow", 5)), asyncio.create_task(sleep("quick", 1, 1, 4))]
    await clock.advance(100)
    assert woken == [("quick", 1), ("quick", 2), ("slow", 5), ("quick", 6)]
    assert clock.monotonic() == 100
    await asyncio.gather(*sleepers)


async def test_who_was_cancelled_is_not_woken(clock: FakeClock) -> None:
    """Nor counted."""
    sleeper = asyncio.create_task(clock.sleep(1))
    await clock.settle()
    sleeper.cancel()
    await clock.advance(2)
    assert sleeper.cancelled()
    assert clock.sleepers == 0


async def test_a_correction_moves_the_wall_clock_alone(clock: FakeClock) -> None:
    """Differences of the monotonic clock mean what they meant."""
    sleeper = asyncio.create_task(clock.sleep(1))
    await clock.settle()
    clock.jump(-3600)
    assert (clock.now(), clock.monotonic()) == (NOW - timedelta(hours=1), 0)
    clock.jump(7200)
    await clock.settle()
    assert not sleeper.done()
    await clock.advance(1)
    assert clock.now() == NOW + timedelta(hours=1, seconds=1)


async def test_running_something_skips_the_waits(clock: FakeClock) -> None:
    """Time goes as far as it is needed, and no further."""

    async def work() -> str:
        await clock.sleep(3600)
        await clock.sleep(60)
        return "done"

    other = asyncio.create_task(clock.sleep(100_000))
    assert await clock.run(work()) == "done"
    assert clock.monotonic() == 3660
    other.cancel()


async def test_running_what_time_does_not_bring_fails(clock: FakeClock) -> None:
    """Instead of hanging."""
    with pytest.raises(AssertionError, match="time does not bring"):
        await clock.run(asyncio.Event().wait())


async def test_a_view_is_a_machine_whose_wall_clock_is_off(clock: FakeClock) -> None:
    """Time passes alike for all; a jump is this machine's alone."""
    ahead, behind = clock.view(3), clock.view(-2)
    await clock.advance(10)
    ahead.offset_seconds += 60
    assert (ahead.now() - clock.now()).total_seconds() == 63
    assert (behind.now() - clock.now()).total_seconds() == -2
    assert ahead.monotonic() == behind.monotonic() == clock.monotonic()
    waiting = asyncio.ensure_future(ahead.sleep(5))
    await clock.advance(5)
    assert waiting.done()


def dated(offset_seconds: float) -> str:
    """The date of an answer by a clock that is so far ahead of the fake's."""
    return format_datetime(NOW + timedelta(seconds=offset_seconds), usegmt=True)


@pytest.mark.parametrize("offset", [-86_400, -30, -4, 4, 30, 86_400])
def test_a_machine_whose_clock_is_off_goes_by_that_of_aws(clock: FakeClock, offset: float) -> None:
    """Leases are judged by the clocks of several machines."""
    corrected = CorrectedClock(clock)
    corrected.observe(dated(offset), clock.monotonic())
    assert abs(corrected.offset_seconds() - offset) < 1
    assert abs((corrected.now() - clock.now()).total_seconds() - offset) < 1


@pytest.mark.parametrize("offset", [-1.2, 0, 1.2])
def test_what_a_date_cannot_tell_is_left_alone(clock: FakeClock, offset: float) -> None:
    """It was cut to the second, and some time on its way."""
    corrected = CorrectedClock(clock)
    corrected.observe(dated(offset), clock.monotonic())
    assert corrected.now() == clock.now()


async def test_a_machine_whose_time_is_set_anew_does_not_jump(clock: FakeClock) -> None:
    """What was judged before the correction and what is judged after it belong together; AWS's clock is the judge."""
    corrected = CorrectedClock(clock)
    await clock.advance(10)
    clock.jump(70)
    assert corrected.now() == NOW + timedelta(seconds=10)
    corrected.observe(dated(10), clock.monotonic())
    assert corrected.now() == NOW + timedelta(seconds=10)
    assert corrected.offset_seconds() == -70


async def test_an_answer_that_lay_here_while_the_process_was_stopped_says_nothing(clock: FakeClock) -> None:
    """Its date is old by the length of the pause."""
    corrected, date, asked_at = CorrectedClock(clock), dated(0), clock.monotonic()
    await clock.advance(40)
    corrected.observe(date, asked_at)
    assert corrected.now() == clock.now()


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 21 Nov 2026 06:15:50", "Sat, 99 Nov 2026 06:15:50 GMT"])
def test_a_date_that_is_none_changes_nothing(clock: FakeClock, date: str) -> None:
    """Some proxies send nonsense."""
    corrected = CorrectedClock(clock)
    corrected.observe(date, clock.monotonic())
    assert corrected.now() == clock.now()
