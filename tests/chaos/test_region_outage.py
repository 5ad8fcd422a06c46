"""A region dies in the middle of the work, and comes back: no job fails, few calls are wasted on it, and its return is noticed."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.figures import figures
from tests.support.fleet import Fleet, fleet
from tests.support.judge import Account
from tests.support.processes import eventually
from tests.support.routing import REGIONS, TWO_REGIONS
from tests.support.simulator import Simulator
from tests.support.stack import Stack

FIRST, SECOND = REGIONS
#: Of each worker.
SLOTS: Final = 10
#: More times than a rule will ever be needed.
MANY: Final = 1_000_000
#: Jobs that wait for each worker at least, but for moments.
BACKLOG: Final = 60
LONG: Final = (pytest.mark.long, pytest.mark.timeout(420))


#: Slots are left, or every slot is in a call.
ROOMY: Final[Mapping[str, Any]] = {"pace": 12, "answers": 60, "call_seconds": 0.8, "settings": (("QUARRY_WORKER__SLOTS", "100"),)}
FULL: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Death:
    """How a region dies: what it does to each call, and for how long. `settings` are the workers'."""

    act: Mapping[str, Any]
    seconds: float
    hangs: bool = False
    #: Jobs a second that are handed in; None: as many as there are slots for.
    pace: int | None = None
    #: How long a call takes where there is no ill.
    call_seconds: float = 0.8
    #: Answers of each worker before: enough to know what is usual.
    answers: int = 25
    workers: int = 1
    settings: tuple[tuple[str, str], ...] = ()
    #: Calls to it meanwhile, where it does not hang; and within what its return is to be noticed.
    wasted: int = 30
    noticed_seconds: float = 60.0


class Traffic:
    """Jobs enough for everybody, and what has become of the calls of each region, by the workers' metrics."""

    def __init__(self, stack: Stack, workers: Fleet, pace: int | None) -> None:
        self._stack = stack
        self._workers = workers
        self._pace = pace
        self._started = time.monotonic()
        self.requests: list[str] = []

    def goes_on(self) -> bool:
        """Hand in work where little is left, or at the pace."""
        if self._pace:
            due = int((time.monotonic() - self._started) * self._pace) - len(self.requests)
            self.requests += self._stack.submit_many(due, max_tokens=1) if due else []
        elif sum(self._stack.queue_counts()) < BACKLOG * len(self._workers.all):
            self.requests += self._stack.submit_many(BACKLOG * len(self._workers.all), max_tokens=1)
        return True

    def calls(self, region: str) -> Counter[str]:
        """Calls that have ended there, by outcome."""
        return sum(
            (Counter({each.labels["outcome"]: int(each.value)}) for each in self._samples("quarry_invocations_total", region)),
            Counter(),
        )

    def answered(self, region: str) -> int:
        """Calls that it has answered."""
        return self.calls(region)["completed"]

    def in_flight(self) -> int:
        """Slots that work a job."""
        return int(sum(each.value for each in self._samples("quarry_slots_in_use")))

    def _samples(self, name: str, region: str | None = None) -> Iterator[Sample]:
        for each in self._workers.all:
            for family in text_string_to_metric_families(each.metrics()):
                yield from (one for one in family.samples if one.name == name and one.labels.get("region") == region)

    def passes(self, seconds: float) -> None:
        """Go on for so long."""
        end = time.monotonic() + seconds
        eventually(lambda: self.goes_on() and time.monotonic() >= end, seconds=seconds + 10)


def _died(error: str) -> Mapping[str, Any]:
    return {"error": error}


