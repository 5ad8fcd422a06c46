"""Queue, tasks and quota in simulated time, event by event.

Jobs come, wait in one queue, first come first served, and hold a slot of a task for as long as they take. A quota lets calls begin
one after another, with a second's worth saved up at most; a job that it holds waits in the queue, since a worker whose targets are
full receives nothing. While all targets fail, jobs are received and put off, hidden for a while. Tasks that are ordered take work
after their start-up delay. The newest tasks go first: they take no more, finish what they have within the drain, and hand back the
rest, whose calls are then paid again.

What is measured at the full minute is known to the policy `lag_minutes` later.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from typing import Final

from bench.autoscaling.scaling import Capacity, Policy, Sample
from bench.autoscaling.shapes import Failure

_MINUTE: Final = 60.0
#: Waits are counted by the tenth of a second.
_BINS: Final = 10
#: No policy looks further back, in minutes.
_LOOKS_BACK: Final = 30
#: How long a job is put off: about what `SNOOZE` of `worker/outcome.py` comes to, which draws up to a minute.
_PUT_OFF_SECONDS: Final = 30
#: So many lengths of jobs are drawn beforehand, and jobs draw from them.
_LENGTHS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a service is made of. `rpm`: calls that may begin in a minute; None: as many as one likes."""

    slots: int
    min_tasks: int
    max_tasks: int
    startup_seconds: float = 60.0
    lag_minutes: int = 1
    drain_seconds: float = 110.0
    rpm: float | None = None
    cpu_seconds_a_job: float = 0.0
    deadline_seconds: float = math.inf
    failure: Failure | None = None


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    jobs: int = 0
    expired: int = 0
    #: Calls that a drain cut, and that are paid again.
    cut: int = 0
    changes: int = 0
    most_tasks: int = 0
    task_seconds: float = 0.0
    busy_slot_seconds: float = 0.0
    wait_seconds: float = 0.0
    longest_wait_seconds: float = 0.0
    #: The longest time in which there was always a job waiting.
    backlog_seconds: float = 0.0
    #: How long jobs waited although slots were free: for quota.
    held_seconds: float = 0.0
    #: When the last job was through.
    done_at: float = 0.0
    waits: list[int] = field(default_factory=lambda: [0])
    #: Each minute: seconds, waiting, in progress, running, desired.
    history: list[tuple[float, int, int, int, int]] = field(default_factory=list)

    def wait(self, part: float) -> float:
        """Seconds that this part of the jobs did not exceed, to the tenth below."""
        wanted, seen = math.ceil(part * sum(self.waits)), 0
        for tenths, jobs in enumerate(self.waits):
            seen += jobs
            if seen >= wanted:
                return tenths / _BINS
        return 0.0

    @property
    def mean_wait(self) -> float:
        """Seconds."""
        return self.wait_seconds / max(1, sum(self.waits))

    def waited(self, seconds: float) -> None:
        """A job began after so long."""
        tenths = int(seconds * _BINS)
        if tenths >= len(self.waits):
            self.waits.extend([0] * (tenths + 1 - len(self.waits)))
        self.waits[tenths] += 1
        self.wait_seconds += seconds
        self.longest_wait_seconds = max(self.longest_wait_seconds, seconds)


def lengths(mean_seconds: float, spread: float, seed: int) -> Sequence[float]:
    """How long jobs take: log-normal about a mean, `spread` being the deviation of the logarithm; 0: all alike."""
    if not spread:
        return [mean_seconds]
    random = Random(f"lengths {seed}")  # noqa: S311 - no secret
    drawn = [math.exp(random.gauss(0.0, spread)) for _ in range(_LENGTHS)]
    scale = mean_seconds * len(drawn) / sum(drawn)
    return [each * scale for each in drawn]


