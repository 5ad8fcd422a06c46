"""The heartbeat: what is written, when, and what is heard of others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from quarry.errors import CircuitOpen, ModelFailed
from quarry.inference.board import Board
from quarry.inference.breaker import Limits
from quarry.inference.candidates import Candidate
from quarry.inference.governor import Governor
from quarry.inference.limiter import Word
from quarry.inference.routes import RouteTarget
from quarry.invocation import Invocation, Target
from quarry.store.base import Heartbeat, Origin
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import NOW, FakeClock, MemoryStore
from worker.heartbeat import BEAT_SECONDS, Heart, left
from worker.succession import Succession

TARGET = Target("bedrock", "us-east-1", "m")
PLACE = Candidate(RouteTarget(TARGET), Invocation(messages=(), max_tokens=1))


class Peer:
    """A worker's board and heart, at a table that it shares."""

    def __init__(self, name: str, clock: FakeClock, store: MemoryStore, offset_seconds: float = 0.0) -> None:
        self.registry = CollectorRegistry()
        self.metrics = InferenceMetrics(self.registry)
        self.board = Board(Limits(), self.metrics, clock)
        view = clock.view(offset_seconds)
        self.governor = Governor(self.metrics, clock, wait_seconds=10, draw=lambda: 0.5)
        self.succession = Succession(name, lambda: self.is_ready)
        self.is_ready = True
        self.heart = Heart(store, self.board, self.governor, self.succession, view, owner=name, slots=7, slots_in_use=lambda: 3)
        self.task = asyncio.create_task(self.heart.keep())

    def fail(self, times: int = 5) -> None:
        """The target fails here."""
        for _ in range(times):
            with pytest.raises(ModelFailed), self.board.call(TARGET):
                raise ModelFailed("x")

    def is_asked(self) -> bool:
        """Whether the target is."""
        try:
            self.board.admit(TARGET)
        except CircuitOpen:
            return False
        return True


