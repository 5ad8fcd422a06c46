"""How far behind the lanes are: the time that jobs now wait for their first receipt, as this worker sees it."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from quarry.job import Priority

#: Over how long the longest wait counts. Our own choice: ten polls of the longest kind.
_WINDOW_SECONDS: Final = 200.0
#: Longer than the longest poll. Our own choice.
_DEAF_SECONDS: Final = 60.0
#: So much earlier that the longest poll, which is then begun, ends in time.
_SILENT_SECONDS: Final = 30.0


class Front:
    """Takes note of what the polls of one lane bring."""

    def __init__(self, monotonic: float) -> None:
        #: (when, wait in seconds), waits falling: the first is the longest of the window.
        self._waits: deque[tuple[float, float]] = deque()
        self._heard_at = monotonic

    def waited(self, seconds: float, monotonic: float) -> None:
        """A job was received for the first time, so long after it became due."""
        self._heard_at = monotonic
        while self._waits and self._waits[-1][1] <= seconds:
            self._waits.pop()
        self._waits.append((monotonic, seconds))
        self._forget(monotonic)

    def empty(self, monotonic: float) -> None:
        """A poll brought nothing: nothing waits."""
        self._heard_at = monotonic
        self._waits.clear()

    def heard(self, monotonic: float) -> None:
        """Something came that tells nothing of how long others wait."""
        self._heard_at = monotonic

    def longest(self, monotonic: float) -> float:
        """The longest wait of late."""
        self._forget(monotonic)
        return self._waits[0][1] if self._waits and self._waits[0][0] >= monotonic - _WINDOW_SECONDS else 0.0

    def seconds(self, monotonic: float) -> float:
        """The wait to be expected. It grows while nothing is heard, because every slot is busy."""
        self._forget(monotonic)
        return (self._waits[0][1] if self._waits else 0.0) + monotonic - self._heard_at

    def is_silent(self, monotonic: float) -> bool:
        """Whether nothing was heard for so long that this worker should ask, lest it become deaf."""
        return monotonic - self._heard_at > _SILENT_SECONDS

    def is_deaf(self, monotonic: float) -> bool:
        """Whether nothing was heard for so long that this worker cannot tell."""
        return monotonic - self._heard_at > _DEAF_SECONDS

    def _forget(self, monotonic: float) -> None:
        """Drop what is old, except the last that is known."""
        while len(self._waits) > 1 and self._waits[0][0] < monotonic - _WINDOW_SECONDS:
            self._waits.popleft()


class Fronts:
    """The fronts of all lanes. What is said of them together is said of the one that is furthest behind."""

    def __init__(self, lanes: Iterable[Priority], monotonic: float) -> None:
        self._fronts = {lane: Front(monotonic) for lane in lanes}
        #: Of jobs that wait because their tenants have all the slots that they may.
        self._held_back = Front(monotonic)

    def __getitem__(self, lane: Priority) -> Front:
        return self._fronts[lane]

    def held_back(self, seconds: float, monotonic: float) -> None:
        """A job was received whose tenant has all the slots that it may, so long after it was sent. Its lane is none the older."""
        self._held_back.waited(seconds, monotonic)

    def seconds(self, monotonic: float) -> float:
        """The longest wait to be expected, of those that are held back as well."""
        return max(self._held_back.longest(monotonic), *(front.seconds(monotonic) for front in self._fronts.values()))

    def is_deaf(self, monotonic: float) -> bool:
        """Whether this worker cannot tell of some lane."""
        return any(front.is_deaf(monotonic) for front in self._fronts.values())
