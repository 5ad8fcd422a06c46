"""What every unit test may rely on: no environment of the developer's, and a clock that stands still."""

import os

import pytest

from quarry.testing import FakeClock


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing configures Quarry or AWS but the test itself."""
    for name in list(os.environ):
        if name.startswith(("QUARRY_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> FakeClock:
    """Time as the test tells it."""
    return FakeClock()