class World:
    """Three workers."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), MemoryStore()
        self.peers = [Peer(name, self.clock, self.store, offset) for name, offset in (("a", 0.0), ("b", 0.3), ("c", -0.3))]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.clock.settle()
    yield made
    for each in made.peers:
        assert not each.task.done()
        each.task.cancel()


async def test_a_row_tells_who_is_there(world: World) -> None:
    """One of each worker, again and again; a worker that is gone is not there any more after a minute."""
    await world.clock.advance(10)
    rows = await world.store.heartbeats(world.clock.now())
    assert sorted((each.worker, each.slots, each.slots_in_use) for each in rows) == [("a", 7, 3), ("b", 7, 3), ("c", 7, 3)]
    assert max(world.clock.now() - each.at for each in rows) <= timedelta(seconds=BEAT_SECONDS + 2)
    world.peers[0].task.cancel()
    await world.clock.advance(70)
    assert sorted(each.worker for each in await world.store.heartbeats(world.clock.now())) == ["b", "c"]
    world.peers.pop(0)


async def test_an_opening_is_written_at_once_and_heeded_at_the_next_beat(world: World) -> None:
    """By those for whom it fails too, after one failure instead of five; by how much clocks differ matters little."""
    a, b, c = world.peers
    b.fail(1)
    a.fail()
    await world.clock.settle()
    [row] = [each for each in await world.store.heartbeats(world.clock.now()) if each.worker == "a"]
    assert row.openings == {str(TARGET): 30}
    assert b.is_asked()
    await world.clock.advance(BEAT_SECONDS)
    assert (a.is_asked(), b.is_asked(), c.is_asked()) == (False, False, True)


async def test_one_probe_is_enough_for_all(world: World) -> None:
    """The target fails for all at the same time; in the minutes after that the last one asks, and the others go by its word."""
    for each in world.peers:
        each.fail()
        await world.clock.advance(1)
    probes = {"a": 0, "b": 0, "c": 0}
    for _ in range(int(85 / 0.5)):
        for name, each in zip(probes, world.peers, strict=True):
            if each.is_asked():
                probes[name] += 1
                each.fail(1)
        await world.clock.advance(0.5)
    assert probes == {"a": 0, "b": 0, "c": 2}


async def test_its_return_is_noticed_by_all(world: World) -> None:
    """Within a beat or two of the one that asks first."""
    for each in world.peers:
        each.fail()
        await world.clock.advance(1)
    await world.clock.advance(27)
    assert [each.is_asked() for each in world.peers] == [False, False, False]
    await world.clock.advance(2)
    assert [each.is_asked() for each in world.peers] == [False, False, True]
    with world.peers[2].board.call(TARGET):
        pass
    await world.clock.advance(7)
    assert [each.is_asked() for each in world.peers] == [True, True, True]


async def test_without_the_table_each_goes_by_itself(world: World) -> None:
    """It is tried again at each beat."""
    world.store.fail_next("beat", times=4)
    await world.clock.advance(BEAT_SECONDS + 1)
    world.peers[0].fail()
    assert not world.peers[0].is_asked()
    await world.clock.advance(2 * BEAT_SECONDS)
    rows = await world.store.heartbeats(world.clock.now())
    assert [each.openings for each in rows if each.worker == "a"] == [{str(TARGET): pytest.approx(30, abs=2 * BEAT_SECONDS)}]


async def test_a_row_that_nobody_understands_stops_no_worker(world: World) -> None:
    """It may be of a newer version. Each goes on by itself, its own row too, until the other is gone."""
    strange: Any = {str(TARGET): "half-open"}
    await world.store.beat(Heartbeat("d", world.clock.now(), strange))
    await world.clock.advance(3 * BEAT_SECONDS)
    assert not any(each.task.done() for each in world.peers)
    rows = await world.store.heartbeats(world.clock.now())
    assert max(world.clock.now() - each.at for each in rows if each.worker != "d") <= timedelta(seconds=BEAT_SECONDS + 1)


async def test_what_limiters_found_goes_round(world: World) -> None:
    """What one has learned, another begins with, and tells in its turn. A row of another version says nothing."""
    a = world.peers[0]
    word = Word(50.0, None, pressed=True, spent=False, throttles=2, resumptions=2)
    await world.store.beat(Heartbeat("d", world.clock.now(), {}, {str(TARGET): word.dumped()}))
    await world.store.beat(Heartbeat("e", world.clock.now(), {}, {str(TARGET): "[1]"}))
    await world.clock.advance(BEAT_SECONDS)
    a.governor.enter(PLACE)
    await world.clock.advance(BEAT_SECONDS)
    rows = {each.worker: each.limits for each in await world.store.heartbeats(world.clock.now())}
    assert Word.loaded(rows["a"][str(TARGET)]).requests == pytest.approx(50, rel=0.1)


async def test_a_ceiling_is_shared_by_those_who_live(world: World) -> None:
    """A third each; and once a worker has said nothing for ten seconds, half for each of the others."""
    a, _, c = world.peers

    def rate() -> float | None:
        labels = {"provider": "bedrock", "region": "us-east-1", "model": "m", "limit": "requests"}
        return a.registry.get_sample_value("quarry_limiter_rate", labels)

    await world.clock.advance(BEAT_SECONDS)
    a.governor.enter(Candidate(RouteTarget(TARGET, requests_per_minute=360), PLACE.invocation))
    assert rate() == 2
    c.task.cancel()
    await world.clock.advance(6)
    assert rate() == 2
    await world.clock.advance(8)
    assert rate() == 3
    world.peers.pop()


async def test_where_workers_come_from_goes_round(world: World) -> None:
    """The older one stands aside while the newer one is ready, and for no longer than its row lives."""
    old, new, other = world.peers
    old.succession.origin = Origin("service", "1", NOW)
    new.succession.origin = Origin("service", "2", NOW + timedelta(minutes=1))
    other.succession.origin = Origin("other", "3", NOW + timedelta(minutes=2))
    new.is_ready = False
    await world.clock.advance(2 * BEAT_SECONDS)
    assert not old.succession.has_successor
    new.is_ready = True
    await world.clock.advance(2 * BEAT_SECONDS)
    assert [each.succession.has_successor for each in world.peers] == [True, False, False]
    new.task.cancel()
    await world.clock.advance(14)
    assert not old.succession.has_successor
    world.peers.remove(new)


async def test_who_hears_nothing_stands_aside_for_nobody(world: World) -> None:
    """Successors that nobody was told of any more may be gone."""
    old, new, _ = world.peers
    old.succession.origin = Origin("service", "1", NOW)
    new.succession.origin = Origin("service", "2", NOW + timedelta(minutes=1))
    await world.clock.advance(2 * BEAT_SECONDS)
    assert old.succession.has_successor
    world.store.fail_next("beat", times=100)
    await world.clock.advance(2 * BEAT_SECONDS)
    assert old.succession.has_successor
    await world.clock.advance(4 * BEAT_SECONDS)
    assert not old.succession.has_successor


def test_an_opening_runs_out_since_its_row_was_written() -> None:
    """And lasts no longer than it says, where the writer's clock is ahead."""
    row = Heartbeat("a", NOW, {"x": 10.0, "y": 1.0})
    assert left(row, NOW + timedelta(seconds=4)) == {"x": 6.0}
    assert left(row, NOW - timedelta(seconds=4)) == {"x": 10.0, "y": 1.0}
