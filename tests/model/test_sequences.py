"""Sequences of steps worth keeping: the search has found each of them, but need not find it again in every run."""

from collections.abc import Callable, Iterator

import pytest

from tests.model.wire import Mishap, What
from tests.model.world import World


@pytest.fixture
def begin() -> Iterator[Callable[[int], World]]:
    """Makes the world with so many workers."""
    made: list[World] = []

    def make(workers: int) -> World:
        made.append(World(seed=0, workers=workers))
        return made[-1]

    yield make
    for world in made:
        world.close()


def test_a_claim_is_not_repeated_after_a_pause(begin: Callable[[int], World]) -> None:
    """Its lease would have run out before it was written, and the next worker's take-over would count against the job."""
    world = begin(1)
    world.arrange(Mishap("claim", What.REFUSE))
    world.submit(3, 86_400, large=False)
    world.pause(0, 66)
    world.resume()
    world.come_to_rest()


def test_a_clock_that_is_ahead_takes_nothing_from_one_that_is_behind(begin: Callable[[int], World]) -> None:
    """Nearly the whole margin lies between the two clocks, and the first lease has three seconds left."""
    world = begin(2)
    world.submit(3, 86_400, large=False)
    world.pass_time(5)
    world.overtake(0, 57)
    world.come_to_rest()


def test_no_call_starts_when_the_lease_ran_out_on_the_way(begin: Callable[[int], World]) -> None:
    """The worker stands still between claim and call, and cannot renew when it goes on."""
    world = begin(1)
    world.arrange(Mishap("get", What.PAUSE_AFTER))
    world.submit(3, 86_400, large=True)
    world.cut_off(40, 66)
    world.resume()
    world.pass_time(5)
    world.come_to_rest()


def test_no_call_starts_when_the_deadline_passed_on_the_way(begin: Callable[[int], World]) -> None:
    """The payload takes longer than the job has time; the lease is renewed meanwhile."""
    world = begin(1)
    world.arrange(Mishap("get", What.STALL_AFTER))
    world.submit(3, 60, large=True)
    world.pass_time(66)
    world.arrive()
    world.come_to_rest()


def test_a_slow_cancel_does_not_write_under_the_hands_of_a_holder_who_came_back(begin: Callable[[int], World]) -> None:
    """It saw a lease that had run out; by the time of its write, the holder has renewed it."""
    world = begin(1)
    world.submit(3, 86_400, large=False)
    world.pass_time(5)
    world.pause(0, 70)
    world.cancel_slowly(0)
    world.resume()
    world.pass_time(5)
    world.arrive()
    world.come_to_rest()


def test_a_withdrawal_takes_nothing_from_a_replay(begin: Callable[[int], World]) -> None:
    """The first of two submissions under a key is refused by the queue, late; the second had its answer before."""
    world = begin(1)
    world.submit_twice("a", Mishap("send", What.REFUSE_LATE))
    world.come_to_rest()
