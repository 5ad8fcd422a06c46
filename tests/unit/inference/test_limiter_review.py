"""The limiter where the world is unkind: slow refusals, idle hours, peers that say strange things."""

import heapq
import math
from dataclasses import replace
from itertools import count

import pytest

from quarry.inference.limiter import Limiter, Permit, Word
from quarry.inference.pace import Pace
from quarry.inference.reservation import reserved_tokens
from quarry.invocation import Invocation

HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello"}]},), max_tokens=100)


class Quota:
    """Calls without end, of a target that grants so many a minute, all at once when the minute begins.

    A refusal takes `refusal_seconds` to arrive; a call is sent `held_seconds` after it was allowed to begin.
    """

    def __init__(self, *, refusal_seconds: float, held_seconds: float = 0.0) -> None:
        self._refusal_seconds, self._held_seconds = refusal_seconds, held_seconds
        self._limiter = Limiter(math.inf, math.inf, lambda: 0.5)
        self._grants: list[int] = []
        self._left: dict[int, int] = {}
        self._agenda: list[tuple[float, int, str, Permit]] = []
        self._numbers = count()

    def run(self, minutes: int, a_minute: int, later: int | None = None) -> list[int]:
        """How many are served in each minute. From the fifth on there are as many as `later`, if any."""
        self._grants = [a_minute if minute < 5 or later is None else later for minute in range(minutes)]
        now = 0.0
        while now < minutes * 60:
            while self._agenda and self._agenda[0][0] <= now:
                at, _, what, permit = heapq.heappop(self._agenda)
                self._happens(at, what, permit)
            if (wait := self._limiter.wait(now)) <= 0:
                self._push(now + self._held_seconds, "sent", self._limiter.begin(100, now, sent=False))
            else:
                upcoming = self._agenda[0][0] if self._agenda else math.inf
                now = max(min(now + wait, upcoming), now + 1e-6)
        return [a_minute - self._left.get(minute, a_minute) for minute, a_minute in enumerate(self._grants)]

    def _push(self, at: float, what: str, permit: Permit) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), what, permit))

    def _happens(self, at: float, what: str, permit: Permit) -> None:
        if what == "ended":
            self._limiter.end(permit, at, 100)
        elif what == "refused":
            self._limiter.throttled(permit, at, "requests")
        else:
            self._limiter.sends(permit, at)
            minute = int(at // 60)
            left = self._left.setdefault(minute, self._grants[min(minute, len(self._grants) - 1)])
            self._left[minute] = max(left - 1, 0)
            self._push(at + (2.0 if left else self._refusal_seconds), "ended" if left else "refused", permit)


def test_a_refusal_that_takes_its_time_is_a_refusal() -> None:
    """From another continent it takes longer than 0.1 s. While a minute's quota was used up, each was taken for a new overrun."""
    for seconds in (0.01, 0.3, 1.0):
        assert sum(Quota(refusal_seconds=seconds).run(6, 600)) > 0.95 * 3600, seconds


def test_what_has_not_been_sent_was_not_let_in() -> None:
    """A lease that had to be renewed before the call takes longer than that too."""
    assert sum(Quota(refusal_seconds=0.01, held_seconds=0.5).run(6, 600)) > 0.95 * 3600


def _peer(throttles: int, *, pressed: bool = False) -> Word:
    return Word(10.0, None, pressed, False, throttles, throttles)


def _found(requests: float, tokens: float | None = None) -> Limiter:
    """One that knows what its quotas grant, by the word of a peer that has gone."""
    limiter = Limiter(math.inf, math.inf, lambda: 0.5)
    limiter.follow({"a": Word(requests, tokens, True, False, 0, 0)}, 1, 0.0)
    return limiter


def test_who_has_nothing_to_do_does_not_slow_down_to_nothing() -> None:
    """A peer is throttled at each beat, and we ask nothing: after an hour our pace was zero, and a division by it."""
    limiter = _found(10.0)
    for beat in range(1200):
        limiter.follow({"a": _peer(beat)}, 2, 3.0 * beat)
    assert limiter.rates[0] > 4
    assert limiter.wait(3600) == 0


def test_what_is_owed_is_waited_for_at_the_pace_of_now() -> None:
    """A call begins at a pace of one a minute; then peers tell that there is room for ten a second."""
    limiter = _found(1 / 60)
    limiter.begin(1, 10)
    assert limiter.wait(10) > 50
    for beat in range(5):
        limiter.follow({"a": _peer(0, pressed=True)}, 1, 10 + 3.0 * beat)
    assert limiter.wait(22) < 1


def test_what_is_given_back_is_what_was_taken() -> None:
    """A call holds back much more than it uses, and meanwhile the pace has changed: what others hold back stays as it is."""
    pace = Pace()
    pace.adopt(1000.0)
    pace.take(1000.0, 0.0)
    pace.lean(0.25)
    pace.take(500.0, 0.0)
    pace.give_back(1000.0, 0.0)
    assert pace.wait(0.0) == pytest.approx(500 / pace.rate - 0.5)


def test_the_limit_that_was_not_met_keeps_its_pace() -> None:
    """Requests are used up until the minute ends: of tokens that told nothing, and left room for one call a minute."""
    limiter, now, under_way = _found(10.0, 10_000.0), 0.0, []
    while now < 20:
        if limiter.wait(now) <= 0:
            under_way.append(limiter.begin(1000, now))
        now += 0.01
    for each in under_way[:-1]:
        limiter.end(each, now, 1000)
    limiter.throttled(under_way[-1], now, "requests")
    while now < 60:
        if limiter.wait(now) <= 0:
            limiter.throttled(limiter.begin(1000, now), now + 0.01, "requests")
        now += 0.02
    now += 7
    limiter.end(limiter.begin(1000, now), now + 0.05, 1000)
    assert limiter.rates[0] < 10
    assert limiter.rates[1] > 5000


def test_a_quota_by_the_minute_that_becomes_small_is_followed() -> None:
    """It falls to a third. Used up within half a minute, it was taken for one call a minute, and was not found again for long."""
    served = Quota(refusal_seconds=0.01).run(10, 600, later=200)
    assert sum(served[5:]) > 0.9 * 5 * 200


def test_what_is_let_in_at_a_minutes_end_is_not_the_next_minutes_quota() -> None:
    """A small call found room where large ones found none, near the minute's end: what the minute granted is known all the same."""
    pace = Pace()
    for begins in (0.0, 60.0):
        for tenth in range(550):
            pace.take(1.0, begins + tenth / 10)
        pace.exhausted(begins + 55, again=False)
        pace.resumes(begins + 56, begins + 56, (begins + 56, begins + 56))
        pace.take(1.0, begins + 56.5)
        pace.exhausted(begins + 57, again=True)
        pace.resumes(begins + 60, begins + 60, (begins + 60, begins + 60))
        assert pace.rate * 60 == pytest.approx(550, rel=0.05)


def test_what_began_at_once_is_not_waited_for_at_a_slower_pace() -> None:
    """Half a second's worth of hundreds a second, when the first throttle came: at the pace of then it would be a pause of 20 s."""
    pace, now = Pace(), 0.0
    while now < 5:
        if pace.wait(now) <= 0:
            pace.take(1.0, now)
        now += 0.001
    pace.exhausted(now, again=False)
    assert 0 < pace.wait(now) < 1


def test_a_night_without_work_tells_nothing_of_a_quota() -> None:
    """It was found in the evening. In the morning one throttle halved the pace: so little had been granted in ten hours."""
    pace = Pace()
    pace.adopt(10.0)
    for morning in (0.0, 36_000.0):
        now, taken = morning, 0
        while now < morning + 60:
            if pace.wait(now) <= 0:
                pace.take(1.0, now)
                taken += 1
            now += 0.05
        pace.exhausted(now, again=False)
        assert pace.rate > 0.9 * taken / 60


@pytest.mark.parametrize(
    "said",
    [
        "null",
        '"abcdefg"',
        "[]",
        "{}",
        "[1,2,true,false,1e999,0]",
        "[0,1,true,false,1,1,null]",
        "[-1,1,true,false,1,1,null]",
        "[1e300,1,true,false,1,1,null]",
        "[1,Infinity,true,false,1,1,null]",
        "[NaN,1,true,false,1,1,null]",
        '["x",1,true,false,1,1,null]',
        "[1,1,true,false,1e999,1,null]",
        "[1,1,true,false,1,1,[NaN,1]]",
        "[1,1,true,false,1,1,[-1,1]]",
        "[1,1,true,false,1,1,{}]" * 2,
        '[1,1,true,false,1,1,{"a":1}]',
        "[" * 100_000,
        "[1,1,true,false,1,1,null,1]",
    ],
)
def test_what_no_limiter_says_is_not_listened_to(said: str) -> None:
    """A row may be of another version, or of a worker that has gone mad: no pace is set to nothing, or to all there is."""
    with pytest.raises(ValueError, match="not a word"):
        Word.loaded(said)


def test_a_word_comes_over_as_it_was_said() -> None:
    """With and without what may be lacking."""
    for word in (Word(1.5, None, True, False, 3, 2), Word(None, 2.5, False, True, 0, 0, (4.5, 3.0))):
        assert Word.loaded(word.dumped()) == word


def test_tools_are_part_of_what_a_call_takes() -> None:
    """Their schemas are input, and often most of it."""
    tools = {"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"description": "x" * 4000}}}}]}}
    assert reserved_tokens(replace(HELLO, converse=tools)) - reserved_tokens(HELLO) >= 1000
