"""Limiters in simulated traffic, before quotas that nobody tells them: nearly all is used, and few calls are throttled."""

import math
import random
from collections.abc import Callable

import pytest

from quarry.simulator.budgets import Budget
from tests.support.traffic import Traffic, by_the_minute, smooth

#: Requests a minute; and tokens, of calls of the length that they have.
QUOTA = {"requests": 600.0, "tokens": 600.0 * 340}
#: How the quota comes back; when it was found; and a time that is whole minutes of it.
REFILLS = [
    pytest.param(smooth(1), 30, 150, id="smooth-1"),
    pytest.param(smooth(10), 30, 150, id="smooth-10"),
    pytest.param(smooth(60), 90, 210, id="smooth-60"),
    pytest.param(by_the_minute(5), 65, 245, id="minute-5"),
    pytest.param(by_the_minute(50), 110, 290, id="minute-50"),
]
Refill = Callable[[float], Budget]


def used(traffic: Traffic, begin: float, end: float, quota: float) -> float:
    """Of the first target's quota."""
    return traffic.run(end).use(begin, end) / (quota / 60)


@pytest.mark.parametrize("limit", QUOTA)
@pytest.mark.parametrize(("refill", "begin", "end"), REFILLS)
@pytest.mark.parametrize("seed", [1, 2])
def test_one_worker_uses_a_quota(limit: str, refill: Refill, begin: float, end: float, seed: int) -> None:
    """Of what is granted, all but three in a hundred; two calls in a hundred are throttled at most, or three."""
    traffic = Traffic([QUOTA[limit]], refill, seed=seed, limit=limit)
    assert used(traffic, begin, end, QUOTA[limit]) >= 0.97
    assert traffic.throttles_a_job() <= (0.02 if limit == "requests" else 0.03)


@pytest.mark.parametrize("limit", QUOTA)
@pytest.mark.parametrize(("refill", "begin", "end"), REFILLS)
@pytest.mark.parametrize("seed", [1, 2])
def test_four_workers_share_a_quota(limit: str, refill: Refill, begin: float, end: float, seed: int) -> None:
    """They know of each other by their heartbeats alone, and use what one would; each has to find out a little."""
    traffic = Traffic([QUOTA[limit]], refill, 4, seed, limit)
    assert used(traffic, begin, end, QUOTA[limit]) >= 0.95
    assert traffic.throttles_a_job() <= 0.05


@pytest.mark.parametrize(("refill", "begin", "end"), REFILLS)
def test_ten_workers_do_together_what_one_would(refill: Refill, begin: float, end: float) -> None:
    """Ten times as many look for the limit, and their shares are a tenth."""
    traffic = Traffic([QUOTA["requests"]], refill, 10)
    assert used(traffic, begin, end, QUOTA["requests"]) >= 0.95
    assert traffic.throttles_a_job() <= 0.08


@pytest.mark.parametrize("burst_seconds", [1, 10, 60])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_quota_that_changes_is_followed(burst_seconds: float, workers: int) -> None:
    """Half a minute after it was halved or doubled, the pace is the new one."""
    traffic = Traffic([600], smooth(burst_seconds), workers).run(120)
    traffic.change(0, 300)
    refused = len(traffic.run(150).throttled[0])
    assert used(traffic, 150, 200, 300) >= 0.93
    assert len(traffic.throttled[0]) - refused <= 0.1 * 250
    traffic.change(0, 600)
    assert used(traffic, 230, 280, 600) >= 0.93


def test_the_quotas_of_several_targets_add_up() -> None:
    """Each is used as if it were the only one."""
    quotas = [450.0, 600.0, 750.0]
    traffic = Traffic(quotas, smooth(10), 4).run(150)
    assert [traffic.use(30, 150, i) / (quota / 60) for i, quota in enumerate(quotas)] == pytest.approx([1, 1, 1], abs=0.06)


@pytest.mark.parametrize("limit", QUOTA)
@pytest.mark.parametrize("workers", [1, 4])
def test_a_ceiling_of_ours_is_held_by_all_together(workers: int, limit: str) -> None:
    """Half of what the target grants: that much is used, and never more in a minute than that and half a second's worth, once each
    has heard of the others.
    """
    ceiling = QUOTA[limit] / 60 / 2
    traffic = Traffic([QUOTA[limit]], smooth(10), workers, limit=limit, ceiling=ceiling)
    assert used(traffic, 30, 150, QUOTA[limit] / 2) >= 0.95
    rounding = workers * 1000 if limit == "tokens" else workers
    assert all(traffic.use(begin, begin + 60) * 60 <= ceiling * 60.5 + rounding for begin in range(4, 90))


@pytest.mark.parametrize(("workers", "seed"), [(1, 5), (4, 9)])
def test_the_first_whole_minute_is_used(workers: int, seed: int) -> None:
    """Small calls that still find room at the end of the minute in which a quota was met do not pass for a small quota."""
    draw = random.Random(seed)  # noqa: S311 - the same quotas each time
    quotas = [draw.uniform(180_000, 300_000) for _ in range(3)]
    phase = draw.uniform(0, 60)
    begin = phase + 60 * math.ceil((30 - phase) / 60)
    traffic = Traffic(quotas, by_the_minute(phase), workers, seed, "tokens").run(begin + 60)
    assert [traffic.use(begin, begin + 60, i) / (quota / 60) >= 0.93 for i, quota in enumerate(quotas)] == [True] * 3


def test_without_a_quota_nothing_is_throttled_and_nothing_holds_back() -> None:
    """The pace doubles each second until every slot is in use."""
    traffic = Traffic([math.inf], smooth(1)).run(30)
    assert traffic.throttled == [[]]
    assert traffic.use(10, 30) >= 0.95 * 100 / 0.5
