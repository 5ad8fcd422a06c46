"""How long the calls of one target may take before that says something about the target. Pure.

What is usual depends on how much is asked for: by `max_tokens`, calls are of one of a few kinds, and each is judged by what its own
kind takes. A kind of which too few have been answered is judged by the next bigger one, or not at all: never by a smaller one,
whose calls are over sooner.
"""

import math
from bisect import bisect_left
from collections import deque
from typing import Final

#: The most that each kind but the last may ask for, in tokens. Our own choice, as all numbers here.
_BOUNDS: Final = (256, 1024, 4096, 16384)
KINDS: Final = range(len(_BOUNDS) + 1)
#: A call is overdue after this many times what 95 of 100 take, but not before so many seconds.
_OVERDUE_TIMES: Final = 5
_OVERDUE_MIN_SECONDS: Final = 3.0
#: One that is only late: after this many times what is usual, but not before so many seconds.
_LATE_TIMES: Final = 2
_LATE_MIN_SECONDS: Final = 1.0
#: One that a later call has passed may be one of the rare long ones: it has this many times what the longest took.
_PASSED_TIMES: Final = 2
#: From answer to answer the longest weighs less: half after 350.
_FADES: Final = 0.998
#: What is usual is told by so many of the latest answers, and not by fewer than so many.
_LATEST: Final = 100
_ENOUGH: Final = 5


def kind_of(max_tokens: int) -> int:
    """Which kind a call is of that asks for so much."""
    return bisect_left(_BOUNDS, max_tokens)


class Patience:
    """By kind, after how many seconds a call is late, overdue, and overdue although a call that began later has done well."""

    def __init__(self) -> None:
        self.late = [math.inf for _ in KINDS]
        self.overdue = [math.inf for _ in KINDS]
        self.passed = [math.inf for _ in KINDS]
        self._seconds = [deque[float](maxlen=_LATEST) for _ in KINDS]
        self._longest = [0.0 for _ in KINDS]

    def answered(self, kind: int, seconds: float) -> None:
        """A call was answered, and took so long."""
        latest = self._seconds[kind]
        latest.append(seconds)
        longest = self._longest[kind] = max(seconds, _FADES * self._longest[kind])
        if len(latest) < _ENOUGH:
            return
        usual = sorted(latest)[math.ceil(0.95 * len(latest)) - 1]
        late, overdue = max(_LATE_MIN_SECONDS, _LATE_TIMES * usual), max(_OVERDUE_MIN_SECONDS, _OVERDUE_TIMES * usual)
        while True:
            self.late[kind], self.overdue[kind], self.passed[kind] = late, overdue, max(overdue, _PASSED_TIMES * longest)
            kind -= 1
            if kind < 0 or len(self._seconds[kind]) >= _ENOUGH:
                break
