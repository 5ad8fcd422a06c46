"""The pace of one limit of one target: how many requests, or tokens, may begin a second. Pure: it takes `now`, monotonic seconds.

Nobody tells a quota, so it is looked for. From a slow start the pace doubles each second in which it holds calls up, until the
target throttles. From then on it goes by this: what was taken between two moments at which a quota was used up is what the quota
granted meanwhile. About that plateau the pace follows a cubic curve, as TCP CUBIC does (RFC 9438): it begins a little below, stays
long near it, and then climbs faster and faster, for a quota that has grown. It climbs only while it holds calls up.

A quota refills all the time, or all at once, by the minute. Of the second kind little is learned in less than a minute, so there
the curve is slower, and what counts is what was taken since the minute began.
"""

import math
from typing import Final

#: Calls a second to begin with, of all workers together. Our own choice, as all numbers here; `bench/` shows what they lead to.
START: Final = 10.0
#: What may begin at once after a pause, in seconds of the pace: it makes up for timers that are late.
_BURST_SECONDS: Final = 0.5
#: How slow the curve is: so long after its plateau the pace has doubled. Quick until the quota was found, slow for minutes.
_SLOWNESS_SECONDS: Final = 20.0
_SEEKING_SECONDS: Final = 5.0
_MINUTES_SECONDS: Final = 120.0
#: What the curve begins with, of the plateau: as a rule; where it was too fast again at once; and where a new minute begins.
_DIP: Final = 0.936
_DEEP_DIP: Final = 0.85
_NO_DIP: Final = 0.995
#: Less than this between two throttles tells little of a quota.
_TELLING_SECONDS: Final = 2.0
#: A pace that had climbed beyond so many times what was granted was far below its quota before.
_CLIMB: Final = 1.3
_MINUTE: Final = 60.0
#: So much of a minute at most is made up for, all at once: where its beginning is known less well, too much would begin.
_MISSED_MAX_SECONDS: Final = 10.0
#: For how long is looked back, and how exactly.
_DIARY_SECONDS: Final = 150.0
_MOMENT_SECONDS: Final = 0.25


