"""Whose turn it is: shares, ageing, what a lane that is empty costs the others, and what is kept for `high`."""

from collections import Counter, deque
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.job import Priority
from worker.turns import STANDS_AFTER_SECONDS, STANDS_SOON_SECONDS, Poll, Turns

HIGH, NORMAL, LOW = Priority
WEIGHTS = {HIGH: 6, NORMAL: 3, LOW: 1}
#: Later than that, a poll stands that was in vain.
LATER = STANDS_SOON_SECONDS + 0.001


def nothing_waits(_lane: Priority) -> float:
    return 0.0


class Busy:
    """A worker whose slots are all in work, and get free one after the other. Lanes with a backlog have an endless one."""

    def __init__(self, turns: Turns, waits: Callable[[Priority], float] = nothing_waits) -> None:
        self._turns = turns
        self._waits = waits
        self._now = 0.0
        self._working: deque[Priority] = deque()
        self._out: list[Poll] = []

    def received(self, count: int, *backlog: Priority) -> Counter[Priority]:
        """The next so many that are received, by lane."""
        got: Counter[Priority] = Counter()
        while got.total() < count:
            self._now += 0.01
            if self._working:
                self._turns.free(self._working.popleft())
            while poll := self._turns.next(self._now, self._waits):
                self._out.append(poll)
            for each in [each for each in self._out if each.lane in backlog]:
                self._out.remove(each)
                granted = self._turns.answered(each, each.limit, self._now)
                self._turns.over(each)
                got[each.lane] += granted
                self._working.extend([each.lane] * granted)
        return got


def standing(turns: Turns, now: float = 0.0) -> list[Poll]:
    """The polls of a worker that met nothing but empty lanes, and when that was."""
    polls: list[Poll] = []
    for _ in range(200):
        while poll := turns.next(now, nothing_waits):
            polls.append(poll)
        now += 0.02
    return polls


#: By which `standing` has waited.
STOOD = 4.0


@pytest.mark.parametrize(("slots", "receivers"), [(1, 1), (5, 4), (100, 4)])
def test_shares_are_the_weights_while_every_lane_has_work(slots: int, receivers: int) -> None:
    """Of what is received, 6 : 3 : 1, however many slots there are."""
    got = Busy(Turns(WEIGHTS, slots=slots, receivers=receivers)).received(2000, *Priority)
    assert [round(got[lane] / 200, 1) for lane in Priority] == pytest.approx([6, 3, 1], abs=0.15)


@given(
    weights=st.tuples(*[st.integers(1, 999)] * 3),
    waits=st.tuples(*[st.floats(0, 1e6)] * 3),
    slots=st.integers(1, 300),
    receivers=st.integers(1, 32),
    backlog=st.sets(st.sampled_from(Priority), min_size=1),
)
def test_no_lane_starves(
    weights: tuple[int, ...], waits: tuple[float, ...], slots: int, receivers: int, backlog: set[Priority]
) -> None:
    """Whatever the weights and the waits: each lane with work gets at least half of its share, lanes without take none of it."""
    turns = Turns(dict(zip(Priority, weights, strict=True)), slots=slots, receivers=receivers)
    aged = {lane: weight * min(1 + wait / 60, 5.0) for lane, weight, wait in zip(Priority, weights, waits, strict=True)}
    least = min(aged[lane] for lane in backlog) / sum(aged[lane] for lane in backlog)
    # Long enough for the lane with the smallest share to have had a few turns of the largest size.
    got = Busy(turns, dict(zip(Priority, waits, strict=True)).__getitem__).received(min(int(60 / least), 6000), *backlog)
    for lane in backlog:
        share = got.total() * aged[lane] / sum(aged[each] for each in backlog)
        assert got[lane] >= share / 2 - 10


def test_a_lane_that_waits_long_weighs_more() -> None:
    """Twice as much after the time of ageing, three times after twice as long, and no more than five times."""

    def low_share(seconds: float) -> float:
        waits: Mapping[Priority, float] = {HIGH: 0.0, NORMAL: 0.0, LOW: seconds}
        turns = Turns(WEIGHTS, slots=1, receivers=1, ageing_seconds=30)
        return Busy(turns, waits.__getitem__).received(2000, *Priority)[LOW] / 2000

    assert [low_share(seconds) for seconds in (0, 30, 60, 1e9)] == pytest.approx([1 / 10, 2 / 11, 3 / 12, 5 / 14], abs=0.01)