@pytest.mark.parametrize(
    "death",
    [
        pytest.param(
            Death(
                _died("ServiceUnavailableException"),
                seconds=4,
                settings=(("QUARRY_BREAKER__OPEN_SECONDS", "3"),),
                wasted=12,
                noticed_seconds=20,
            ),
            id="short",
        ),
        *(
            pytest.param(Death(act, seconds=45, workers=workers), id=f"{name}-{workers}", marks=LONG)
            for workers in (1, 4)
            for name, act in (
                ("unavailable", _died("ServiceUnavailableException")),
                ("broken", _died("InternalServerException")),
                ("reset", {"reset": True}),
                ("throttling", _died("ThrottlingException")),
            )
        ),
        *(
            pytest.param(Death({"hang": True}, seconds=45, hangs=True, workers=workers, **how), id=f"{name}-{workers}", marks=LONG)
            for workers in (1, 4)
            for name, how in (("hanging", ROOMY), ("hanging_full", FULL))
        ),
    ],
)
def test_a_region_that_dies_costs_nothing(stack: Stack, simulator: Simulator, death: Death) -> None:
    """Two regions; the first dies while jobs are worked, in one of five ways, and returns. Every job completes. Where it answers
    with errors, throttles included, at most 30 calls are made to it meanwhile, by all workers together; where it hangs, no more
    than come in five seconds, and those that were in flight. Within 60 s of its return it answers again.

    Red when: `quarry/inference/breaker.py`: `if now < self.until:` -> `if False:`: there is a probe at any time.
    """
    stack.use(simulator)
    stack.declare(TWO_REGIONS)
    as_usual = {"delay_seconds": death.call_seconds}
    simulator.rule(match={"region": SECOND}, act=as_usual)
    usual = simulator.rule(match={"region": FIRST}, act=as_usual)
    with ExitStack() as running:
        workers = running.enter_context(fleet(stack, **({"QUARRY_WORKER__SLOTS": str(SLOTS)} | dict(death.settings))))
        for _ in range(death.workers):
            workers.start()
        running.enter_context(stack.running_api())
        workers.await_all()
        traffic = Traffic(stack, workers, death.pace)
        eventually(
            lambda: traffic.goes_on() and traffic.answered(FIRST) > death.answers * death.workers,
            seconds=180,
            what="work to be done",
        )
        rate = _rate(traffic)
        in_flight = max(traffic.in_flight(), round(rate * death.call_seconds))
        dead = simulator.rule(match={"region": FIRST}, act=death.act, times=MANY)
        # Behind the usual one, it is in force from now on.
        simulator.drop(usual)
        traffic.passes(death.seconds)
        meanwhile = traffic.answered(SECOND)
        wasted = MANY - simulator.drop(dead)
        simulator.rule(match={"region": FIRST}, act=as_usual)
        back, answered = time.monotonic(), traffic.answered(FIRST)
        eventually(lambda: traffic.goes_on() and traffic.answered(FIRST) > answered, seconds=death.noticed_seconds + 30)
        noticed = time.monotonic() - back
        traffic.passes(5)
        shared = traffic.answered(FIRST) - answered
        eventually(stack.queue_is_empty, seconds=200)
        account = Account.of(stack, simulator, workers)
    rate = max(rate, death.pace or 0)
    allowed = rate * 5 + in_flight if death.hangs else death.wasted
    with figures(f"{FIRST} dies for {death.seconds:.0f} s by {dict(death.act)}; {death.workers} workers") as table:
        table += [
            ("jobs by status", f"{len(traffic.requests)} completed", str(account.statuses)),
            ("jobs/s before, and in flight", "-", f"{rate:.1f}, {in_flight}"),
            ("calls wasted on it", f"<= {allowed:.0f}", str(wasted)),
            ("answered by the other one so far", "-", str(meanwhile)),
            ("seconds until it answers again", f"<= {death.noticed_seconds:.0f}", f"{noticed:.1f}"),
            ("its answers since", "-", str(shared)),
            ("openings told by the workers", "-", str(sum(each.process.output.count("breaker.opened") for each in workers.all))),
        ]
    account.assert_completed(traffic.requests)
    assert 0 < wasted <= allowed
    assert noticed <= death.noticed_seconds
    assert stack.dead_letters() == []


def _rate(traffic: Traffic) -> float:
    """Answers per second of the first region."""
    started, first = time.monotonic(), traffic.answered(FIRST)
    traffic.passes(2)
    return (traffic.answered(FIRST) - first) / (time.monotonic() - started)
