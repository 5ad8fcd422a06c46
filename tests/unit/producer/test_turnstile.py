"""Refusals, one by one."""

import asyncio

from producer.auth.turnstile import PER_SECOND, WAIT_MAX_SECONDS, Turnstile
from quarry.testing.clock import FakeClock


async def turns(clock: FakeClock, turnstile: Turnstile, count: int) -> list[float]:
    """When each of so many that come at once has its turn, in seconds from now."""
    began, ends = clock.monotonic(), []

    async def one() -> None:
        await turnstile.turn()
        ends.append(clock.monotonic() - began)

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(0)
    await clock.advance(2 * WAIT_MAX_SECONDS)
    await asyncio.gather(*tasks)
    return ends


async def test_a_single_one_does_not_wait() -> None:
    """Nor does the next, a while later."""
    clock = FakeClock()
    turnstile = Turnstile(clock)
    for _ in range(3):
        assert await turns(clock, turnstile, 1) == [0]


async def test_many_at_once_leave_at_a_pace() -> None:
    """One after the other."""
    clock = FakeClock()
    ends = await turns(clock, Turnstile(clock), 50)
    assert [round(end * PER_SECOND, 3) for end in ends] == list(range(50))


async def test_nobody_waits_for_ever() -> None:
    """However many come; and afterwards nothing is left of the queue."""
    clock = FakeClock()
    turnstile = Turnstile(clock)
    ends = await turns(clock, turnstile, int(2 * PER_SECOND * WAIT_MAX_SECONDS))
    assert max(ends) == WAIT_MAX_SECONDS
    assert await turns(clock, turnstile, 1) == [0]
