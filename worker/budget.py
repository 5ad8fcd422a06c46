"""Bytes in flight: beside its slots, a worker bounds how much content it holds at once.

Whoever comes first is served first, so that a large job is not passed by small ones for ever. A job larger than the whole budget
gets it when nobody else holds any.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """So many bytes, in shares."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used_bytes(self) -> int:
        """What is taken."""
        return self._used

    @contextmanager
    def share(self, size_bytes: int) -> Iterator["Share"]:
        """A share, not yet taken. It is given back at the end of the block, if it was."""
        share = Share(self, size_bytes)
        try:
            yield share
        finally:
            share.give_back()

    async def take(self, size_bytes: int) -> None:
        """Take so much, waiting until there is room."""
        if not self._waiting and self._has_room(size_bytes):
            self._used += size_bytes
            return
        waiter = size_bytes, asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter[1]
        except asyncio.CancelledError:
            if not waiter[1].cancelled():
                self.give_back(size_bytes)  # it was served in the moment in which it was cancelled
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
                self._serve()  # who waited behind may fit
            raise

    def give_back(self, size_bytes: int) -> None:
        """Give so much back."""
        self._used -= size_bytes
        self._serve()

    def _serve(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._has_room(self._waiting[0][0])):
            size_bytes, turn = self._waiting.popleft()
            if not turn.done():  # cancelled in this very turn of the event loop
                self._used += size_bytes
                turn.set_result(None)

    def _has_room(self, size_bytes: int) -> bool:
        return self._used == 0 or self._used + size_bytes <= self._limit


class Share:
    """What one job takes of a budget."""

    def __init__(self, budget: Budget, size_bytes: int) -> None:
        self._budget = budget
        self._size = size_bytes
        self._taken = False

    async def take(self) -> None:
        """Wait until there is room, and take it."""
        await self._budget.take(self._size)
        self._taken = True

    def give_back(self) -> None:
        """Give back what was taken."""
        if self._taken:
            self._taken = False
            self._budget.give_back(self._size)
