"""Bytes in flight: who gets room, in what order, and that none is lost."""

import asyncio

import pytest

from worker.budget import Budget

TURNS = 5


async def settle() -> None:
    """Let tasks run until they wait."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Jobs:
    """Jobs that hold a share until they are told to end."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.running: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str, size_bytes: int) -> None:
        """Start one; it runs once it has its share."""
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, size_bytes))
        await settle()

    async def end(self, name: str) -> None:
        """End one."""
        self._ends[name].set()
        await settle()

    async def cancel(self, name: str) -> None:
        """Cancel one, whether it runs or waits."""
        self.tasks[name].cancel()
        await settle()

    async def _run(self, name: str, size_bytes: int) -> None:
        with self.budget.share(size_bytes) as share:
            await share.take()
            self.running.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.running.remove(name)


@pytest.fixture
def jobs() -> Jobs:
    """None yet, with room for ten bytes."""
    return Jobs(Budget(10))


async def test_jobs_run_together_up_to_the_budget(jobs: Jobs) -> None:
    """The next one waits until there is room for all of it."""
    for name in "abc":
        await jobs.start(name, 4)
    assert jobs.running == ["a", "b"]
    await jobs.end("a")
    assert jobs.running == ["b", "c"]
    await jobs.end("b")
    await jobs.end("c")
    assert jobs.budget.used_bytes == 0


async def test_who_comes_first_is_served_first(jobs: Jobs) -> None:
    """A large job is not passed by small ones for ever."""
    await jobs.start("a", 6)
    await jobs.start("large", 8)
    await jobs.start("small", 1)
    assert jobs.running == ["a"]
    await jobs.end("a")
    assert jobs.running == ["large", "small"]


async def test_a_job_larger_than_the_budget_runs_alone(jobs: Jobs) -> None:
    """It must run at some time, and nothing beside it."""
    await jobs.start("a", 1)
    await jobs.start("huge", 100)
    await jobs.start("b", 1)
    assert jobs.running == ["a"]
    await jobs.end("a")
    assert jobs.running == ["huge"]
    await jobs.end("huge")
    assert jobs.running == ["b"]


async def test_who_is_cancelled_while_waiting_holds_nobody_up(jobs: Jobs) -> None:
    """Those behind it move up, and it takes nothing along."""
    await jobs.start("a", 6)
    await jobs.start("large", 8)
    await jobs.start("small", 4)
    await jobs.cancel("large")
    assert jobs.running == ["a", "small"]
    await jobs.cancel("a")
    await jobs.end("small")
    assert (jobs.running, jobs.budget.used_bytes) == ([], 0)


async def test_who_is_cancelled_in_the_moment_of_being_served_gives_it_back(jobs: Jobs) -> None:
    """It never learns that the room was its own."""
    await jobs.start("a", 10)
    await jobs.start("b", 10)
    await jobs.start("c", 10)
    jobs.tasks["a"].cancel()
    await asyncio.sleep(0)  # a's share has gone to b, which has not run yet
    assert jobs.budget.used_bytes == 10
    assert jobs.running == []
    await jobs.cancel("b")
    assert jobs.running == ["c"]
    await jobs.end("c")
    assert jobs.budget.used_bytes == 0


async def test_who_was_cancelled_just_before_being_served_is_passed_over() -> None:
    """In the same turn of the event loop: who ends is not harmed, and the next one is served."""
    budget = Budget(10)
    await budget.take(10)
    gone, next_one = (asyncio.create_task(budget.take(10)) for _ in range(2))
    await settle()
    gone.cancel()
    budget.give_back(10)
    await settle()
    assert gone.cancelled()
    assert next_one.done()
    assert budget.used_bytes == 10


async def test_a_share_that_was_never_taken_is_not_given_back(jobs: Jobs) -> None:
    """An attempt may end before it needs any."""
    await jobs.start("a", 10)
    with jobs.budget.share(5):
        pass
    assert jobs.budget.used_bytes == 10
    await jobs.end("a")
