"""Refusals leave one by one, so that a flood of wrong credentials waits for itself, and whoever has a right one does not wait. Who
errs in the middle of a flood waits with it, for five seconds at most.

Who tries credentials as fast as they are answered would have this process do nothing else. It is the answer that waits, and not the
next request of the connection, over which a load balancer may send somebody else's.
"""

from typing import Final

from quarry.clock import Clock

#: Our own choices. Of a core's time so many take a few hundredths; a caller who errs now and then is not held up.
PER_SECOND: Final = 100
#: However many wait: each has its connection, or is let go, and connections are bounded.
WAIT_MAX_SECONDS: Final = 5.0


class Turnstile:
    """What refusals go through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_at = clock.monotonic()

    async def turn(self) -> None:
        """Wait for one's turn."""
        now = self._clock.monotonic()
        mine = min(max(self._free_at, now), now + WAIT_MAX_SECONDS)
        self._free_at = mine + 1 / PER_SECOND
        if mine > now:
            await self._clock.sleep(mine - now)
