"""The model of queue and tasks against what is known of queues, and against what was reckoned by hand."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

import pytest

from bench.autoscaling.model import Fleet, Outcome, Simulation, lengths
from bench.autoscaling.scaling import Capacity, Sample
from bench.autoscaling.shapes import SHAPES, Failure, Shape

_ONE = Fleet(slots=1, min_tasks=1, max_tasks=1)


class Told:
    """Wants what it was told to want, look by look; then what there is."""

    def __init__(self, *wanted: int) -> None:
        self._wanted = iter(wanted)
        self.seen: list[Sequence[Sample]] = []

    def wanted(self, now: float, seen: Sequence[Sample], capacity: Capacity) -> int:
        self.seen.append(list(seen))
        return next(self._wanted, capacity.desired)


def simulated(fleet: Fleet, arrivals: Iterable[float], drawn: Sequence[float], *wanted: int) -> Outcome:
    return Simulation(fleet, Told(*wanted), iter(arrivals), drawn, seed=1).run()


def poisson(rate: float, jobs: int) -> Iterator[float]:
    random, now = Random(7), 0.0  # noqa: S311 - no secret
    for _ in range(jobs):
        now += random.expovariate(rate)
        yield now


def exponential(mean: float) -> list[float]:
    """Quantiles of the distribution, each as likely as the other."""
    count = 1 << 16
    return [-mean * math.log1p(-(i + 0.5) / count) for i in range(count)]


def erlang_c(slots: int, load: float) -> float:
    """Share of jobs that wait; `load` in Erlang. From the textbook's sums."""
    waiting = load**slots / math.factorial(slots) * slots / (slots - load)
    return waiting / (sum(load**k / math.factorial(k) for k in range(slots)) + waiting)


@pytest.mark.parametrize(("slots", "load"), [(1, 0.7), (4, 3.0), (10, 7.0)])
def test_waits_are_those_of_many_servers(slots: int, load: float) -> None:
    """M/M/c: the mean wait is Erlang C's share times the mean length over the free slots."""
    found = simulated(replace(_ONE, slots=slots), poisson(load / 20, 60_000), exponential(20.0))

    assert found.mean_wait == pytest.approx(erlang_c(slots, load) * 20 / (slots - load), rel=0.1)


def test_waits_are_those_of_one_server_and_lengths_all_alike() -> None:
    """M/D/1: half of what M/M/1 waits, by Pollaczek and Khinchine."""
    found = simulated(_ONE, poisson(0.7 / 20, 60_000), [20.0])

    assert found.mean_wait == pytest.approx(0.7 * 20 / (2 * (1 - 0.7)), rel=0.05)


def test_a_burst_reckoned_by_hand() -> None:
    """Twelve jobs of 10 s, 2 slots; from 15 s on 4 more. Begun: 2 at 0, 2 at 10, 4 at 15, 2 at 20, 2 at 25."""
    fleet = Fleet(slots=2, min_tasks=1, max_tasks=9, startup_seconds=15)

    found = simulated(fleet, [0.0] * 12, [10.0], 3)

    assert (found.done_at, found.backlog_seconds, found.wait_seconds) == (35.0, 25.0, 2 * 10 + 4 * 15 + 2 * 20 + 2 * 25)
    assert (found.wait(0.5), found.wait(0.95), found.longest_wait_seconds) == (15.0, 25.0, 25.0)
    assert (found.changes, found.most_tasks, found.busy_slot_seconds) == (1, 3, 120.0)
    # All three were ordered at 0, and it is over at the next full minute.
    assert found.task_seconds == 3 * 60


def test_a_quota_spaces_calls() -> None:
    """A call a second: of ten jobs with a slot each the last begins at 9 s, and all that time it is quota they wait for."""
    found = simulated(Fleet(slots=10, min_tasks=1, max_tasks=1, rpm=60), [0.0] * 10, [1.0])

    assert [found.done_at, found.held_seconds, found.longest_wait_seconds] == pytest.approx([10, 9, 9])


def test_of_a_quota_a_second_is_saved_up() -> None:
    """600 a minute, idle until then: ten at once, and then one each tenth of a second."""
    found = simulated(Fleet(slots=50, min_tasks=1, max_tasks=1, rpm=600), [5.0] * 20, [1.0])

    assert found.longest_wait_seconds == pytest.approx(1.0)
    assert found.waits[0] >= 10


def test_a_task_that_goes_hands_back_what_its_drain_cuts() -> None:
    """Two jobs of 200 s from 30 on. At 60 one task goes; at 170 its call is cut; the other slot has the job from 230 to 430."""
    found = simulated(Fleet(slots=1, min_tasks=1, max_tasks=2, startup_seconds=1), [30.0, 30.0], [200.0], 2, 1)

    assert (found.cut, found.done_at, found.changes) == (1, 430.0, 2)
    assert found.busy_slot_seconds == 200 + (170 - 30) + 200


