"""A tenant's requests a minute, shared by all API processes. Pure.

The tenant has a *bucket*: so many requests at once, filled again steadily. What the table keeps of it is one instant, until when it
is *booked*: a request is a stretch of time, and the bucket has room while no more than its depth is booked ahead of now (the
generic cell rate algorithm of ITU-T I.371, which needs no counter that somebody would have to fill). A process books a *share*
of several requests with one write, and spends it without another.

What nobody has taken yet, and what all processes hold, is never more than the depth of the bucket: so what is let in within any
period is at most the depth and what was filled in that period, as if there were one process. For that a share *melts*, as fast as
the bucket fills, while the bucket could be too full for it. A process knows no other's share, and need not: who took a share later
took it out of the level that it has seen, so that the holder of the oldest share counts those of all others; and it is enough that
one holder melts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Final

#: A share is as much as was asked for lately in this time; one that rests as long is given back. Our own choice.
SHARE_SECONDS: Final = 4.0
#: What is measured over less than this says little of a rate. Our own choice.
_SHORTEST_SECONDS: Final = 0.05
#: Longer than any share rests. Our own choice.
FORGOTTEN_SECONDS: Final = 60.0
#: After a refusal, for this long nobody asks the table again. No longer than any `Retry-After`.
REFUSAL_SECONDS: Final = 1.0
#: What comes of counting in floats.
_NEARLY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Bucket:
    """`depth` requests at once, and `per_minute` more, steadily."""

    per_minute: int
    depth: int

    @property
    def per_second(self) -> float:
        """How fast it fills."""
        return self.per_minute / 60

    def stretch(self, requests: int) -> timedelta:
        """The time in which so many are filled in."""
        return timedelta(microseconds=ceil(requests * 60_000_000 / self.per_minute))

    def latest(self, now: datetime) -> datetime:
        """Until when it may be booked."""
        return now + self.stretch(self.depth)

    def level(self, until: datetime | None, now: datetime) -> float:
        """How many it has room for, being booked until then."""
        ahead = max((until - now).total_seconds(), 0.0) if until else 0.0
        return self.depth - ahead * self.per_second

    def seconds_until_one(self, until: datetime | None, now: datetime) -> float:
        """Until it has room for another one; zero or less where it has."""
        return (1 - self.level(until, now)) / self.per_second


class Share:
    """What one process holds of one bucket. `at` is by the monotonic clock."""

    def __init__(self, bucket: Bucket, at: float) -> None:
        self.bucket = bucket
        #: As the table had it last.
        self.until: datetime | None = None
        #: Whom it would have to ask is not asked again before.
        self.refused_until = at
        self._held = 0.0
        #: No less than what is in the bucket and what anybody holds.
        self._total = 0.0
        self._melted_at = at
        self._taken_at = at
        self._spent = 0
        self._spent_at = at

    def may_ask(self, at: float) -> bool:
        """Whether the table may be asked, or has refused a moment ago."""
        return at + _NEARLY >= self.refused_until

    def spend(self, at: float) -> bool:
        """Let one request in, if it is held."""
        self._melt(at)
        if self._held < 1 - _NEARLY:
            return False
        self._held, self._total = self._held - 1, self._total - 1
        self._spent, self._spent_at = self._spent + 1, at
        return True

    def return_one(self, at: float) -> None:
        """It was not needed after all."""
        self._melt(at)
        self._held, self._total = self._held + 1, self._total + 1
        self._spent -= 1

    def wanted(self, waiting: int, level: float, at: float) -> int:
        """How many to take at once: those that wait, or as many as come in a while; and of what is there not all, so that other
        processes find something, unless it is no more than a second fills in. At least one.
        """
        rate = self._spent / max(at - self._taken_at, _SHORTEST_SECONDS)
        fair = max(level / 2, min(level, self.bucket.per_second))
        return max(floor(min(max(waiting, rate * SHARE_SECONDS), fair)), 1)

    def take(self, requests: int, until: datetime | None, now: datetime, at: float) -> None:
        """They were booked. What is left of an earlier share, less than one, is let go."""
        self.until = until
        self._held = float(requests)
        self._total = self.bucket.level(until, now) + requests
        self._melted_at = self._taken_at = at
        self._spent = 0

    def resting(self, at: float) -> int:
        """How many to give back, since nobody asked for them in a while."""
        if at - max(self._spent_at, self._taken_at) < SHARE_SECONDS:
            return 0
        self._melt(at)
        return floor(self._held + _NEARLY)

    def is_forgotten(self, at: float) -> bool:
        """Whether nobody has asked for so long that it may as well not be here."""
        return at - max(self._spent_at, self._taken_at, self.refused_until) > FORGOTTEN_SECONDS

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._held = 0.0

    def held(self, at: float) -> int:
        """How many may be let in without asking."""
        self._melt(at)
        return floor(self._held + _NEARLY)

    def _melt(self, at: float) -> None:
        total = self._total + max(at - self._melted_at, 0.0) * self.bucket.per_second
        over = max(total - self.bucket.depth, 0.0)
        self._held, self._total, self._melted_at = max(self._held - over, 0.0), total - over, at