class Simulation:
    """One service under one policy and one traffic. Run it once."""

    def __init__(self, fleet: Fleet, policy: Policy, arrivals: Iterator[float], drawn: Sequence[float], seed: int) -> None:
        self._fleet = fleet
        self._policy = policy
        self._arrivals = arrivals
        self._lengths = drawn
        self._random = Random(f"jobs {seed}").random  # noqa: S311 - no secret
        self.outcome = Outcome()
        #: When each waiting job came.
        self._waiting: deque[float] = deque()
        self._waiting_since: float | None = None
        #: Jobs that were put off, by when they come back: when each came.
        self._hidden: dict[float, list[float]] = {}
        self._hides = 0
        #: (when, task) of every job in progress.
        self._done: list[tuple[float, int]] = []
        #: The task of each free slot.
        self._free: deque[int] = deque()
        #: What happens but for jobs that come and finish.
        self._clock: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        #: Tasks that take work, the newest last; those that start; and when each of both was ordered.
        self._running: list[int] = []
        self._starting: list[int] = []
        self._ordered_at: dict[int, float] = {}
        self._capacity = Capacity(fleet.min_tasks)
        self._interval = 60.0 / fleet.rpm if fleet.rpm else 0.0
        self._saved_up = max(0.0, 1.0 - self._interval)
        self._quota_at = -math.inf
        self._held_since: float | None = None
        self._samples: list[Sample] = []
        self._finished = 0
        self._handed_back = 0
        self._all_came = self._over = False
        for _ in range(fleet.min_tasks):
            self._started(self._ordered(0.0), 0.0)
        self.outcome.most_tasks = fleet.min_tasks

    def run(self) -> Outcome:
        """Until there is nothing left to do: the first full minute without a job."""
        waiting, done, free, clock = self._waiting, self._done, self._free, self._clock
        arrival = next(self._arrivals, math.inf)
        self._at(0.0, self._minute)
        if self._fleet.failure:
            self._at(self._fleet.failure.end_seconds, self._begin)
        while not self._over:
            due = min(arrival, clock[0][0])
            if done and done[0][0] <= due:
                now, task = heappop(done)
                self._finished += 1
                self.outcome.done_at = now
                if task in self._ordered_at:
                    free.append(task)
                    if waiting:
                        self._begin(now)
            elif arrival <= due:
                now = arrival
                waiting.append(now)
                self.outcome.jobs += 1
                self._begin(now)
                arrival = next(self._arrivals, math.inf)
            else:
                now, _, happens = heappop(clock)
                self._all_came = arrival == math.inf
                happens(now)
        return self._ended(now)

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        heappush(self._clock, (when, next(self._order), happens))

    def _begin(self, now: float) -> None:
        """As many as there are slots and quota for."""
        waiting, free = self._waiting, self._free
        failure = self._fleet.failure
        if fails := failure is not None and failure.start_seconds <= now < failure.end_seconds:
            self._fail(now)
        while waiting and free and not fails:
            if self._interval:
                if self._quota_at - self._saved_up > now:
                    self._hold(now)
                    break
                self._quota_at = max(self._quota_at, now) + self._interval
            waited = now - waiting.popleft()
            if waited > self._fleet.deadline_seconds:
                self.outcome.expired += 1
                continue
            length = self._lengths[int(self._random() * len(self._lengths))]
            self.outcome.waited(waited)
            self.outcome.busy_slot_seconds += length
            heappush(self._done, (now + length, free.popleft()))
        if not (waiting or self._hides):
            if self._waiting_since is not None:
                self.outcome.backlog_seconds = max(self.outcome.backlog_seconds, now - self._waiting_since)
                self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now

    def _fail(self, now: float) -> None:
        """Who is received now is put off; by the full second, so that there are not too many moments."""
        if self._fleet.failure and self._fleet.failure.puts_off and self._free and self._waiting:
            again = math.ceil(now) + _PUT_OFF_SECONDS
            if again not in self._hidden:
                self._hidden[again] = []
                self._at(again, self._come_again)
            self._hidden[again].extend(self._waiting)
            self._hides += len(self._waiting)
            self._waiting.clear()

    def _come_again(self, now: float) -> None:
        came = self._hidden.pop(now)
        self._hides -= len(came)
        self._waiting.extend(came)
        self._begin(now)

    def _hold(self, now: float) -> None:
        if self._held_since is None:
            self._held_since = now
            self._at(self._quota_at - self._saved_up, self._released)

    def _released(self, now: float) -> None:
        """There is quota for one more."""
        if self._held_since is not None:
            self.outcome.held_seconds += now - self._held_since
            self._held_since = None
        self._begin(now)

    def _minute(self, now: float) -> None:
        """What CloudWatch sees, and what the policy makes of what it saw a while ago."""
        fleet, running = self._fleet, len(self._running)
        cpu = 100.0 * self._finished * fleet.cpu_seconds_a_job / _MINUTE / max(1, running)
        self._finished = 0
        used = sum(task in self._ordered_at for _, task in self._done) / max(1, running)
        self._samples.append(Sample(len(self._waiting), len(self._done), running, cpu, self._hides, used))
        self.outcome.history.append((now, len(self._waiting), len(self._done), running, self._capacity.desired))
        known = len(self._samples) - fleet.lag_minutes
        seen = self._samples[max(0, known - _LOOKS_BACK) : max(0, known)]
        wanted = self._policy.wanted(now, seen, self._capacity)
        self._scale(min(max(wanted, fleet.min_tasks), fleet.max_tasks), now)
        self._over = self._all_came and not (self._waiting or self._hides or self._done or self._handed_back)
        self._at(now + _MINUTE, self._minute)

    def _scale(self, wanted: int, now: float) -> None:
        change = wanted - self._capacity.desired
        if not change:
            return
        self.outcome.changes += 1
        self._capacity.desired = wanted
        for _ in range(change):
            task = self._ordered(now)
            self._starting.append(task)
            self._at(now + self._fleet.startup_seconds, lambda then, task=task: self._started(task, then))  # type: ignore[misc]
        for _ in range(-change):
            self._stop(now)
        self._capacity.settled_at = None if self._starting else now
        self.outcome.most_tasks = max(self.outcome.most_tasks, wanted)

    def _ordered(self, now: float) -> int:
        task = next(self._order)
        self._ordered_at[task] = now
        return task

    def _started(self, task: int, now: float) -> None:
        """It takes work, unless it was taken back before."""
        if task not in self._ordered_at:
            return
        if task in self._starting:
            self._starting.remove(task)
            if not self._starting:
                self._capacity.settled_at = now
        self._running.append(task)
        self._free.extend([task] * self._fleet.slots)
        self._begin(now)

    def _stop(self, now: float) -> None:
        """The newest: it takes no more, and has the drain for what it has."""
        task = (self._starting or self._running).pop()
        ordered = self._ordered_at.pop(task)
        limit = now + self._fleet.drain_seconds
        finishes = [finish for finish, of in self._done if of == task]
        late = [finish for finish in finishes if finish > limit]
        if late:
            self._done[:] = [each for each in self._done if each[1] != task or each[0] <= limit]
            heapify(self._done)
            self._handed_back += len(late)
            self.outcome.cut += len(late)
            self.outcome.busy_slot_seconds -= sum(late) - len(late) * limit
            self._at(limit, lambda then: self._back(len(late), then))
        kept = [each for each in self._free if each != task]
        self._free.clear()
        self._free.extend(kept)
        self.outcome.task_seconds += max([now, *(min(finish, limit) for finish in finishes)]) - ordered

    def _back(self, jobs: int, now: float) -> None:
        self._handed_back -= jobs
        self._waiting.extendleft([now] * jobs)
        self._begin(now)

    def _ended(self, now: float) -> Outcome:
        self.outcome.task_seconds += sum(now - ordered for ordered in self._ordered_at.values())
        return self.outcome
