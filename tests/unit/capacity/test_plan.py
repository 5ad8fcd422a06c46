"""From a load to workers and quota, reckoned by hand."""

import math

import pytest

from quarry.capacity.plan import Load, plan

#: One job a second, on average.
DAILY = 86_400.0


def test_workers_follow_the_day() -> None:
    """100 a second of 20 s on average, 180 at the peak: 3,600 in flight, of 90 in each worker."""
    found = plan(Load(100 * DAILY, typical_seconds=20, peak=1.8))

    assert (found.jobs_per_second_trough, found.jobs_per_second_mean, found.jobs_per_second_peak) == pytest.approx((20, 100, 180))
    assert (found.tasks_trough, found.tasks_peak, found.slots_peak) == (5, 40, 3600)
    # A whole task more than half of one, on average, for what is rounded up.
    assert found.tasks_mean == pytest.approx(100 * 20 / 90 + 0.5, abs=0.1)
    assert found.rpm_needed == pytest.approx(180 * 60)
    assert (found.tpm_needed, found.tasks_fed, found.shortages) == (None, None, ())


def test_a_day_without_a_peak() -> None:
    """As many at every hour: nine jobs in flight of ten slots."""
    found = plan(Load(DAILY, typical_seconds=9, peak=1, slots=10))

    assert (found.tasks_trough, found.tasks_peak, found.tasks_mean) == (1, 1, 1.0)


def test_the_floor_holds() -> None:
    """Also where nobody comes; and where it is none, one job needs a worker."""
    assert plan(Load(1, min_tasks=3)).tasks_mean == 3
    assert plan(Load(1, min_tasks=0)).tasks_trough == 1


def test_tokens_are_what_is_held_back_or_what_is_counted() -> None:
    """Whichever is more."""
    assert plan(Load(DAILY, peak=1, held_back_tokens=1500, counted_tokens=900)).tpm_needed == pytest.approx(90_000)
    assert plan(Load(DAILY, peak=1, held_back_tokens=1500, counted_tokens=3000)).tpm_needed == pytest.approx(180_000)


def test_a_quota_that_is_enough() -> None:
    """Nothing is short; and no more workers than use it up: 300 calls a minute each."""
    found = plan(Load(10 * DAILY, peak=1, rpm=601))

    assert (found.shortages, found.tasks_fed) == ((), 3)


def test_a_quota_below_the_mean_leaves_jobs_over() -> None:
    """Ten a second come, five begin: each day half of them are left."""
    [short] = plan(Load(10 * DAILY, peak=1.5, rpm=300)).shortages

    assert (short.what, short.longest_wait_seconds) == ("requests a minute", None)
    assert short.needed == pytest.approx(900)
    assert short.jobs_left_a_day == pytest.approx(5 * DAILY)


def test_a_quota_below_the_peak_lets_it_wait() -> None:
    """By the integral of the cosine above the quota, over the quota."""
    mean, swing, served = 10.0, 5.0, 12.5
    [short] = plan(Load(mean * DAILY, peak=1.5, rpm=served * 60)).shortages

    # Half of the swing: for a third of the day there is more, in all 2 x sin(60 degrees) of the swing's 86,400 / 2 pi.
    above = swing * (DAILY / (2 * math.pi)) * 2 * math.sin(math.pi / 3) - (served - mean) * DAILY / 3
    assert short.jobs_left_a_day == 0
    assert short.longest_wait_seconds == pytest.approx(above / served, rel=0.01)


def test_each_quota_is_judged_by_itself() -> None:
    """Requests are enough, tokens are not; and workers are bounded by the scarcer."""
    found = plan(Load(10 * DAILY, peak=1, rpm=900, tpm=450_000, held_back_tokens=1000))

    assert [short.what for short in found.shortages] == ["tokens a minute"]
    assert (found.tasks_fed, found.tasks_peak) == (2, 2)
