"""The routes file is followed: what it says now holds, and what it cannot mean changes nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import ConfigurationError, StoreUnavailable
from quarry.followed_file import LOOK_SECONDS, SETTLED_SECONDS
from quarry.inference.reload import RoutesFile
from quarry.inference.routes import Routes
from quarry.inference.routes_file import load_routes
from quarry.telemetry.metrics import FilesMetrics
from quarry.testing import FakeClock

#: A look reads the file, reads it again, and loads it: more than the rounds to a thread that this takes.
_HOPS = 4
ENOUGH = LOOK_SECONDS + 2 * SETTLED_SECONDS


class Followed:
    """A routes file, and what follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("one")
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        load = partial(load_routes, str(path), "us-east-1")
        self.file = RoutesFile(str(path), load, FilesMetrics(self.registry), self.clock)
        self.prepared: list[Routes] = []
        self.unready: Exception | None = None
        self.file.prepare = self.prepare

    def write(self, *models: str) -> None:
        targets = "".join(f'[[routes.default.targets]]\nprovider = "echo"\nmodel = "{model}"\n' for model in models)
        self.path.write_text(targets)

    async def prepare(self, routes: Routes) -> None:
        if self.unready:
            raise self.unready
        self.prepared.append(routes)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
        task = asyncio.create_task(self.file.keep())
        await self.clock.settle()
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def pass_time(self, seconds: float = ENOUGH) -> None:
        """Second by second; what is read in a thread meanwhile has been read."""
        for _ in range(int(seconds)):
            await self.clock.advance(1)
            for _ in range(_HOPS):
                # There is one thread: what was handed to it before is done.
                await asyncio.to_thread(lambda: None)
                await self.clock.settle()

    @property
    def models(self) -> list[str]:
        return [each.target.model for each in self.file.routes.resolve("default").targets]

    def counted(self, outcome: str) -> float:
        return self.registry.get_sample_value("quarry_routes_reloads_total", {"outcome": outcome}) or 0.0

    @property
    def refused(self) -> float | None:
        return self.registry.get_sample_value("quarry_routes_refused")


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "routes.toml")


async def test_a_changed_file_holds_soon(followed: Followed) -> None:
    """For what is asked from then on; a route that was handed out stays as it was."""
    async with followed.following():
        begun = followed.file.routes.resolve("default")
        followed.write("two", "three")
        await followed.pass_time()
        assert followed.models == ["two", "three"]
        assert [each.target.model for each in begun.targets] == ["one"]
        assert [list(routes) for routes in followed.prepared] == [list(followed.file.routes)]
    assert (followed.counted("reloaded"), followed.counted("refused"), followed.refused) == (1, 0, 0)


async def test_an_unchanged_file_is_left_alone(followed: Followed) -> None:
    """Written anew with the same content, it is the same."""
    async with followed.following():
        followed.write("one")
        await followed.pass_time(3 * ENOUGH)
    assert (followed.prepared, followed.counted("reloaded")) == ([], 0)


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("[routes"), lambda path: path.unlink()], ids=["wrong", "gone"])
async def test_a_wrong_file_changes_nothing_and_is_told_of_once(followed: Followed, spoil: Callable[[Path], None]) -> None:
    """The earlier routes go on serving, and the metric stays up until the file is right again, be it what it was."""
    async with followed.following():
        spoil(followed.path)
        await followed.pass_time(4 * ENOUGH)
        assert (followed.models, followed.counted("refused"), followed.refused) == (["one"], 1, 1)
        followed.write("one")
        await followed.pass_time(4 * ENOUGH)
        assert (followed.models, followed.counted("reloaded"), followed.refused) == (["one"], 1, 0)


async def test_what_is_still_being_written_is_not_taken(followed: Followed) -> None:
    """Half of a file can be a file: it is taken once it is the same twice."""
    async with followed.following():
        followed.write("two")
        await followed.pass_time(LOOK_SECONDS)
        followed.write("two", "three")
        assert followed.models == ["one"]
        await followed.pass_time(SETTLED_SECONDS)
        assert followed.models == ["one"]
        await followed.pass_time(SETTLED_SECONDS)
    assert followed.models == ["two", "three"]
    assert len(followed.prepared) == 1


@pytest.mark.parametrize("why", [StoreUnavailable("no key"), RuntimeError("a bug of ours")], ids=repr)
async def test_routes_hold_only_once_their_providers_are_open(followed: Followed, why: Exception) -> None:
    """What cannot be opened now is tried again, and told of once; whatever the reason, the process goes on."""
    async with followed.following():
        followed.unready = why
        followed.write("two")
        await followed.pass_time(4 * ENOUGH)
        assert (followed.models, followed.counted("refused"), followed.refused) == (["one"], 1, 1)
        followed.unready = None
        await followed.pass_time()
    assert (followed.models, followed.refused) == (["two"], 0)


async def test_sighup_has_it_read_at_once_and_told_again(followed: Followed) -> None:
    """Whoever asks gets an answer, even where nothing has changed."""
    async with followed.following():
        os.kill(os.getpid(), signal.SIGHUP)
        await followed.pass_time(1)
        assert followed.counted("reloaded") == 1
        followed.path.write_text("[routes")
        await followed.pass_time()
        assert followed.counted("refused") == 1
        os.kill(os.getpid(), signal.SIGHUP)
        await followed.pass_time(1)
        assert followed.counted("refused") == 2
        followed.write("two")
        os.kill(os.getpid(), signal.SIGHUP)
        await followed.pass_time(2 * SETTLED_SECONDS)
        assert followed.models == ["two"]


async def test_a_file_that_is_wrong_at_the_start_is_an_error(tmp_path: Path) -> None:
    """There are no earlier routes to go on with."""
    path = str(tmp_path / "none")
    with pytest.raises(ConfigurationError):
        RoutesFile(path, partial(load_routes, path, ""), FilesMetrics(CollectorRegistry()), FakeClock())
