"""The limiter of one target: finds out what its quotas grant, and stays just below. Pure: it takes `now`, monotonic seconds.

Calls are spaced by two paces, of requests and of tokens (`pace.py`). A throttle slows down the one it names. Then nothing begins
for a moment, and then one call alone: if it is throttled as well, the next pause is longer; if not, there is room again. A pause
that ends long after it began, for everybody, is the end of a minute: from then on the minutes' beginnings are known.

Each worker has its own limiter, and tells the others by its heartbeat what it found (`Word`): one worker's throttle slows down all
of them, room that one has found the others need not look for, and paces grow alike.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final

from quarry.inference.pace import START, Pace

#: Between a throttle and the next call, longer each time, up to so much; those of a fleet are longer, since each of it looks.
#: Our own choices, as all numbers here.
_PAUSE_SECONDS: Final = 0.1
_PAUSE_MAX_SECONDS: Final = 5.0
#: So many workers at most make a pause longer.
_LOOKING_MAX: Final = 10
_PAUSE_GROWTH: Final = 3.0
#: A server's hint is followed up to this.
_HINT_MAX_SECONDS: Final = 60.0
#: Whoever is not throttled within this was let in; longer where throttles take longer to arrive: so many times as long as they
#: took lately. One that takes very long came in the middle of an answer, and says nothing of that.
_ADMITTED_SECONDS: Final = 0.1
_ADMITTED_SHARE: Final = 1.5
_ADMITTED_MAX_SECONDS: Final = 3.0
#: After a refusal for want of tokens there is room again when so many calls were let in, one after the other: at a minute's end
#: one or two still find room in what calls that ended have given back, and that is no new minute.
_LET_IN: Final = 3
#: Throttled again so soon after a pause, it was too fast.
_AGAIN_SECONDS: Final = 2.0
#: A pause as long as this was none of a quota that refills all the time.
_MINUTES_PAUSE_SECONDS: Final = 5.0
#: Refused for as long as this, and not once let in: it is none either.
_REFUSED_SECONDS: Final = 3.0
#: How far a minute may begin from where it is expected, and from how far it is waited for.
_EARLY_SECONDS: Final = 0.3
_LATE_SECONDS: Final = 0.6
_NEAR_SECONDS: Final = 10.0
#: From further away one looks now and then, after such a share of what is left.
_LOOK_SHARE: Final = 0.3
_MINUTE: Final = 60.0
#: Held up within this, a pace is what limits its worker.
_PRESSED_SECONDS: Final = 3.0
#: How much of what lies between a pace and its peers' is made up for at each beat.
_LEANING: Final = 0.3

#: What a peer may say; beyond it something is wrong with it. Our own choices: less than a call in ten days, more than there are.
_RATE_MIN: Final = 1e-6
_NUMBER_MAX: Final = 1e12

#: Of requests and of tokens: what a call takes, and the order of the paces.
Costs = tuple[float, float]


@dataclass(eq=False, slots=True)
class Permit:
    """A call that may begin, and what was taken for it, and when. `round` counts the exhaustions before it."""

    taken_at: float
    began: float
    costs: Costs
    round: int
    #: Whether it was sent. Until then nothing follows from its not being throttled.
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """What a worker tells the others of a target.

    Paces in units a second, None where nothing was learned. `throttles` and `resumptions` count: news are told by their growth,
    without clocks. `minute` is between when and when the last full minute began, in seconds ago.
    """

    requests: float | None
    tokens: float | None
    pressed: bool
    spent: bool
    throttles: int
    resumptions: int
    minute: tuple[float, float] | None = None

    def dumped(self) -> str:
        """For a row of the table."""
        return json.dumps(astuple(self), separators=(",", ":"))

    @classmethod
    def loaded(cls, text: str) -> "Word":
        """What a row says.

        Raises:
            ValueError: nothing that this version understands.
        """
        try:
            requests, tokens, pressed, spent, throttles, resumptions, minute = json.loads(text)
            since = (_checked(minute[0], 0.0), _checked(minute[1], 0.0)) if minute else None
            rates = [each if each is None else _checked(each, _RATE_MIN) for each in (requests, tokens)]
            return cls(rates[0], rates[1], bool(pressed), bool(spent), int(throttles), int(resumptions), since)
        except (TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise ValueError("not a word of a limiter") from error


def _checked(value: Any, least: float) -> float:
    number = float(value)
    if not least <= number <= _NUMBER_MAX:
        raise ValueError("out of range")
    return number


class Limiter:
    """One target's. Whoever calls asks `wait`, then says `begin` and `end` or `throttled`. `draw` gives numbers in [0, 1)."""

    def __init__(self, requests_ceiling: float, tokens_ceiling: float, draw: Callable[[], float], start: float = START) -> None:
        """Ceilings, and the calls to start with, are a second, and of all workers together."""
        self._ceilings = requests_ceiling, tokens_ceiling
        self._paces = Pace(requests_ceiling, start), Pace(tokens_ceiling, start)
        self._draw = draw
        self._workers = 1
        #: Since when the quota is used up; None while there is room.
        self._spent: float | None = None
        self._paused_until = -math.inf
        self._pauses = 0
        #: The one call that goes first after a pause; and when the last one began that was throttled.
        self._probe: Permit | None = None
        self._refused = -math.inf
        #: Whether it was tokens for which there was no room, for all that is known, and how many calls were let in since.
        self._lacks_tokens = False
        self._let_in_since = 0
        #: How long to wait for a throttle, by what the latest ones took.
        self._admitted_seconds = _ADMITTED_SECONDS
        self._resumed = -math.inf
        self._throttles = 0
        self._resumptions = 0
        #: Between when and when a minute began, as we saw it; and as a peer told it.
        self._minute: tuple[float, float] | None = None
        self._told_minute: tuple[float, float] | None = None
        self._heard: Mapping[str, Word] = {}
        #: A peer is served while we are not: so it is no minute's end that we wait for.
        self._others_are_served = False

    @property
    def rates(self) -> Costs:
        """Requests and tokens a second."""
        return self._paces[0].rate, self._paces[1].rate

    @property
    def calls(self) -> float:
        """Calls a second: as many as both paces let begin."""
        return min(pace.calls for pace in self._paces)

    def limit(self, requests_ceiling: float, tokens_ceiling: float) -> None:
        """The ceilings are these now."""
        if (requests_ceiling, tokens_ceiling) != self._ceilings:
            self._ceilings = requests_ceiling, tokens_ceiling
            self._cap()

    def _cap(self) -> None:
        for pace, ceiling in zip(self._paces, self._ceilings, strict=True):
            pace.ceiling = ceiling / self._workers

    def wait(self, now: float) -> float:
        """For how many seconds a call has to wait; zero where it may begin."""
        if now < self._paused_until:
            return self._paused_until - now
        if self._probe is not None:
            left = self._admitted_seconds - (now - self._probe.began if self._probe.sent else 0.0)
            if left > 0:
                return left
            self._let_in(self._probe, now)
        return max(self._paces[0].wait(now), self._paces[1].wait(now))

    def held_by(self, now: float) -> str:
        """What a call has to wait for: `requests` or `tokens`, as the target grants them; `ceiling`, ours; `throttled`, a pause."""
        if now < self._paused_until or self._probe is not None:
            return "throttled"
        waits = [pace.wait(now) for pace in self._paces]
        slower = waits.index(max(waits))
        return "ceiling" if self._paces[slower].rate >= self._paces[slower].ceiling else ("requests", "tokens")[slower]

    def begin(self, tokens: float, now: float, *, sent: bool = True) -> Permit:
        """A call begins, which `wait` has allowed, and which takes so many tokens at most. `sends` tells when, if it is not yet."""
        permit = Permit(now, now, (1.0, tokens), self._throttles, sent)
        for pace, cost in zip(self._paces, permit.costs, strict=True):
            pace.take(cost, now)
        if self._spent is not None:
            self._probe = permit
        return permit

    def sends(self, permit: Permit, now: float) -> None:
        """It is sent now; what had to be done before took its time."""
        permit.began, permit.sent = now, True

    def end(self, permit: Permit, now: float, tokens: float | None = None) -> None:
        """It was let in, and ended. `tokens` is what it used; None where nobody knows."""
        if permit is self._probe:
            self._let_in(permit, now)
        if tokens is not None:
            self._paces[1].give_back(permit.costs[1] - tokens, permit.taken_at)

    def cancel(self, permit: Permit) -> None:
        """It did not begin after all."""
        for pace, cost in zip(self._paces, permit.costs, strict=True):
            pace.give_back(cost, permit.taken_at)
        if permit is self._probe:
            self._probe = None

    def throttled(self, permit: Permit, now: float, limit: str | None = None, hint_seconds: float | None = None) -> None:
        """It was refused. `limit` is which one was met, `requests` or `tokens`; None where the target does not tell."""
        for pace, cost in zip(self._paces, permit.costs, strict=True):
            pace.refused(cost, permit.taken_at)
        if (took := _ADMITTED_SHARE * (now - permit.began)) <= _ADMITTED_MAX_SECONDS:
            self._admitted_seconds = max(_ADMITTED_SECONDS, took, self._admitted_seconds * 0.9)
        lacks_tokens = limit != "requests"
        if permit is self._probe:
            self._probe = None
        elif permit.round < self._throttles:
            self._lacks_tokens &= lacks_tokens
            return  # it began before the throttle that was heeded
        self._lacks_tokens = lacks_tokens and (self._spent is None or self._lacks_tokens)
        self._throttles += 1
        self._let_in_since = 0
        if self._spent is None:
            again = now - self._resumed < _AGAIN_SECONDS
            self._spent = now
            for name, pace in zip(("requests", "tokens"), self._paces, strict=True):
                if limit in (None, name):
                    pace.exhausted(now, again=again)
        self._refused = permit.began
        self._paused_until = now + max(self._pause(now), min(hint_seconds or 0.0, _HINT_MAX_SECONDS))
        self._pauses += 1

    def word(self, now: float) -> Word:
        """What to tell the others."""
        requests, tokens = (pace.rate if pace.learned else None for pace in self._paces)
        pressed = self._spent is not None or any(now - pace.pressed_at < _PRESSED_SECONDS for pace in self._paces)
        minute = (now - self._minute[0], now - self._minute[1]) if self._minute else None
        return Word(requests, tokens, pressed, self._spent is not None, self._throttles, self._resumptions, minute)

    def follow(self, words: Mapping[str, Word], workers: int, now: float) -> None:
        """What the peers tell now, by their names, and how many workers there are, ourselves included."""
        if workers != self._workers:
            self._workers = workers
            self._cap()
            for pace in self._paces:
                pace.share(workers)
        known = [(self._heard[name], word) for name, word in words.items() if name in self._heard]
        self._heard = dict(words)
        if self._spent is None:
            if any(word.throttles > before.throttles and not word.spent for before, word in known):
                self._slow_down(now)
        else:
            self._look_beyond(known, now)
        if self._spent is None:
            self._lean(words.values())

    def _slow_down(self, now: float) -> None:
        """A peer was throttled: the quota is everybody's. A pace that held nothing up was not what was too fast."""
        for pace in self._paces:
            if pace.learned and not pace.by_the_minute and now - pace.pressed_at < _PRESSED_SECONDS:
                pace.slow_down(now)

    def _look_beyond(self, known: Iterable[tuple[Word, Word]], now: float) -> None:
        """There is no room for us: are peers served?"""
        assert self._spent is not None  # noqa: S101 - for the type checker
        for before, word in known:
            if word.resumptions > before.resumptions and not word.spent:
                self._paused_until = min(self._paused_until, now)
                if word.minute and now - word.minute[1] > self._spent:
                    self._told_minute = now - word.minute[0], now - word.minute[1]
            elif word.pressed and not before.spent and not word.spent and word.throttles == before.throttles:
                self._others_are_served = self._others_are_served or now - self._spent > _MINUTES_PAUSE_SECONDS

    def _lean(self, words: Iterable[Word]) -> None:
        pressed = [word for word in words if word.pressed]
        for pace, theirs in zip(self._paces, ([w.requests for w in pressed], [w.tokens for w in pressed]), strict=True):
            rates = [rate for rate in theirs if rate is not None]
            if rates and not pace.learned:
                pace.adopt(sum(rates) / len(rates))
            elif rates:
                mean = (sum(rates) + pace.rate) / (len(rates) + 1)
                pace.lean(1 + _LEANING * (mean / pace.rate - 1))

    def _pause(self, now: float) -> float:
        pause = min(_PAUSE_SECONDS * _PAUSE_GROWTH ** min(self._pauses, 10), _PAUSE_MAX_SECONDS) * min(self._workers, _LOOKING_MAX)
        if self._minute:
            # Our calls do not always take the same time to arrive: a minute may seem to begin a little later than it did.
            latest = self._minute[1] + _LATE_SECONDS
            minutes = _MINUTE * math.ceil((now - latest) / _MINUTE)
            low, high, latest = self._minute[0] + minutes, self._minute[1] + minutes, latest + minutes
            looks = (low + high) / 2, high, (high + latest) / 2
            until = next((each for each in looks if each > now + _ADMITTED_SECONDS), latest) - now
            if 0 < until < _NEAR_SECONDS:
                return until
            # Nothing is expected before; but nobody has promised that either.
            pause = max(pause, until * _LOOK_SHARE) if self._pauses else pause
        # Peers that were stopped by the same end of a minute should not all look again at once.
        return pause * (1 - self._draw() / 2) if self._workers > 1 else pause

    def _let_in(self, probe: Permit, now: float) -> None:
        """It was not refused: there is room again, if one tells enough."""
        self._probe = None
        self._let_in_since += 1
        if not self._lacks_tokens or self._let_in_since >= _LET_IN:
            self._resume(probe, now)

    def _resume(self, probe: Permit, now: float) -> None:
        """There is room again."""
        assert self._spent is not None  # noqa: S101 - for the type checker
        low, high = self._refused, probe.began
        if self._told_minute:
            low, high = max(low, self._told_minute[0]), min(high, self._told_minute[1])
        # Until the last refusal, and not until now: perhaps nobody has asked since.
        by_the_minute = self._refused - self._spent >= _REFUSED_SECONDS and not self._others_are_served
        by_the_minute = by_the_minute or self._is_expected(probe.began)
        self._minute = (low, high) if by_the_minute else None
        for pace in self._paces:
            pace.resumes(now, probe.began, self._minute)
        self._told_minute, self._probe, self._spent, self._others_are_served = None, None, None, False
        self._pauses, self._resumed = 0, now
        self._resumptions += 1

    def _is_expected(self, began: float) -> bool:
        """Whether a minute is known to begin then."""
        if self._minute is None:
            return False
        low, high = self._minute
        minutes = _MINUTE * round((began - high) / _MINUTE)
        return low + minutes - _EARLY_SECONDS <= began <= high + minutes + _LATE_SECONDS