def test_who_was_empty_has_saved_nothing_up() -> None:
    """`low` comes after a thousand of `normal`: from then on it has its share, and not a thousand at once."""
    worker = Busy(Turns(WEIGHTS, slots=5, receivers=4))
    worker.received(1000, NORMAL)
    got = worker.received(100, NORMAL, LOW)
    assert got[LOW] == pytest.approx(25, abs=5)


@pytest.mark.parametrize("slots", [1, 2, 5, 25, 100])
def test_an_idle_worker_listens_to_every_lane(slots: int) -> None:
    """However few slots there are, no lane is without a poll."""
    polls = standing(Turns(WEIGHTS, slots=slots, receivers=4))
    assert {poll.lane for poll in polls} == set(Priority)
    assert max(Counter(poll.lane for poll in polls).values()) <= min(4, slots)


@pytest.mark.parametrize("slots", [1, 2, 5, 25, 100])
def test_listening_costs_no_slot(slots: int) -> None:
    """With polls standing in front of three empty lanes, a backlog of one of them fills every slot."""
    turns = Turns(WEIGHTS, slots=slots, receivers=4)
    polls = standing(turns)
    [first, *_] = [poll for poll in polls if poll.lane is LOW]
    got = turns.answered(first, first.limit, STOOD)
    turns.over(first)
    while poll := turns.next(STOOD, nothing_waits):
        assert poll.lane is LOW
        got += turns.answered(poll, poll.limit, STOOD)
        turns.over(poll)
    # What other polls of that lane are for is left to them: they are answered too.
    for poll in polls:
        if poll.lane is LOW and poll is not first:
            got += turns.answered(poll, poll.limit, STOOD)
            turns.over(poll)
    assert got == slots


def test_what_stands_brings_no_more_than_there_are_slots_for() -> None:
    """The rest is refused; its lane is then known to have work, and the next slot is its."""
    turns = Turns(WEIGHTS, slots=1, receivers=1)
    high, _, low = sorted(standing(turns), key=lambda poll: list(Priority).index(poll.lane))
    assert turns.answered(low, 1, STOOD) == 1
    turns.over(low)
    assert turns.answered(high, 1, STOOD) == 0
    turns.over(high)
    assert turns.next(STOOD, nothing_waits) is None
    turns.free(LOW)
    poll = turns.next(STOOD, nothing_waits)
    assert poll is not None
    assert poll.lane is HIGH


def test_a_poll_holds_its_slots_until_it_stands() -> None:
    """One slot: the next lane is polled when the first has not answered for a moment, and the worker is told when to look."""
    turns = Turns(WEIGHTS, slots=1, receivers=1)
    assert turns.next(0.0, nothing_waits)
    assert turns.next(0.01, nothing_waits) is None
    assert turns.look_again_in(0.01) == pytest.approx(STANDS_SOON_SECONDS - 0.01)
    assert turns.next(LATER, nothing_waits)


def test_a_lane_that_brought_all_that_was_asked_is_waited_for_longer() -> None:
    """Its next poll keeps its slots although another lane could have them: most likely the answer is late, and there is more."""
    turns = Turns(WEIGHTS, slots=1, receivers=1)
    [low] = [poll for poll in standing(turns) if poll.lane is LOW]
    assert turns.answered(low, 1, STOOD) == 1
    turns.over(low)
    turns.free(LOW)
    assert turns.next(STOOD, nothing_waits)
    turns.next(STOOD + STANDS_SOON_SECONDS, nothing_waits)
    assert turns.look_again_in(STOOD) == pytest.approx(STANDS_AFTER_SECONDS)


def test_a_lane_whose_polls_are_out_is_asked_for_no_more_than_is_free() -> None:
    """A burst that meets polls which stand is not received twice over: one lane never brings more than there are slots for."""
    turns = Turns({NORMAL: 1}, slots=25, receivers=4)
    polls = standing(turns)
    assert sum(poll.limit for poll in polls) <= 25
    working = turns.answered(polls[0], polls[0].limit, STOOD)
    turns.over(polls[0])
    out = sum(poll.limit for poll in polls[1:])
    while poll := turns.next(STOOD, nothing_waits):
        out += poll.limit
    assert working + out <= 25


