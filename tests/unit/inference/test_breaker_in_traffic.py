"""The breaker in simulated traffic: a target with odd failures keeps its calls, one that dies or is sick loses them soon."""

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest

from quarry.inference.breaker import Breaker, Call, Ended, Limits

DIES_AT = 60.0


@dataclass
class Traffic:
    """As many callers as there are slots, each with one call after the other, here or elsewhere, for two minutes."""

    slots: int
    #: Of an answer; half of it and as much again.
    seconds: float
    #: Of a failure.
    failure_seconds: float
    failing: float = 0.0
    dies: bool = False
    served: int = 0
    elsewhere: int = 0
    wasted: int = 0
    openings: int = 0
    draws: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - reproducible

    def run(self) -> "Traffic":
        """All of it."""
        breaker, turns, was_open = Breaker(Limits()), itertools.count(), False
        agenda: list[tuple[float, int, Call | None, bool]] = []
        for _ in range(self.slots):
            heapq.heappush(agenda, (self.draws.random() * self.seconds, next(turns), None, False))
        while agenda[0][0] < 2 * DIES_AT:
            now, _, ended, well = heapq.heappop(agenda)
            if ended:
                breaker.end(ended, Ended.WELL if well else Ended.BADLY, now)
                self.served += well
            call = breaker.begin(now) if (not ended or well) and breaker.wait(now) is None else None
            ok = call is not None and not (self.dies and now >= DIES_AT) and self.draws.random() >= self.failing
            self.elsewhere += call is None
            self.wasted += call is not None and not ok and now >= DIES_AT
            self.openings += breaker.until is not None and not was_open
            was_open = breaker.until is not None
            usual = self.failure_seconds if call and not ok else self.seconds
            heapq.heappush(agenda, (now + usual * self.draws.uniform(0.5, 1.5), next(turns), call, ok))
        return self

    @property
    def diverted(self) -> float:
        """The share of callers that went elsewhere: since they had failed here, or were not let in."""
        return self.elsewhere / (self.served + self.elsewhere)


@pytest.mark.parametrize("seconds", [0.25, 5.0])
@pytest.mark.parametrize("slots", [4, 20, 100])
@pytest.mark.parametrize("failing", [0.002, 0.01])
def test_odd_failures_cost_nothing(slots: int, seconds: float, failing: float) -> None:
    """At one in a hundred no breaker opens, and hardly more callers go elsewhere than have failed here."""
    traffic = Traffic(slots, seconds, failure_seconds=0.005, failing=failing).run()
    assert traffic.openings == 0
    assert traffic.diverted <= failing + 0.01


def test_many_failures_among_many_answers_do_not_open_it() -> None:
    """One in twenty, of five hundred calls at a time; those of the start, when nothing speaks for it yet, are held back."""
    traffic = Traffic(500, seconds=5.0, failure_seconds=0.005, failing=0.05).run()
    assert traffic.openings == 0
    assert traffic.diverted < 0.2


@pytest.mark.parametrize("slots", [1, 20, 100, 500])
@pytest.mark.parametrize("seconds", [0.25, 5.0])
def test_a_target_that_dies_is_asked_a_few_times(slots: int, seconds: float) -> None:
    """Five failures and a probe or two in a minute, and few more where very many calls are made, while it still answers those that
    it took before.
    """
    traffic = Traffic(slots, seconds, failure_seconds=0.005, dies=True).run()
    assert 1 <= traffic.wasted <= (8 if slots <= 20 else 12)


def test_a_sick_target_is_left_alone() -> None:
    """Where every other call fails, most go elsewhere."""
    assert Traffic(20, seconds=0.25, failure_seconds=0.25, failing=0.5).run().diverted > 0.9
