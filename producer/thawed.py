"""A clock for a process that is stopped now and then, and not told."""

from datetime import timedelta
from typing import Final

from quarry.clock import Clock, CorrectedClock, SystemClock

#: A wall clock may be set right by less: nothing follows from that. Our own choice.
_STOOD_STILL: Final = timedelta(seconds=1)


class ThawedClock(CorrectedClock):
    """The clock that goes by AWS's, where the machine's monotonic clock may stand still while the process is stopped: what was read
    before is then as old as the wall clock says, and instants count on from there.
    """

    def __init__(self, machine: Clock | None = None) -> None:
        self._stood = timedelta()
        machine = machine or SystemClock()
        self._seen = machine.now(), machine.monotonic()
        super().__init__(machine)

    def monotonic(self) -> float:
        return super().monotonic() + self._stood.total_seconds()

    def observe(self, date: str, asked_at: float) -> None:
        """As for its parent: `asked_at` is the machine's."""
        super().observe(date, asked_at + self._stood.total_seconds())

    def thawed(self) -> None:
        """Make up for the time that the monotonic clock has missed since the last call. Before anything is done again."""
        (wall, monotonic), now = self._seen, (self._machine.now(), self._machine.monotonic())
        missed = now[0] - wall - timedelta(seconds=now[1] - monotonic)
        if missed > _STOOD_STILL:
            self._stood += missed
        self._seen = now
