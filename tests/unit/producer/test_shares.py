"""Shares of a bucket: whoever spends them, no period lets more in than one process would."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.shares import SHARE_SECONDS, Bucket, Share
from quarry.testing import NOW

MINUTE = Bucket(per_minute=60, depth=60)


@dataclass
class Fleet:
    """Processes, their row of the table, and when they let somebody in."""

    bucket: Bucket
    count: int

    def __post_init__(self) -> None:
        self.at = 0.0
        self.until: datetime | None = None
        self.shares = [Share(self.bucket, self.at) for _ in range(self.count)]
        self.entries: list[float] = []
        self.writes = 0

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.at)

    def book(self, stretch: timedelta) -> bool:
        self.writes += 1
        after = max(self.until or self.now, self.now) + stretch
        if after > self.bucket.latest(self.now):
            return False
        self.until = after
        return True

    def enter(self, process: int) -> bool:
        """As the limiter does it."""
        share = self.shares[process]
        if not share.spend(self.at):
            requests = share.wanted(1, self.bucket.level(self.until, self.now), self.at)
            if not self.book(self.bucket.stretch(requests)):
                return False
            share.take(requests, self.until, self.now, self.at)
            assert share.spend(self.at)
        self.entries.append(self.at)
        return True

    def rest(self, process: int) -> None:
        """Give back what rests."""
        if rests := self.shares[process].resting(self.at):
            self.shares[process].let_go()
            self.book(-self.bucket.stretch(rests))


@settings(max_examples=150, deadline=None)
@given(
    per_minute=st.integers(1, 6_000),
    depth=st.integers(1, 200),
    count=st.integers(1, 4),
    steps=st.lists(st.tuples(st.floats(0, 8), st.integers(0, 3), st.integers(1, 40), st.booleans()), max_size=60),
)
def test_no_period_lets_more_in_than_one_process_would(
    per_minute: int, depth: int, count: int, steps: list[tuple[float, int, int, bool]]
) -> None:
    """Whatever is asked where and when, and whoever rests or dies: its depth, and what is filled in that time."""
    fleet = Fleet(Bucket(per_minute, depth), count)
    for pause, process, asked, dies in steps:
        fleet.at += pause
        for each in range(count):
            fleet.rest(each)
        for _ in range(asked):
            fleet.enter(process % count)
        if dies:
            fleet.shares[process % count] = Share(fleet.bucket, fleet.at)
    for i, first in enumerate(fleet.entries):
        for j, last in enumerate(fleet.entries[i:], start=1):
            assert j <= depth + (last - first) * per_minute / 60 + 1e-3


def test_a_burst_is_let_in_by_a_few_writes() -> None:
    """A process takes what it needs lately, and half of what is there at most."""
    fleet = Fleet(Bucket(600, 600), 1)
    for _ in range(400):
        assert fleet.enter(0)
        fleet.at += 0.01
    assert fleet.writes <= 400 / 10


def test_a_process_with_little_to_do_takes_little() -> None:
    """And gives back what it does not need."""
    fleet = Fleet(MINUTE, 2)
    for _ in range(10):
        assert fleet.enter(0)
        fleet.at += 0.05
    while not (held := fleet.shares[0].held(fleet.at)):
        assert fleet.enter(0)
    level = fleet.bucket.level(fleet.until, fleet.now)
    fleet.at += SHARE_SECONDS
    fleet.rest(0)
    assert fleet.shares[0].held(fleet.at) == 0
    assert fleet.bucket.level(fleet.until, fleet.now) == pytest.approx(min(level + held + SHARE_SECONDS, 60), abs=0.01)
    assert fleet.shares[1].wanted(1, 60, fleet.at) == 1


def test_an_empty_bucket_fills_steadily() -> None:
    """One request a second of sixty a minute, and the wait for it is told."""
    bucket, until = MINUTE, MINUTE.latest(NOW)
    waits = [bucket.seconds_until_one(until, NOW + timedelta(seconds=each)) for each in range(3)]
    assert waits == [1.0, 0.0, -1.0]
    assert all(later < sooner for sooner, later in pairwise(waits))


def test_what_was_returned_can_be_spent() -> None:
    """It was nobody's."""
    share = Share(MINUTE, 0.0)
    share.take(1, NOW + timedelta(seconds=1), NOW, 0.0)
    assert share.spend(0.0)
    assert not share.spend(0.0)
    share.return_one(0.0)
    assert share.spend(0.0)
