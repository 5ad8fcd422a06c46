"""What is left of a quota: its arithmetic, in the two ways in which a service may fill it up again. Pure.

AWS publishes quotas "per minute" and does not say how they refill, so both are played. Amounts are requests or tokens, `now` is
in seconds since the epoch, and what is left may be below zero: a call can turn out to cost more than was held back for it.
"""

from typing import Final, TypeAlias

_MINUTE: Final = 60.0
#: What many small additions may lack of the whole.
_ROUNDING: Final = 1e-6


class Smooth:
    """A bucket that fills all the time, up to `burst_seconds` worth; never so small that no request fits."""

    def __init__(self, per_minute: float, burst_seconds: float, now: float) -> None:
        self._rate = per_minute / _MINUTE
        self.capacity = max(self._rate * burst_seconds, 1.0)
        self.left = self.granted = self.capacity
        self._at = now

    def advance(self, now: float) -> None:
        """Fill up. What finds the bucket full is granted and lost: a caller that had asked would have got it."""
        gain = self._rate * max(0.0, now - self._at)
        self._at = max(self._at, now)
        self.granted += gain
        self.left = min(self.capacity, self.left + gain)

    def give_back(self, amount: float, _taken_at: float) -> None:
        """Return what was held back and not used; below zero it was more."""
        self.left = min(self.capacity, self.left + amount)


class Minute:
    """The whole quota is there at `phase_seconds` after each full minute, debts forgiven, and what was left over is lost."""

    def __init__(self, per_minute: float, phase_seconds: float, now: float) -> None:
        self._phase = phase_seconds
        self.capacity = self.left = self.granted = per_minute
        self._number = self._minute(now)

    def advance(self, now: float) -> None:
        """Begin the minute that it is."""
        number = self._minute(now)
        if number > self._number:
            self.granted += self.capacity * (number - self._number)
            self.left, self._number = self.capacity, number

    def give_back(self, amount: float, taken_at: float) -> None:
        """Return what was held back; of a minute that is over nothing comes back, but what was used beyond is taken now."""
        if amount < 0 or self._minute(taken_at) == self._number:
            self.left = min(self.capacity, self.left + amount)

    def _minute(self, now: float) -> int:
        return int((now - self._phase) // _MINUTE)


Budget: TypeAlias = Smooth | Minute


def fits(budget: Budget | None, amount: float) -> bool:
    """Whether there is room for it; without a budget there always is."""
    return budget is None or budget.left + _ROUNDING >= amount


def carry(old: Budget, new: Budget) -> None:
    """Let `new` go on where `old` is, both at the same moment: what is used stays used.

    A minute's count is held against the new quota. A bucket keeps its level, as far as it goes in.
    """
    counted = isinstance(old, Minute) and isinstance(new, Minute)
    left = old.left + new.capacity - old.capacity if counted else min(old.left, new.capacity)
    new.granted = old.granted + max(left, 0.0) - max(old.left, 0.0)
    new.left = left
