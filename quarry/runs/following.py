"""Which jobs of a run to look at, and when. Pure: it takes `now`, in seconds of any clock that only goes forward.

A job is looked at first when jobs like it have lately been over, and then again after a part of its age: so a short one is seen
at once, a long one costs few questions, and nothing is asked for in a hot loop. What is due is gathered for a moment, since one
question may hold 100 jobs. The numbers are our own choice.
"""

import heapq
from dataclasses import dataclass, field
from typing import Final

LOOK_MAX_JOBS: Final = 100
_GATHER_SECONDS: Final = 0.1
_FIRST_LOOK_OF_USUAL: Final = 0.8
_NEXT_LOOK_OF_AGE: Final = 0.15
_INTERVAL_MIN_SECONDS: Final = 0.1
_INTERVAL_MAX_SECONDS: Final = 10.0
_FIRST_LOOK_MAX_SECONDS: Final = 300.0
#: How much one job moves what is usual.
_WEIGHT: Final = 0.05


@dataclass(slots=True)
class Followed:
    """A job, and the lines that it answers: more than one where they are equal."""

    request_id: str
    since: float
    lines: list[int] = field(default_factory=list)
    #: How often its result could not be had.
    misses: int = 0


class Following:
    """The jobs that are not over yet, as far as anybody has seen."""

    def __init__(self) -> None:
        self._jobs: dict[str, Followed] = {}
        self._due: list[tuple[float, str]] = []
        self._usual_seconds = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def follow(self, request_id: str, line: int, now: float) -> None:
        """A job more, or a line more of one."""
        job = self._jobs.get(request_id)
        if job is None:
            job = self._jobs[request_id] = Followed(request_id, now)
            self._push(job, now, min(_FIRST_LOOK_OF_USUAL * self._usual_seconds, _FIRST_LOOK_MAX_SECONDS))
        job.lines.append(line)

    def due(self, now: float) -> list[Followed]:
        """Up to 100 jobs to look at now; each is to be given to `later` or `over`."""
        if now < self.due_at():
            return []
        found: list[Followed] = []
        while self._due and self._due[0][0] <= now and len(found) < LOOK_MAX_JOBS:
            found.append(self._jobs[heapq.heappop(self._due)[1]])
        return found

    def due_at(self) -> float:
        """When to look next; infinity where there is nothing to look at."""
        # A short run's jobs fall due together, a long one's all the time: there, a moment fills the question.
        return self._due[0][0] + _GATHER_SECONDS if self._due else float("inf")

    def later(self, job: Followed, now: float) -> None:
        """It is not over."""
        age = now - job.since
        self._push(job, now, min(max(_NEXT_LOOK_OF_AGE * age, _INTERVAL_MIN_SECONDS), _INTERVAL_MAX_SECONDS))

    def over(self, job: Followed, took_seconds: float | None = None) -> None:
        """It is; `took_seconds` is how long it took, where that is known."""
        del self._jobs[job.request_id]
        if took_seconds is not None:
            self._usual_seconds += _WEIGHT * (took_seconds - self._usual_seconds)

    def _push(self, job: Followed, now: float, wait: float) -> None:
        heapq.heappush(self._due, (now + wait, job.request_id))
