"""Concurrent calls share one request to AWS, without waiting for each other.

While nothing is under way, the first item goes out at once; what arrives meanwhile leaves together with the next free flush.
So a batch is as large as the load makes it, and an idle system adds no delay. Where nobody is in a hurry, items may also gather
for a moment, as long as they come one soon after the other.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Collects items and flushes them, at most `limit` at a time in at most `concurrency` flushes.

    `flush` takes the items and returns one result per item, in order; an entry that is an exception is raised for its item
    alone. What `flush` raises is raised for all its items. An item that comes less than `gather_seconds` after the one before
    waits that long for more of them; at most a batch waits so.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        limit: int,
        concurrency: int = 4,
        gather_seconds: float = 0.0,
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._concurrency = concurrency
        self._gather_seconds = gather_seconds
        self._came = -math.inf
        #: Until a batch is whole, or it has taken long enough.
        self._gathering: asyncio.Event | None = None
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._flushes: set[asyncio.Task[None]] = set()

    async def submit(self, item: T) -> R:
        """Hand in one item and wait for its result. Cancelling the wait does not take the item back."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        soon, self._came = loop.time() - self._came < self._gather_seconds, loop.time()
        if self._gathering:
            if len(self._waiting) >= self._limit:
                self._gathering.set()
        elif len(self._flushes) < self._concurrency:
            self._gathering = asyncio.Event() if soon else None
            task = asyncio.create_task(self._run(self._gathering))
            self._flushes.add(task)
        return await future

    async def close(self) -> None:
        """Wait until everything handed in has its result."""
        while self._flushes:
            await asyncio.wait(self._flushes)

    async def _run(self, whole: asyncio.Event | None) -> None:
        try:
            if whole:
                await self._gathered(whole)
            while self._waiting and not self._gathering:
                count = min(self._limit, len(self._waiting))
                await self._flushed([self._waiting.popleft() for _ in range(count)])
        except asyncio.CancelledError:
            # What is cut off is not carried out later, for somebody else: whoever handed it in was told already.
            while self._waiting:
                self._waiting.popleft()[1].cancel()
            raise
        finally:
            # In the same step in which nothing was waiting any more: what comes next begins a flush of its own.
            self._flushes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _gathered(self, whole: asyncio.Event) -> None:
        timer = asyncio.get_running_loop().call_later(self._gather_seconds, whole.set)
        try:
            await whole.wait()
        finally:
            timer.cancel()
            self._gathering = None

    async def _flushed(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        results: Sequence[R | Exception]
        try:
            results = await self._flush([item for item, _ in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results for {len(batch)} items")  # noqa: TRY301 - as what it raises itself
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # its caller went away
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
