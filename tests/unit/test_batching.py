"""Batches: as large as the load makes them, and every caller gets its own result."""

import asyncio
from collections.abc import Sequence

import pytest

from quarry.batching import Batcher
from quarry.testing import FakeClock


class Flushes:
    """A flush that waits until it is told to go on. The result of an item is the item, in capitals."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.most_at_once = 0
        self.going = asyncio.Event()
        self.failures: dict[str, Exception] = {}
        self._under_way = 0

    async def __call__(self, items: Sequence[str]) -> Sequence[str | Exception]:
        self.batches.append(list(items))
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        await self.going.wait()
        self._under_way -= 1
        if "everything" in self.failures:
            raise self.failures["everything"]
        return [self.failures.get(item, item.upper()) for item in items]


@pytest.fixture
async def flushes() -> Flushes:
    return Flushes()


def submit(batcher: Batcher[str, str], items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(batcher.submit(item)) for item in items]


async def test_the_first_item_waits_for_nobody(flushes: Flushes, clock: FakeClock) -> None:
    """An idle system adds no delay."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=10)
    assert await batcher.submit("a") == "A"
    assert await batcher.submit("b") == "B"
    assert flushes.batches == [["a"], ["b"]]


async def test_what_arrives_meanwhile_leaves_together(flushes: Flushes, clock: FakeClock) -> None:
    """In the order in which it came, and each caller gets the result of its own item."""
    batcher = Batcher(flushes, limit=10, concurrency=1)
    first = submit(batcher, "a")
    await clock.settle()
    others = submit(batcher, "bcd")
    await clock.settle()
    assert flushes.batches == [["a"]]
    flushes.going.set()
    assert await asyncio.gather(*first, *others) == ["A", "B", "C", "D"]
    assert flushes.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_its_limit(flushes: Flushes, clock: FakeClock) -> None:
    """What does not fit leaves with the next."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=3, concurrency=1)
    assert await asyncio.gather(*submit(batcher, "abcdefgh")) == list("ABCDEFGH")
    assert flushes.batches == [list("abc"), list("def"), list("gh")]


async def test_flushes_run_side_by_side_up_to_a_bound(flushes: Flushes, clock: FakeClock) -> None:
    """A slow one does not hold up the others; there are never more than allowed."""
    batcher = Batcher(flushes, limit=1, concurrency=2)
    tasks = submit(batcher, "abcd")
    await clock.settle()
    assert flushes.batches == [["a"], ["b"]]
    flushes.going.set()
    assert await asyncio.gather(*tasks) == list("ABCD")
    assert flushes.most_at_once == 2


async def test_what_follows_closely_gathers_until_the_batch_is_whole(flushes: Flushes, clock: FakeClock) -> None:
    """Whole, it leaves at once, however long it might have gathered."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=3, gather_seconds=1000)
    assert await batcher.submit("a") == "A"
    others = submit(batcher, "bc")
    await clock.settle()
    assert flushes.batches == [["a"]]
    assert await asyncio.gather(*others, *submit(batcher, "d")) == ["B", "C", "D"]
    assert flushes.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_that_is_never_whole_leaves_when_it_has_gathered(flushes: Flushes, clock: FakeClock) -> None:
    """It takes `gather_seconds`, and no more comers."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=3, gather_seconds=0.1)
    assert await batcher.submit("a") == "A"
    assert await asyncio.gather(*submit(batcher, "bc")) == ["B", "C"]
    assert flushes.batches == [["a"], ["b", "c"]]


async def test_an_item_fails_alone(flushes: Flushes, clock: FakeClock) -> None:
    """An exception among the results is raised for its item."""
    flushes.going.set()
    flushes.failures["b"] = ValueError("b")
    results = await asyncio.gather(*submit(Batcher(flushes, limit=10), "abc"), return_exceptions=True)
    assert results == ["A", flushes.failures["b"], "C"]


async def test_a_failed_flush_fails_all_its_items(flushes: Flushes, clock: FakeClock) -> None:
    """And no others: the next flush is a new try."""
    flushes.going.set()
    flushes.failures["everything"] = OSError("no network")
    batcher = Batcher(flushes, limit=10)
    results = await asyncio.gather(*submit(batcher, "abc"), return_exceptions=True)
    assert [type(each) for each in results] == [OSError] * 3
    flushes.failures.clear()
    assert await batcher.submit("d") == "D"


async def test_a_flush_that_miscounts_fails_its_items(clock: FakeClock) -> None:
    """A bug there must not leave its callers waiting for ever."""

    async def forgetful(items: Sequence[str]) -> Sequence[str | Exception]:
        return items[1:]

    results = await asyncio.gather(*submit(Batcher(forgetful, limit=10), "abc"), return_exceptions=True)
    assert [type(each) for each in results] == [ValueError] * 3


async def test_who_goes_away_leaves_the_item_and_the_others(flushes: Flushes, clock: FakeClock) -> None:
    """Cancelling the wait does not take the item back, and harms nobody who shares the flush."""
    batcher = Batcher(flushes, limit=10)
    gone, stays = submit(batcher, "ab")
    await clock.settle()
    gone.cancel()
    await clock.settle()
    assert gone.cancelled()
    flushes.going.set()
    assert await stays == "B"
    assert flushes.batches == [["a", "b"]]


async def test_closing_waits_for_what_was_handed_in(flushes: Flushes, clock: FakeClock) -> None:
    """Also for what has not left yet."""
    batcher = Batcher(flushes, limit=1, concurrency=1)
    tasks = submit(batcher, "abc")
    await clock.settle()
    closing = asyncio.create_task(batcher.close())
    await clock.settle()
    assert not closing.done()
    flushes.going.set()
    await closing
    await clock.settle()
    assert [task.result() for task in tasks] == ["A", "B", "C"]
    await batcher.close()


async def test_what_comes_as_a_flush_ends_is_not_left(flushes: Flushes, clock: FakeClock) -> None:
    """Handed in from the very step in which the result of another one arrives."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=10, concurrency=1)
    first: asyncio.Future[str] = asyncio.ensure_future(batcher.submit("a"))
    second: list[asyncio.Task[str]] = []
    first.add_done_callback(lambda _: second.extend(submit(batcher, "b")))
    await clock.settle()
    assert flushes.batches == [["a"], ["b"]]
    assert await second[0] == "B"


