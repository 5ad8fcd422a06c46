"""The governor: all targets' limiters of this process, and the lines of those who wait for room.

A target that is full is passed over at once, so that a route serves what its targets' quotas add up to. Where all of them are full,
a request waits in line before each of them, and the first to have room takes it: the more urgent first, but nobody for ever. Who
would wait too long is told so, and comes back through the queue. Those who stand in a line do not look at it: it has one server.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from quarry.clock import Clock
from quarry.errors import CeilingReached, InvocationError, LimitReached, RequestLimitReached, Throttled, TokenLimitReached
from quarry.inference.candidates import Candidate
from quarry.inference.limiter import Limiter, Permit, Word
from quarry.inference.model_facts import burndown
from quarry.inference.pace import START
from quarry.inference.reservation import reserved_tokens
from quarry.inference.routes import RouteTarget
from quarry.invocation import Completion, Target
from quarry.telemetry.metrics import InferenceMetrics

#: A line is served at least this often: a pause may have become shorter meanwhile. Our own choice.
_LOOK_SECONDS: Final = 0.5
#: By how much a request gets behind another one that is one step more urgent, and came as much later. Our own choice.
_RANK_SECONDS: Final = 5.0
#: Waiting for less than this is no reason to receive no more. Our own choice: enough work for the time that receiving takes.
_WORK_IN_HAND_SECONDS: Final = 1.0


@dataclass(eq=False, slots=True)
class _Waiter:
    """One request, in all its lines."""

    turn: "asyncio.Future[_Turn | None]"
    until: float
    targets: frozenset[Target]


@dataclass(frozen=True, slots=True)
class _Turn:
    """Whose turn it is, and for which target."""

    candidate: Candidate
    permit: Permit


@dataclass(eq=False, slots=True)
class _Place:
    """One target: its limiter, and its line. In order of urgency and age; who is served elsewhere stays until it is first."""

    limiter: Limiter
    line: list[tuple[float, int, _Waiter, Candidate]] = field(default_factory=list)
    server: "asyncio.Task[None] | None" = None

    def is_waited_for(self) -> bool:
        while self.line and self.line[0][2].turn.done():
            heapq.heappop(self.line)
        return bool(self.line)


class Governor:
    """Lets calls begin.

    `wait_seconds` is how long a request waits in line, at most; `draw` gives numbers in [0, 1); `start` is calls a second to begin
    with, of all workers together, before anything is known of a target.
    """

    def __init__(
        self,
        metrics: InferenceMetrics,
        clock: Clock,
        *,
        wait_seconds: float,
        draw: Callable[[], float],
        start: float = START,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._draw = draw
        self._start = start
        self._places: dict[Target, _Place] = {}
        self._numbers = itertools.count()
        #: The oldest first, who is also the first that will have waited for long enough.
        self._waiting: dict[_Waiter, None] = {}
        self._moved = asyncio.Event()
        #: What the peers said last.
        self._heard: Mapping[str, Mapping[str, Word]] = {}

    def enter(self, candidate: Candidate) -> Permit:
        """Let a call begin at once.

        Raises:
            LimitReached: there is no room, or others wait for it.
        """
        now, place = self._clock.monotonic(), self._place(candidate.place)
        if (wait := place.limiter.wait(now)) > 0 or place.is_waited_for():
            raise _limit_reached(candidate.place.target, place.limiter.held_by(now), wait)
        return place.limiter.begin(reserved_tokens(candidate.invocation), now, sent=False)

    async def turn(self, candidates: Sequence[Candidate], rank: int = 1) -> tuple[Candidate, Permit] | None:
        """Wait in line before all of these; the lower the `rank`, the further ahead. None: it would take, or took, too long."""
        now = self._clock.monotonic()
        targets = frozenset(each.place.target for each in candidates)
        if not candidates or self._expected_wait(targets) > self._wait_seconds:
            return None
        waiter = _Waiter(asyncio.get_running_loop().create_future(), now + self._wait_seconds, targets)
        self._waiting[waiter] = None
        for candidate in candidates:
            place = self._place(candidate.place)
            heapq.heappush(place.line, (now + rank * _RANK_SECONDS, next(self._numbers), waiter, candidate))
            if place.server is None:
                place.server = asyncio.create_task(self._serve(place))
        try:
            turn = await waiter.turn
        except asyncio.CancelledError:
            # Served in the very moment in which it was stopped.
            if waiter.turn.done() and not waiter.turn.cancelled() and (late := waiter.turn.result()):
                self.cancel(late.candidate.place.target, late.permit)
            raise
        finally:
            del self._waiting[waiter]
            self._moved.set()
        return (turn.candidate, turn.permit) if turn else None

    @contextmanager
    def call(self, target: Target, permit: Permit) -> Iterator[Callable[[Completion], None]]:
        """The call is the block. What it gives is told of the answer, for what that used."""
        limiter, used = self._places[target].limiter, None

        def answered(completion: Completion) -> None:
            nonlocal used
            usage = completion.usage
            used = usage.input_tokens + usage.cache_write_input_tokens + usage.output_tokens * burndown(target.model)

        limiter.sends(permit, self._clock.monotonic())
        try:
            yield answered
        except Throttled as error:
            limiter.throttled(permit, self._clock.monotonic(), error.limit, error.retry_after_seconds)
            raise
        except BaseException:
            limiter.end(permit, self._clock.monotonic())
            raise
        limiter.end(permit, self._clock.monotonic(), used)

    def cancel(self, target: Target, permit: Permit) -> None:
        """The call does not begin after all."""
        self._places[target].limiter.cancel(permit)

    def words(self) -> dict[str, Word]:
        """What to tell the others, by target."""
        now = self._clock.monotonic()
        return {str(target): place.limiter.word(now) for target, place in self._places.items()}

    def follow(self, peers: Mapping[str, Mapping[str, Word]]) -> None:
        """What the peers tell now: by their names, then by target."""
        self._heard = peers
        for target, place in self._places.items():
            self._heed(target, place)

    def _heed(self, target: Target, place: _Place) -> None:
        words = {name: each[str(target)] for name, each in self._heard.items() if str(target) in each}
        place.limiter.follow(words, 1 + len(self._heard), self._clock.monotonic())

    async def room(self, targets: Callable[[], Collection[Target]]) -> None:
        """Wait until some of the targets have room, or will have soon for all who wait for it."""
        while self._is_full(targets()):
            self._moved.clear()
            await _either(self._moved.wait(), self._clock.sleep(_LOOK_SECONDS))

    def _is_full(self, targets: Collection[Target]) -> bool:
        # Of one that was never asked nobody knows.
        if not targets or any(each not in self._places for each in targets):
            return False
        return self._expected_wait(targets) > _WORK_IN_HAND_SECONDS

    def _expected_wait(self, targets: Collection[Target]) -> float:
        """How long it takes until all who wait now for any of these have had their turn."""
        now, limiters = self._clock.monotonic(), [self._places[each].limiter for each in targets if each in self._places]
        if not limiters:
            return 0.0
        waiting = sum(not each.targets.isdisjoint(targets) for each in self._waiting)
        return min(each.wait(now) for each in limiters) + waiting / sum(each.calls for each in limiters)

    async def _serve(self, place: _Place) -> None:
        try:
            while True:
                now = self._clock.monotonic()
                left = self._send_away(now)
                if not place.is_waited_for():
                    break
                _, _, waiter, candidate = place.line[0]
                if (wait := place.limiter.wait(now)) > 0:
                    await self._clock.sleep(min(wait, left, _LOOK_SECONDS))
                else:
                    permit = place.limiter.begin(reserved_tokens(candidate.invocation), now, sent=False)
                    waiter.turn.set_result(_Turn(candidate, permit))
        finally:
            place.server = None
            # Only where something is wrong with us: nobody else would look at those who are left.
            while place.is_waited_for():
                place.line[0][2].turn.set_result(None)

    def _send_away(self, now: float) -> float:
        """Those who have waited for long enough, wherever in a line they stand; returns for how long the next one may yet wait."""
        for waiter in self._waiting:
            if not waiter.turn.done():
                if waiter.until > now:
                    return waiter.until - now
                waiter.turn.set_result(None)
        return math.inf

    def _place(self, at: RouteTarget) -> _Place:
        place = self._places.get(at.target)
        requests, tokens = ((each or math.inf) / 60 for each in (at.requests_per_minute, at.tokens_per_minute))
        if place is None:
            # Nobody counts what an echo costs.
            start = math.inf if at.target.provider == "echo" else self._start
            place = self._places[at.target] = _Place(Limiter(requests, tokens, self._draw, start))
            self._heed(at.target, place)
            labels = at.target.provider, at.target.region, at.target.model
            limiter = place.limiter
            self._metrics.limiter_rate.labels(*labels, "requests").set_function(lambda: limiter.rates[0])
            self._metrics.limiter_rate.labels(*labels, "tokens").set_function(lambda: limiter.rates[1])
        place.limiter.limit(requests, tokens)  # the routes may have been changed
        return place


def _limit_reached(target: Target, held_by: str, wait: float) -> InvocationError:
    kinds = {"requests": RequestLimitReached, "tokens": TokenLimitReached, "ceiling": CeilingReached}
    kind = kinds.get(held_by, LimitReached)
    return kind("the target has no room now", target=str(target), retry_after_seconds=wait)


async def _either(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