def test_the_last_slots_are_for_high() -> None:
    """`normal` and `low` together leave them free; `high` may take every slot."""
    turns = Turns(WEIGHTS, slots=20, receivers=4, reserved=2)
    polls = standing(turns)

    def fill(*lanes: Priority) -> int:
        taken = 0
        while bringing := [poll for poll in polls if poll.lane in lanes]:
            for poll in bringing:
                polls.remove(poll)
                taken += turns.answered(poll, poll.limit, STOOD)
                turns.over(poll)
            polls.extend(iter(lambda: turns.next(STOOD, nothing_waits), None))
        return taken

    assert [fill(NORMAL, LOW), fill(HIGH)] == [18, 2]


def filled(turns: Turns, *backlog: Priority) -> None:
    """Every slot in work, and a backlog in those lanes."""
    polls = standing(turns)
    for poll in [poll for poll in polls if poll.lane in backlog]:
        turns.answered(poll, poll.limit, STOOD)
        turns.over(poll)
    while further := turns.next(STOOD, nothing_waits):
        turns.answered(further, further.limit, STOOD)
        turns.over(further)


def test_slots_that_get_free_one_by_one_gather_before_a_receive() -> None:
    """One request then brings several messages. It is not put off for longer than a quarter of a second."""
    turns = Turns(WEIGHTS, slots=100, receivers=4)
    filled(turns, LOW)
    turns.free(LOW, 4)
    assert turns.next(STOOD + 0.1, nothing_waits) is None
    assert turns.look_again_in(STOOD + 0.1) == pytest.approx(0.15)
    turns.free(LOW)
    several = turns.next(STOOD + 0.1, nothing_waits)
    assert several is not None
    assert (several.lane, several.limit) == (LOW, 5)
    turns.answered(several, 5, STOOD + 0.1)
    turns.over(several)
    turns.free(LOW)
    assert turns.next(STOOD + 0.3, nothing_waits) is None
    assert turns.next(STOOD + 0.36, nothing_waits)


def test_nothing_is_put_off_while_high_has_work() -> None:
    """A slot that gets free is used at once, and by whoever's turn it is."""
    turns = Turns(WEIGHTS, slots=100, receivers=4)
    filled(turns, HIGH, LOW)
    turns.free(HIGH)
    assert turns.next(STOOD, nothing_waits)


def test_high_is_listened_to_as_well_on_a_busy_worker() -> None:
    """All slots but those that are kept for it are in work: it has as many polls as on an idle worker."""
    turns = Turns(WEIGHTS, slots=100, receivers=4, reserved=5)
    polls = standing(turns)
    for each in [poll for poll in polls if poll.lane is not HIGH]:
        turns.answered(each, each.limit, STOOD)
        turns.over(each)
    while poll := turns.next(STOOD, nothing_waits):
        turns.answered(poll, poll.limit, STOOD)
        turns.over(poll)
    for each in [poll for poll in polls if poll.lane is HIGH]:
        turns.answered(each, 0, STOOD)
        turns.over(each)
    renewed = standing(turns, STOOD)
    assert [(poll.lane, poll.limit) for poll in renewed] == [(HIGH, 1)] * 4


def test_a_backlog_of_high_does_not_shut_the_others_out() -> None:
    """What is kept for `high` is counted apart: of the other slots `low` has its share."""
    got = Busy(Turns(WEIGHTS, slots=20, receivers=4, reserved=2)).received(2000, HIGH, LOW)
    assert got[LOW] / 2000 == pytest.approx(1 / 7, abs=0.03)


def test_a_lane_that_fails_is_asked_once_at_a_time() -> None:
    """And for one message; the others go on as they were."""
    turns = Turns(WEIGHTS, slots=100, receivers=4)
    low = next(poll for poll in iter(lambda: turns.next(0.0, nothing_waits), None) if poll.lane is LOW)
    assert turns.failed(low) == 1
    turns.over(low)
    polls = standing(turns, LATER)
    assert [(poll.limit, poll.cautious) for poll in polls if poll.lane is LOW] == [(1, True)]
    assert sum(poll.lane is HIGH for poll in polls) > 1
