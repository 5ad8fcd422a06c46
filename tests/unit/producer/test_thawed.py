"""Time goes on for a process that was stopped, whatever its monotonic clock says."""

from datetime import datetime, timedelta

from producer.thawed import ThawedClock
from quarry.testing import NOW

#: As AWS writes an instant.
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"


class Machine:
    """A machine whose monotonic clock stands still while it is stopped."""

    def __init__(self) -> None:
        self._wall, self._monotonic = NOW, 1000.0

    def now(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.run(seconds)

    def run(self, seconds: float) -> None:
        """Time passes."""
        self._wall += timedelta(seconds=seconds)
        self._monotonic += seconds

    def stop(self, seconds: float) -> None:
        """Time passes, and nobody counts it."""
        self._wall += timedelta(seconds=seconds)


def test_what_was_missed_is_made_up_for() -> None:
    """Once: caches grow old by it, and instants are right."""
    machine = Machine()
    clock = ThawedClock(machine)
    began = clock.monotonic()
    for _ in range(2):
        machine.run(3)
        machine.stop(3600)
        clock.thawed()
        clock.thawed()
    assert clock.monotonic() - began == 2 * 3603
    assert clock.now() == machine.now() == NOW + timedelta(seconds=2 * 3603)


def test_where_nothing_was_missed_nothing_changes() -> None:
    """A clock that goes on while the process is stopped, and one that is set back."""
    machine = Machine()
    clock = ThawedClock(machine)
    machine.run(3600)
    clock.thawed()
    machine.stop(-60)
    clock.thawed()
    assert (clock.monotonic(), clock.now()) == (4600, NOW + timedelta(seconds=3600))


def test_it_still_goes_by_the_dates_of_aws() -> None:
    """Also after a stop: whoever asks notes the time by the machine's clock."""
    machine = Machine()
    clock = ThawedClock(machine)
    machine.stop(3600)
    clock.thawed()
    theirs = NOW + timedelta(hours=2)
    clock.observe(theirs.strftime(_HTTP_DATE), machine.monotonic())
    assert abs(clock.now() - theirs) <= timedelta(seconds=1)
