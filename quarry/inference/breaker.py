"""The breaker of one target. Pure: it takes `now`, in seconds of the monotonic clock.

    closed      asked as usual
    open        left alone for a while
    half-open   asked once at a time; a probe that does well closes it, one that does not opens it again

It opens on failures of which no later call has told that they are over: a call that does well clears those that were there when
it began, and says nothing of those that came after. So the answers that a dying target still gives do not hide its failures, and
five failures in a month do not add up. Failures count only while no more calls are under way, begun since the first of them, than
have failed: of a hundred at a time, five may fail without any ill.

A call that is under way for far longer than usual counts as a failure until it ends otherwise. While none that began after it has
done well, neither has what is only late: a target that hangs need not be waited for call by call. One that such a call has passed
may be one of the rare long ones, and is given more time. No timer watches them: the oldest calls are looked at whenever somebody
asks.

From the first failure on, no more calls are begun than are still needed to open it, unless many others do well meanwhile: what
fails at once is asked a few times, however many callers there are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from itertools import chain, takewhile
from typing import Final

from quarry.inference.patience import Patience

#: What a caller is told to wait where the end of a call under way decides. Our own choice.
SOON_SECONDS: Final = 0.25
#: The calls under way are looked at no more often, however often somebody asks. Our own choice.
_LOOK_SECONDS: Final = 0.05
#: A server's hint is followed up to this. Our own choice.
_HINT_MAX_SECONDS: Final = 300.0
#: Own successes this new say more than what peers say. Our own choice.
_OWN_WORD_SECONDS: Final = 10.0
#: After the last of the peers whose openings are waited for: time for it to ask, and for word of that to arrive. Our own choice.
_PEER_SECONDS: Final = 6.0
#: For how many openings a worker relies on its peers before it looks for itself. Our own choice.
_RELIANCE: Final = 3


class State(IntEnum):
    """By the numbers of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Ended(Enum):
    """How a call ended, as far as the breaker cares."""

    WELL = "well"
    BADLY = "badly"
    #: It says nothing about the target.
    NEITHER = "neither"
    #: From outside, before there was an answer.
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Limits:
    """When it opens, and for how long."""

    failures: int = 5
    window_seconds: float = 60.0
    open_seconds: float = 30.0


@dataclass(eq=False, slots=True)
class Call:
    """A call under way; calls are numbered as they begin. `kind` as in `patience`; `told`: it was called bad before its end."""

    began: float
    number: int
    kind: int
    probe: bool
    told: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    """`mark` is the number of the next call to begin after it; `call` is the one that is overdue, which may do well yet."""

    at: float
    mark: int
    call: Call


