"""`Retry-After` is true: whoever comes exactly then is let in."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from producer.leasing import Leasing
from producer.shares import Bucket
from quarry.testing.clock import FakeClock
from quarry.testing.store import MemoryStore

#: Clocks count microseconds, which floats do not hold exactly: most seconds that are added up miss by the last bit.
PAUSES = st.lists(st.integers(0, 90_000_000).map(lambda microseconds: microseconds / 1e6), min_size=1, max_size=25)


@settings(max_examples=200, deadline=None)
@given(
    per_minute=st.integers(1, 10_000) | st.integers(60, 600),
    depth=st.integers(1, 20),
    pauses=PAUSES,
    hoards=st.booleans(),
    alone=st.booleans(),
)
def test_who_comes_when_told_is_let_in(per_minute: int, depth: int, pauses: list[float], hoards: bool, alone: bool) -> None:
    """Whatever was let in before, at whatever fractions of a second, by this process or also by another one."""

    async def come() -> None:
        clock, store, bucket = FakeClock(), MemoryStore(), Bucket(per_minute, depth)
        ours, other = (Leasing(store, clock, hoards=hoards) for _ in range(2))
        for pause in pauses:
            await clock.advance(pause)
            if not alone:
                await other.spend("acme", bucket)
            for _ in range(depth + 1):
                if seconds := await ours.spend("acme", bucket):
                    await clock.advance(seconds)
                    assert await ours.spend("acme", bucket) == 0
                    break

    asyncio.run(come())
