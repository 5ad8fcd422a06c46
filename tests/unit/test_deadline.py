"""A deadline bounds the start of calls."""

from datetime import datetime, timedelta

import pytest

from quarry.deadline import has_passed, leaves_no_time
from quarry.testing import NOW

MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(("now", "expected"), [(NOW - MS, False), (NOW, True), (NOW + MS, True)])
def test_at_the_deadline_it_is_too_late(now: datetime, expected: bool) -> None:
    """To the millisecond, and a wait that ends there leaves no time for a call."""
    assert has_passed(NOW, now) is expected
    assert leaves_no_time(NOW, now) is expected
