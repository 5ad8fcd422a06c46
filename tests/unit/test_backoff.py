"""Waiting between tries: exponential, bounded, spread over the whole span."""

import pytest

from quarry.backoff import Backoff

BACKOFF = Backoff(base_seconds=2, ceiling_seconds=60)


@pytest.mark.parametrize(("tries", "span"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (10_000, 60)])
def test_the_span_doubles_up_to_the_ceiling(tries: int, span: float) -> None:
    """However often it was tried."""
    assert BACKOFF.wait(tries, 1.0).total_seconds() == span


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_wait_is_uniform_over_the_span(draw: float, seconds: float) -> None:
    """Full jitter: those who failed together do not come back together."""
    assert BACKOFF.wait(3, draw).total_seconds() == seconds


@pytest.mark.parametrize(("tries", "draw", "seconds"), [(1, 0.0, 5), (1, 1.0, 5), (4, 0.0, 5), (4, 1.0, 16), (4, 0.5, 10.5)])
def test_no_wait_is_below_the_floor(tries: int, draw: float, seconds: float) -> None:
    """Nor does a span below the floor make it shorter."""
    assert Backoff(2, 60, floor_seconds=5).wait(tries, draw).total_seconds() == seconds


def test_before_the_first_try_counts_as_after_it() -> None:
    """A count of zero is no error."""
    assert BACKOFF.wait(0, 1.0) == BACKOFF.wait(1, 1.0)
