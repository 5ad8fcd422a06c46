"""The board in simulated traffic whose calls differ in length: what is long is no hang, and a hang is noticed all the same."""

import heapq
import math
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count, cycle, islice, repeat
from typing import TypeAlias

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import CircuitOpen
from quarry.inference.board import Board
from quarry.inference.breaker import Limits
from quarry.invocation import Target
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock

TARGET = Target("bedrock", "us-east-1", "m")
#: What a call may ask for, and how many seconds its answer takes.
SHORT, LONG = (500, 0.5), (8000, 60.0)
Calls: TypeAlias = Iterator[tuple[int, float]]


class _Hands(FakeClock):
    """A clock whose hands the test sets."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


class Traffic:
    """So many callers, each with one call after the other, here or elsewhere; `calls` for each in turn.

    From `hangs_at` on nothing ends any more.
    """

    def __init__(self, callers: int, *calls: Calls, hangs_at: float = math.inf) -> None:
        self._calls, self._hangs_at = list(islice(cycle(calls), callers)), hangs_at
        self._draws = random.Random(1)  # noqa: S311 - reproducible
        self._clock = _Hands()
        self._board = Board(Limits(), InferenceMetrics(CollectorRegistry()), self._clock)
        self._hanging: list[AbstractContextManager[None]] = []
        self.served = self.elsewhere = 0
        self.opened_at: float | None = None

    def run(self, seconds: float) -> "Traffic":
        """So much of it."""
        turns = count()
        agenda: list[tuple[float, int, Calls, AbstractContextManager[None] | None]] = [
            (self._draws.random(), next(turns), calls, None) for calls in self._calls
        ]
        heapq.heapify(agenda)
        while agenda and agenda[0][0] < seconds:
            now, _, calls, ended = heapq.heappop(agenda)
            self._watch(until=now)
            if ended and now >= self._hangs_at:
                self._hanging.append(ended)
                continue
            if ended:
                ended.__exit__(None, None, None)
                self.served += 1
            max_tokens, usual = next(calls)
            call = self._begin(max_tokens)
            heapq.heappush(agenda, (now + usual * self._draws.uniform(0.5, 1.5), next(turns), calls, call))
        self._watch(until=seconds)
        return self

    def _watch(self, until: float) -> None:
        """The heartbeat's, each second."""
        while self._clock.at + 1 <= until:
            self._clock.at = math.floor(self._clock.at + 1)
            if self._board.openings() and self.opened_at is None:
                self.opened_at = self._clock.at
        self._clock.at = until

    def _begin(self, max_tokens: int) -> AbstractContextManager[None] | None:
        call = self._board.call(TARGET, max_tokens)
        try:
            call.__enter__()
        except CircuitOpen:
            self.elsewhere += 1
            return None
        return call

    @property
    def diverted(self) -> float:
        """The share of calls that were not let in."""
        return self.elsewhere / (self.served + self.elsewhere)


def _uneven() -> Calls:
    """Of those that ask for as much as the others, two in a hundred take twenty times as long."""
    draws = random.Random(2)  # noqa: S311 - reproducible
    while True:
        yield SHORT[0], SHORT[1] * (20 if draws.random() < 0.02 else 1)


def _kinds(name: str) -> list[Calls]:
    """Traffic by its name."""
    traffic: dict[str, list[Calls]] = {
        "alike": [repeat(SHORT)],
        # Ninety short ones, then ten long ones.
        "in bursts": [cycle([SHORT] * 90 + [LONG] * 10)],
        # Who asks for long ones, and who does not.
        "side by side": [repeat(SHORT), repeat(LONG)],
        "uneven": [_uneven()],
    }
    return traffic[name]


@pytest.mark.parametrize("callers", [8, 20, 60])
@pytest.mark.parametrize("kinds", ["in bursts", "side by side", "uneven"])
def test_long_calls_among_short_ones_are_no_hang(callers: int, kinds: str) -> None:
    """No breaker opens, and next to nobody goes elsewhere."""
    traffic = Traffic(callers, *_kinds(kinds)).run(600)
    assert traffic.opened_at is None
    assert traffic.diverted < 0.002


@pytest.mark.parametrize("hangs_at", [130.0, 207.0])
@pytest.mark.parametrize("callers", [20, 60])
@pytest.mark.parametrize(("kinds", "seconds"), [("alike", 5), ("side by side", 5), ("uneven", 8)])
def test_a_hang_is_noticed_by_the_short_ones(callers: int, kinds: str, seconds: float, hangs_at: float) -> None:
    """Within seconds, although answers of a minute are nothing unusual."""
    traffic = Traffic(callers, *_kinds(kinds), hangs_at=hangs_at).run(hangs_at + 30)
    assert traffic.opened_at is not None
    assert 3 <= traffic.opened_at - hangs_at <= seconds