def test_a_task_that_goes_finishes_what_its_drain_allows() -> None:
    """A job of 100 s from 30 on is done at 130, and then its task is over too."""
    found = simulated(Fleet(slots=1, min_tasks=1, max_tasks=2, startup_seconds=1), [30.0, 30.0], [100.0], 2, 1)

    assert (found.cut, found.done_at) == (0, 130.0)
    assert found.task_seconds == (130 - 0) + 180


def test_a_task_that_goes_before_it_started_takes_nothing() -> None:
    """Ordered at 0, taken back at 60, it would have started at 90."""
    found = simulated(Fleet(slots=1, min_tasks=1, max_tasks=2, startup_seconds=90), [0.0, 0.0], [100.0], 2, 1)

    assert (found.done_at, found.task_seconds) == (200.0, 60 + 240)


def test_a_policy_knows_what_was_a_while_ago() -> None:
    """With two minutes' lag, nothing at 0 and 60; at 120 what was at 0."""
    policy = Told()

    Simulation(Fleet(slots=1, min_tasks=1, max_tasks=1, lag_minutes=2), policy, iter([10.0]), [100.0], seed=1).run()

    assert policy.seen[:3] == [[], [], [Sample(waiting=0, in_progress=0, running=1)]]


@pytest.mark.parametrize(("puts_off", "begun_at", "sample"), [(True, 110, (0, 0, 1)), (False, 100, (1, 0, 0))])
def test_a_failure_keeps_jobs_hidden_or_waiting(puts_off: bool, begun_at: int, sample: tuple[int, int, int]) -> None:
    """One comes at 20, in a failure from 10 to 100: put off, it is back at 50, 80 and 110; held, it begins when it is over."""
    policy, fleet = Told(), replace(_ONE, lag_minutes=0, failure=Failure(10, 100, puts_off=puts_off))

    found = Simulation(fleet, policy, iter([20.0]), [5.0], seed=1).run()

    assert (found.done_at, found.wait_seconds) == (begun_at + 5, begun_at - 20)
    assert [(each.waiting, each.in_progress, each.hidden) for each in policy.seen[1][-1:]] == [sample]


def test_what_is_in_progress_when_a_failure_begins_goes_on() -> None:
    """And what comes after it."""
    found = simulated(replace(_ONE, failure=Failure(10, 20, puts_off=False)), [0.0, 0.0], [15.0])

    assert (found.done_at, found.wait_seconds) == (35.0, 20.0)


def test_workers_tell_how_many_slots_they_use() -> None:
    """Three jobs on two tasks; of the one that goes nobody hears."""
    policy, fleet = Told(2, 2, 1), Fleet(slots=2, min_tasks=1, max_tasks=2, lag_minutes=0, startup_seconds=1)

    Simulation(fleet, policy, iter([30.0] * 3), [200.0], seed=1).run()

    assert [each.used for each in policy.seen[3]] == [0, 1.5, 1.5, 2]


def test_floor_and_ceiling_hold() -> None:
    """Whatever a policy wants."""
    found = simulated(Fleet(slots=1, min_tasks=2, max_tasks=4), [400.0], [1.0], 9, 0)

    assert [row[4] for row in found.history[:3]] == [2, 4, 2]


def test_a_job_whose_deadline_passed_expires() -> None:
    """One slot, jobs of 60 s, deadline 100 s: the third would wait 120 s."""
    found = simulated(replace(_ONE, deadline_seconds=100), [0.0] * 3, [60.0])

    assert (found.jobs, found.expired, found.done_at) == (3, 1, 120.0)


def test_a_seed_gives_the_same_again() -> None:
    """And another one something else."""
    fleet, drawn = Fleet(slots=20, min_tasks=1, max_tasks=1), lengths(20.0, 0.6, 1)
    shape = Shape("", (1.0,) * 30, rpm=100, max_tasks=1)

    first, again, other = (Simulation(fleet, Told(), shape.arrivals(seed), drawn, seed).run() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_lengths_have_their_mean() -> None:
    """And some are twice as long."""
    drawn = lengths(20.0, 0.6, 1)

    assert sum(drawn) / len(drawn) == pytest.approx(20.0)
    assert max(drawn) > 100


@pytest.mark.parametrize("name", ["steady", "diurnal", "spike"])
def test_a_shape_brings_as_many_jobs_as_its_rates_say(name: str) -> None:
    """In order, and within four deviations of the mean."""
    shape = SHAPES[name]
    arrivals = list(shape.arrivals(3))
    mean = 60 * sum(shape.rates)

    assert arrivals == sorted(arrivals)
    assert abs(len(arrivals) - mean) < 4 * math.sqrt(mean)


def test_ten_million_a_day_are_ten_million() -> None:
    """By the mean of the rates."""
    rates = SHAPES["ten-million"].rates
    assert 86_400 * sum(rates) / len(rates) == pytest.approx(10_000_000)
