"""Running a suspect alone: a job whose workers died twice may be what kills them, and must take no neighbour along.

Deliveries *enter* before their claim and leave after their settlement. A suspect, known as one by its claim, waits until everybody
else has left; meanwhile nobody enters. While the door is shut, nothing is received.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from quarry.job import Job

#: Two deaths may be chance (a deploy, a reclaimed host); the third could be the job's doing. Our own choice.
SUSPECT_AFTER_TAKEOVERS: Final = 2


def is_suspect(job: Job) -> bool:
    """Whether a claimed job should run alone."""
    return job.takeovers >= SUSPECT_AFTER_TAKEOVERS


class Isolation:
    """A door that one at a time may shut behind the others."""

    def __init__(self, patience_seconds: float = 300.0) -> None:
        # How long a worker takes nothing in for the sake of one job. The default is our own choice: longer than most calls.
        self._patience = patience_seconds
        self._inside = 0
        self._open, self._alone = asyncio.Event(), asyncio.Event()
        self._open.set()

    @property
    def is_open(self) -> bool:
        """Whether a delivery may enter."""
        return self._open.is_set()

    async def opened(self) -> None:
        """Wait until the door is open."""
        await self._open.wait()

    def enter(self) -> None:
        """Go in. Only while the door is open."""
        self._inside += 1

    def leave(self) -> None:
        """Go out."""
        self._inside -= 1
        if self._inside == 1:
            self._alone.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Be the only one inside while the block runs; gives False where another one has shut the door, or others do not leave."""
        if not self.is_open:
            yield False
            return
        self._open.clear()
        self._alone.clear()
        try:
            yield await self._others_left()
        finally:
            self._open.set()

    async def _others_left(self) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                if self._inside > 1:
                    await self._alone.wait()
        except TimeoutError:
            return False
        return True