async def test_what_is_cut_off_is_not_carried_out_later(flushes: Flushes, clock: FakeClock) -> None:
    """Whoever waits is told, what had not begun never begins, and the next item has a flush of its own."""
    batcher = Batcher(flushes, limit=1, concurrency=1)
    tasks = submit(batcher, "ab")
    await clock.settle()
    [flush] = asyncio.all_tasks() - {asyncio.current_task(), *tasks}
    flush.cancel()
    await clock.settle()
    assert [task.cancelled() for task in tasks] == [True, True]
    flushes.going.set()
    assert await batcher.submit("c") == "C"
    assert flushes.batches == [["a"], ["c"]]


async def test_a_gathering_that_is_cut_off_ends(flushes: Flushes, clock: FakeClock) -> None:
    """What comes after it is not gathered in vain."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=3, gather_seconds=1000)
    assert await batcher.submit("a") == "A"
    tasks = submit(batcher, "b")
    await clock.settle()
    [gathering] = asyncio.all_tasks() - {asyncio.current_task(), *tasks}
    gathering.cancel()
    await clock.settle()
    assert tasks[0].cancelled()
    assert await asyncio.gather(*submit(batcher, "cde")) == ["C", "D", "E"]


async def test_who_was_answered_may_ask_again_at_once(flushes: Flushes, clock: FakeClock) -> None:
    """Where one flush at a time is allowed, the one that answered is over by then: nothing waits for a flush that takes no more."""
    flushes.going.set()
    batcher = Batcher(flushes, limit=1, concurrency=1)
    async with asyncio.timeout(5):
        assert [await batcher.submit(item) for item in "abc"] == ["A", "B", "C"]