class Pace:
    """One limit. `ceiling` is in units a second, requests or tokens; `start` is calls a second of all workers together."""

    def __init__(self, ceiling: float = math.inf, start: float = START) -> None:
        self.ceiling = ceiling
        self._start = start
        #: Whether the target has told enough for the pace to be worth something to others.
        self.learned = False
        #: When it held a call up, the last time.
        self.pressed_at = -math.inf
        self.by_the_minute = False
        self._workers = 1
        #: The middle of the curve, in units a second; None until there was a throttle.
        self._plateau: float | None = None
        self._rise = 0.0
        self._climbed = 0.0
        self._looked: float | None = None
        #: Units that have begun before they were due, and as of when: the pace makes up for them as time passes.
        self._owed = 0.0
        self._owed_at = -math.inf
        #: What a call costs, lately.
        self._cost: float | None = None
        #: Taken in all, what was given back or refused not counted; and lately, decaying within a second.
        self._taken = 0.0
        self._lately = 0.0
        self._lately_at = -math.inf
        #: When the quota was used up, and what had been taken then; and whether that is not over.
        self._mark: tuple[float, float] | None = None
        self._spent = False
        #: What calls took that began lately, by the moment, and as it turned out to be: for what a minute has granted.
        self._diary: dict[int, float] = {}

    @property
    def rate(self) -> float:
        """Units a second."""
        if self._plateau is None:
            start = self._start / self._workers * (self._cost or 1.0)
            return min(start * math.exp2(min(self._climbed, 20.0)), self.ceiling)
        return min(self._plateau * (1 + math.pow(self._climbed / self._slowness - self._rise, 3)), self.ceiling)

    @property
    def calls(self) -> float:
        """Calls a second, of the size that they have lately."""
        return self.rate / (self._cost or 1.0)

    @property
    def _slowness(self) -> float:
        if self.by_the_minute:
            return _MINUTES_SECONDS
        return _SLOWNESS_SECONDS if self.learned else _SEEKING_SECONDS

    def wait(self, now: float) -> float:
        """For how many seconds a call has to wait; zero where it may begin. Whoever is held up here makes the pace climb."""
        self._climb(now)
        wait = self._owed / self.rate - _BURST_SECONDS
        if wait <= 0:
            return 0.0
        self.pressed_at = now
        return wait

    def take(self, cost: float, now: float) -> None:
        """A call begins that costs so many units."""
        self._climb(now)
        if self._mark is None or now - self._lately_at > _MINUTE:
            # Hours in which nobody asked tell nothing of what a quota grants.
            self._mark = (now, self._taken)
        if (moment := _moment(now)) not in self._diary:
            self._diary = {each: units for each, units in self._diary.items() if each > moment - _DIARY_SECONDS / _MOMENT_SECONDS}
        self._diary[moment] = self._diary.get(moment, 0.0) + cost
        self._cost = cost if self._cost is None else self._cost + (cost - self._cost) / 10
        self._owed += cost if math.isfinite(self.rate) else 0.0
        self._taken += cost
        self._lately, self._lately_at = self._lately * math.exp(self._lately_at - now) + cost, now

    def give_back(self, units: float, taken_at: float) -> None:
        """A call cost so much less than was taken for it then; more, where it is negative."""
        self._taken -= units
        self._correct(units, taken_at)
        if units < 0 and self._plateau is None and math.isinf(self.ceiling):
            return  # of a quota that was never met, long answers are no reason to wait
        # A minute's worth is the most that a quota can be behind with.
        self._owed = min(self._owed - units, max(self._owed, self.rate * _MINUTE))

    def refused(self, cost: float, taken_at: float) -> None:
        """A call was throttled: it cost nothing. Its turn is spent all the same."""
        self._taken -= cost
        self._correct(cost, taken_at)

    def exhausted(self, now: float, *, again: bool) -> None:
        """The quota is used up; `again`: so it was only just now."""
        self._climb(now)
        before = rate = self.rate
        since, taken = self._mark or (now, self._taken)
        seconds, units = now - since, self._taken - taken
        granted = units / seconds if seconds > 0 else rate
        if not self.learned:
            # What begins in a second, and not what might: the pace may have climbed far beyond what there is to do.
            lately = self._lately * math.exp(self._lately_at - now)
            rate = min(rate, max(lately, START / self._workers / 4 * (self._cost or 1.0)))
            first, self.learned = self._plateau is None, self._plateau is not None and units > 0 and seconds >= _TELLING_SECONDS
            if self.learned:
                plateau = min(rate, max(granted, rate / 2))
            elif first:
                plateau = min(rate / 2, START / self._workers * (self._cost or 1.0))
            else:
                plateau = min(max(granted, rate / 4), rate / 2)
        elif seconds > _TELLING_SECONDS and not self.by_the_minute:
            plateau = min(rate, max(granted if rate <= _CLIMB * granted else (granted + rate) / 2, rate / 2))
        else:
            plateau = rate
        self._begin(plateau, min((_DEEP_DIP if again else _DIP) * rate, plateau * _DIP), before)
        self._mark, self._spent = (now, self._taken), True

    def slow_down(self, now: float) -> None:
        """The quota is used up for another worker: there is room for us, but the same follows."""
        self.exhausted(now, again=False)
        self._spent = False

    def resumes(self, now: float, began: float, minute: tuple[float, float] | None) -> None:
        """There is room again since a call that `began` then. Where another limit was met than this one, nothing follows.

        Args:
            now: the time.
            began: when the call began that was let in.
            minute: between when and when a minute began; None where the quota is none that comes back by the minute.
        """
        if not self._spent:
            return
        self._spent, self.by_the_minute, cost, before = False, minute is not None, self._cost or 1.0, self.rate
        if minute and now - minute[0] <= _DIARY_SECONDS - _MINUTE:
            # The minute before is over, and its quota was used up: what was taken in it is what a minute grants. Where nobody knows
            # when it began, rather too much is counted: with too little, much would be left over before that is noticed. After a
            # long silence nobody knows it at all.
            plateau = max(self._taken_since(minute[0] - _MINUTE) - cost, cost) / _MINUTE
            self._begin(plateau, plateau * _NO_DIP, before)
            self.learned = True
        if minute:
            self._mark = (now, self._taken - cost)
        missed = min(began - sum(minute) / 2, _MISSED_MAX_SECONDS) if minute else 0.0
        self._owed = self.rate * (began + _BURST_SECONDS - missed - now) + cost
        self._owed_at = now

    def adopt(self, rate: float) -> None:
        """Begin with what peers have found."""
        before, self.learned = self.rate, True
        self._begin(rate, rate * _DIP, before)

    def lean(self, factor: float) -> None:
        """Move by a factor, as others move the other way."""
        if self._plateau is not None:
            self._plateau = max(self._plateau * factor, self._least)

    def share(self, workers: int) -> None:
        """So many workers draw on the quota now."""
        before, self._workers = self._workers, workers
        self.lean(before / workers)

    def _taken_since(self, time: float) -> float:
        return sum(units for moment, units in self._diary.items() if moment >= _moment(time))

    def _correct(self, units: float, taken_at: float) -> None:
        if (moment := _moment(taken_at)) in self._diary:
            self._diary[moment] -= units

    def _climb(self, now: float) -> None:
        if now > self._owed_at:
            # What is left over of a minute that began before we noticed stays there until it is used.
            self._owed = max(self._owed - self.rate * (now - self._owed_at), min(self._owed, 0.0))
            self._owed_at = now
        if self._looked is not None and now - self.pressed_at < 1.0 and self.rate < self.ceiling:
            self._climbed += min(now - self._looked, 1.0)
        self._looked = now

    @property
    def _least(self) -> float:
        """One call a minute of all workers together: with nothing at all, nothing would ever be learned again."""
        return (self._cost or 1.0) / _MINUTE / self._workers

    def _begin(self, plateau: float, rate: float, before: float) -> None:
        plateau, rate = max(plateau, self._least), max(rate, self._least * _DEEP_DIP)
        self._plateau, self._climbed = plateau, 0.0
        self._rise = math.cbrt(max(1 - rate / plateau, 0.0))
        # A burst is of so many seconds: what began at once at the pace before is not waited for at a slower one.
        self._owed -= min(self._owed, _BURST_SECONDS * before) * max(1 - self.rate / before, 0.0)


def _moment(time: float) -> int:
    return int(time // _MOMENT_SECONDS)