class Breaker:
    """One target's. Whoever calls asks `wait`, then says `begin` and `end`; `patience` says from when on a call takes too long."""

    def __init__(self, limits: Limits, patience: Patience | None = None) -> None:
        self._limits = limits
        self._patience = patience or Patience()
        #: Those under way that nobody has judged, by kind, the oldest first; apart, those that one has passed which began later.
        self._calls: dict[int, dict[Call, None]] = {}
        self._passed: dict[int, dict[Call, None]] = {}
        self._begun = 0
        self._failures: list[_Failure] = []
        #: Calls that did well since the first of these failures, whenever they began.
        self._well = 0
        self._well_at = -math.inf
        self._probe: Call | None = None
        #: When it becomes half-open; None while it is closed.
        self.until: float | None = None
        #: Whether `until` is by the word of peers, and not by our own experience.
        self.heard = False
        self._own_until = -math.inf
        #: When we last had reason of our own to leave the target alone, or first heard of one.
        self._since = -math.inf
        #: Calls begun before it last closed say nothing any more.
        self._fresh = 0
        self._looked_at = -math.inf
        #: The last to begin of those that did well; and the first of those that are overdue, while none that began later did well.
        self._latest_well = -1
        self._hanging: Call | None = None

    @property
    def suspects(self) -> bool:
        """Whether it fails for us as well: failures of our own stand, and not many more calls did well meanwhile."""
        return self._is_failing()

    def state(self, now: float) -> State:
        """What it is."""
        if self.until is None:
            return State.CLOSED
        return State.OPEN if now < self.until else State.HALF_OPEN

    def wait(self, now: float) -> float | None:
        """None where a call may begin, else for how many seconds to wait before asking again."""
        self.look(now)
        if self.until is None:
            return SOON_SECONDS if self._is_restrained() else None
        if now < self.until:
            return self.until - now
        return SOON_SECONDS if self._probe else None

    def begin(self, now: float, kind: int = 0) -> Call:
        """A call begins, which `wait` has allowed."""
        call = Call(now, self._begun, kind, probe=self.until is not None)
        self._begun += 1
        if kind not in self._calls:
            self._calls[kind], self._passed[kind] = {}, {}
        self._calls[kind][call] = None
        if call.probe:
            self._probe = call
        return call

    def end(self, call: Call, how: Ended, now: float, hint_seconds: float | None = None) -> None:
        """It ended. After a failure, `hint_seconds` is how long the server asks to be left alone."""
        self._calls[call.kind].pop(call, None)
        self._passed[call.kind].pop(call, None)
        if call is self._probe:
            self._probe = None
            # One that was stopped says nothing, unless an answer should have come by then.
            if how is Ended.BADLY or (how is Ended.CUT and now - call.began > self._patience.late[call.kind]):
                self._open(now, hint_seconds)
            elif how is Ended.WELL:
                self._well_at = now
                self._close()
        elif how is Ended.WELL:
            self._does_well(call, now)
        elif how is Ended.BADLY and not call.told:
            # While it is open too: what did not open it may yet keep it from closing.
            if call.number >= self._fresh:
                self._failures.append(_Failure(now, self._begun, call))
        elif how is Ended.NEITHER:
            self._failures = [each for each in self._failures if each.call is not call]
        self._judge(now, hint_seconds)

    def look(self, now: float) -> None:
        """Judge the calls that have been under way for long."""
        if now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        for kind, calls in self._calls.items():
            self._look_at(self._passed[kind], self._patience.passed[kind], now)
            self._look_at(calls, self._patience.overdue[kind], now)
        if self._hanging:
            for kind, calls in self._calls.items():
                late_since = now - self._patience.late[kind]
                for call in list(takewhile(lambda each: each.began < late_since, calls)):  # noqa: B023 - used at once
                    self._tell(call, now)
        # Of a target that has not answered yet nobody knows what is usual, and the others wait for its probe.
        if self._probe and now - self._probe.began > self._limits.open_seconds:
            self._tell(self._probe, now)
        if self.until is None:
            self._failures = [each for each in self._failures if each.at > now - self._limits.window_seconds]

    def _look_at(self, calls: dict[Call, None], overdue_seconds: float, now: float) -> None:
        while calls and now - (call := next(iter(calls))).began > overdue_seconds:
            if not self._hanging and self._latest_well < call.number:
                self._hanging = call
            self._tell(call, now)

    def _tell(self, call: Call, now: float) -> None:
        self.end(call, Ended.BADLY, now)
        call.told = True

    def opening(self, now: float) -> float:
        """For how many seconds more it is open by our own experience; zero where it is not."""
        return max(self._own_until - now, 0.0) if self.until is not None else 0.0

    def follow(self, peers: Sequence[float], now: float) -> None:
        """Peers leave the target alone, each for so many seconds more. The last of them asks it, the others wait for word of that.

        Our own successes weigh more, and after a while we look for ourselves.
        """
        later = [seconds for seconds in peers if seconds > self.opening(now)]
        answers = now - self._well_at < _OWN_WORD_SECONDS and not self.suspects
        if not later or self._probe or answers:
            return
        if self.until is None:
            self._since = now
        until = min(now + max(later) + _PEER_SECONDS, self._since + _RELIANCE * self._limits.open_seconds)
        # The same news again is a little later by each reading.
        if until > max(now, self.until or now) + 1.0:
            self.until, self.heard = until, True

    def _is_restrained(self) -> bool:
        return self._is_failing() and len(self._failures) + self._doubtful() >= self._limits.failures

    def _is_failing(self) -> bool:
        """Whether there are failures, and not many more calls that did well meanwhile."""
        return self._well < max(self._limits.failures - 1, 1) * len(self._failures)

    def _doubtful(self) -> int:
        """How many are under way that began after the first failure."""
        mark = self._failures[0].mark
        queues = chain(self._calls.values(), self._passed.values())
        return sum(1 for calls in queues for _ in takewhile(lambda call: call.number >= mark, reversed(calls)))

    def _does_well(self, call: Call, now: float) -> None:
        self._well_at = now
        if call.number > self._latest_well:
            self._latest_well = call.number
            for kind, calls in self._calls.items():
                for each in list(takewhile(lambda each: each.number < call.number, calls)):
                    del calls[each]
                    self._passed[kind][each] = None
        if self._hanging and call.number >= self._hanging.number:
            self._hanging = None
        self._well += 1
        self._failures = [each for each in self._failures if each.mark > call.number and each.call is not call]
        if not self._failures:
            self._well = 0
        if self.until is not None and call.told and len(self._failures) < self._limits.failures:
            self._close()  # it was slow, and no more

    def _judge(self, now: float, hint_seconds: float | None) -> None:
        failed = len(self._failures)
        enough = failed >= self._limits.failures and self._is_failing()
        if self.until is None and enough and self._doubtful() <= failed:
            self._open(now, hint_seconds)

    def _open(self, now: float, hint_seconds: float | None) -> None:
        self._own_until = self.until = now + max(self._limits.open_seconds, min(hint_seconds or 0.0, _HINT_MAX_SECONDS))
        self._since, self.heard = now, False

    def _close(self) -> None:
        self.until, self._probe, self.heard, self._hanging = None, None, False, None
        self._well = 0
        self._failures = []
        self._fresh = self._begun
