"""Workers with limiters before targets with quotas, in simulated time: what their limiters make of the quotas."""

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from quarry.inference.limiter import Limiter, Permit, Word
from quarry.simulator.budgets import Budget, Minute, Smooth, carry, fits

#: How long an answer takes, and a refusal; between two heartbeats of a worker. In seconds.
_ANSWER, _REFUSAL, _BEAT = 0.5, 0.005, 3.0
#: A line is looked at this often.
_LOOK: Final = 0.5
#: How much each call may cost, of what it may say at most, in the traffic of token quotas.
_MOST: Final = 200, 500, 1000
_USED: Final = 0.3, 0.9


@dataclass
class Worker:
    """One, with a limiter for each target."""

    limiters: list[Limiter]
    slots: int
    #: What the next call takes at most, and what it will have used.
    next: tuple[float, float] | None = None
    wakes: float = -math.inf


@dataclass
class Traffic:
    """More work than the targets take, for so many workers. `refill` makes a budget of a quota a minute.

    Of every target the quota is one of `limit`, `requests` or `tokens`, and throttles name it.
    """

    quotas: Sequence[float]
    refill: Callable[[float], Budget]
    workers: int = 1
    seed: int = 1
    limit: str = "requests"
    ceiling: float = math.inf
    now: float = 0.0
    #: By target: when each call was served and what it used; and when each was throttled.
    served: list[list[tuple[float, float]]] = field(default_factory=list)
    throttled: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - the same traffic each time
        self.budgets = [self.refill(each) for each in self.quotas]
        self.served, self.throttled = [[] for _ in self.quotas], [[] for _ in self.quotas]
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = count()
        self._rows: dict[int, list[Word]] = {}
        self._workers = [Worker([self._limiter() for _ in self.quotas], 100) for _ in range(self.workers)]
        for name, worker in enumerate(self._workers):
            self._at(0.1 * name, self._beat, name, worker)

    def run(self, until: float) -> "Traffic":
        """Until then."""
        while self._agenda[0][0] < until:
            self.now, _, what, arguments = heapq.heappop(self._agenda)
            what(*arguments)
        self.now = until
        return self

    def change(self, target: int, quota: float) -> None:
        """From now on the quota of the target is that."""
        old, new = self.budgets[target], self.refill(quota)
        old.advance(self.now)
        new.advance(self.now)
        carry(old, new)
        self.budgets[target] = new

    def use(self, begin: float, end: float, target: int = 0) -> float:
        """Units a second, between those times."""
        return sum(units for at, units in self.served[target] if begin <= at < end) / (end - begin)

    def throttles_a_job(self) -> float:
        """Throttled calls, of all targets, for each call that was served."""
        return sum(map(len, self.throttled)) / sum(map(len, self.served))

    def _limiter(self) -> Limiter:
        ceilings = (self.ceiling, math.inf) if self.limit == "requests" else (math.inf, self.ceiling)
        return Limiter(*ceilings, self._random.random)

    def _at(self, when: float, what: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._agenda, (when, next(self._numbers), what, arguments))

    def _beat(self, name: int, worker: Worker) -> None:
        self._rows[name] = [each.word(self.now) for each in worker.limiters]
        peers = {str(other): words for other, words in self._rows.items() if other != name}
        for target, limiter in enumerate(worker.limiters):
            limiter.follow({other: words[target] for other, words in peers.items()}, 1 + len(peers), self.now)
        self._work(worker)
        self._at(self.now + _BEAT + self._random.uniform(-0.2, 0.2), self._beat, name, worker)

    def _work(self, worker: Worker) -> None:
        """Begin what may begin; come back when the next one may."""
        while worker.slots:
            most, used = worker.next = worker.next or self._cost()
            waits = [each.wait(self.now) for each in worker.limiters]
            if min(waits) > 0:
                wait = min(*waits, _LOOK)
                if not self.now < worker.wakes <= self.now + wait:
                    # Timers are a little late.
                    worker.wakes = self.now + wait + self._random.uniform(0, 0.002)
                    self._at(worker.wakes, self._work, worker)
                return
            target = waits.index(min(waits))
            permit = worker.limiters[target].begin(most, self.now)
            worker.slots, worker.next = worker.slots - 1, None
            self._at(self.now + 0.002 + self._random.expovariate(500), self._arrive, worker, target, permit, used)

    def _cost(self) -> tuple[float, float]:
        if self.limit == "requests":
            return 0.0, 0.0
        most = self._random.choice(_MOST)
        return most, most * self._random.uniform(*_USED)

    def _arrive(self, worker: Worker, target: int, permit: Permit, used: float) -> None:
        budget, most = self.budgets[target], permit.costs[self.limit == "tokens"]
        budget.advance(self.now)
        if fits(budget, most):
            budget.left -= most
            self.served[target].append((self.now, used or 1.0))
            answered = self.now + _ANSWER * self._random.uniform(0.9, 1.1)
            self._at(answered, self._answer, worker, target, permit, used, most - (used or 1.0), self.now)
        else:
            self.throttled[target].append(self.now)
            self._at(self.now + _REFUSAL, self._refuse, worker, target, permit)

    def _answer(self, worker: Worker, target: int, permit: Permit, used: float, unused: float, taken_at: float) -> None:
        self.budgets[target].advance(self.now)
        self.budgets[target].give_back(unused, taken_at)
        worker.limiters[target].end(permit, self.now, used)
        worker.slots += 1
        self._work(worker)

    def _refuse(self, worker: Worker, target: int, permit: Permit) -> None:
        worker.limiters[target].throttled(permit, self.now, self.limit)
        worker.slots += 1
        self._work(worker)


def smooth(burst_seconds: float) -> Callable[[float], Budget]:
    """Budgets that refill all the time."""
    return lambda quota: Smooth(quota, burst_seconds, 0.0)


def by_the_minute(phase_seconds: float) -> Callable[[float], Budget]:
    """Budgets that are there at once, so long after each full minute."""
    return lambda quota: Minute(quota, phase_seconds, 0.0)
