"""Concurrent calls share one request to AWS, without waiting for each other.

While nothing is under way, the first item goes out at once; what arrives meanwhile leaves together with the next free flush.
So a batch is as large as the load makes it, and an idle system adds no delay.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Collects items and flushes them, at most `limit` at a time in at most `concurrency` flushes.

    `flush` takes the items and returns one result per item, in order; an entry that is an exception is raised for its item
    alone. What `flush` raises is raised for all its items.
    """

    def __init__(
        self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], *, limit: int, concurrency: int = 4
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._concurrency = concurrency
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._flushes: set[asyncio.Task[None]] = set()

    async def submit(self, item: T) -> R:
        """Hand in one item and wait for its result. Cancelling the wait does not take the item back."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._flushes) < self._concurrency:
            task = asyncio.create_task(self._run())
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)
        return await future

    async def close(self) -> None:
        """Wait until everything handed in has its result."""
        while self._flushes:
            await asyncio.wait(self._flushes)

    async def _run(self) -> None:
        while self._waiting:
            count = min(self._limit, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            try:
                results = await self._flush([item for item, _ in batch])
                if len(results) != len(batch):
                    raise ValueError(f"{len(results)} results for {len(batch)} items")  # noqa: TRY301 - as what it raises itself
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                results = [error] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():  # its caller went away
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
