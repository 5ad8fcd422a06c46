"""One invocation over a route: its targets are asked in order, until one answers.

The next target is asked where it may help and nothing can have been paid for: an attempt is at most one billed call. After any
other error the attempt is over, and the budget of attempts decides.

The one retry of a target inside an attempt is here too, for a route's only target: a few tries within seconds, and only after a
`ProviderUnavailable`, which says that the request was refused or never sent.
"""

import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeAlias

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from quarry.clock import Clock
from quarry.errors import (
    CircuitOpen,
    GuardrailUnusable,
    InvocationError,
    LimitReached,
    ModelNotFound,
    OutOfTime,
    ProviderUnavailable,
    Throttled,
)
from quarry.inference.board import Board
from quarry.inference.breaker import SOON_SECONDS, Limits
from quarry.inference.candidates import Candidate, Request, candidates
from quarry.inference.fallback import another_may_be_asked, in_order, is_one_models_opinion, remaining
from quarry.inference.governor import Governor
from quarry.inference.limiter import Permit
from quarry.inference.providers.base import Heard, Provider
from quarry.inference.routes import Route
from quarry.inference.verdicts import told_reason
from quarry.invocation import Completion, Fallback, Invocation, Json, Target
from quarry.telemetry import conventions
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import InferenceMetrics
from quarry.telemetry.tracing import OFF, Span, Tracing

_log = get_logger(__name__)

#: A target that refused, and what is told of it.
_Passed: TypeAlias = tuple[InvocationError, Fallback]

#: Time for connecting, queueing and the first token, whatever is asked.
_TIMEOUT_BASE: Final = timedelta(seconds=60)
#: A guess on the safe side: too low only means that a hang is noticed late.
_SLOWEST_TOKENS_PER_SECOND: Final = 10
#: Whatever is asked: an hour without an answer is no longer worth a slot.
_TIMEOUT_CEILING: Final = timedelta(minutes=60)
#: Our own choice: a blip is over within seconds; what lasts longer is better waited for in the queue, where it holds no slot. And
#: of the target's time, half is left for the answer.
_TRIES_MAX: Final = 3
_RETRY_WINDOW_SECONDS: Final = 15.0
#: After so many throttled calls, or turns in a line, an attempt waits no more in its slot. Our own choice.
_THROTTLES_MAX: Final = 5
_TURNS_MAX: Final = 5
#: Full jitter: uniform between nothing and 0.5 s, then 1 s.
_JITTER: Final = wait_random_exponential(multiplier=0.5, max=2.0)


@dataclass(slots=True)
class _Walk:
    """Over the candidates of a request: those that are left, and what became of the others."""

    left: list[Candidate]
    passed: list[_Passed]
    #: Those that lacked capacity, and of these those whose limit was met, so that they may have room in a moment.
    busy: list[Target] = field(default_factory=list)
    full: list[Candidate] = field(default_factory=list)
    #: How often those were waited for.
    turns: int = 0

    def passes(self, error: InvocationError, candidate: Candidate, seconds: float) -> None:
        """A candidate did not serve. Some of those that are left would say the same."""
        target = candidate.place.target
        if error.lacks_capacity:
            self.busy.append(target)
        if isinstance(error, LimitReached | Throttled):
            self.full.append(candidate)
        skipped = isinstance(error, CircuitOpen | LimitReached)
        # Full again after a wait, it is noted once.
        if not (isinstance(error, LimitReached) and any(each.target == str(target) for _, each in self.passed)):
            self.passed.append((error, Fallback(str(target), error.code, 0.0 if skipped else round(seconds, 3), skipped=skipped)))
        self.left, needless = remaining(error, candidate, self.left)
        self.passed += [(each, _skipped(each)) for each in map(partial(_the_same, error), needless)]

    def waited(self, candidate: Candidate, seconds: float) -> None:
        """It was waited for, for so long: what for, its limit or its throttle has told."""
        target, seconds = str(candidate.place.target), round(seconds, 3)
        if not seconds:
            return
        told = [i for i, (error, fallback) in enumerate(self.passed) if fallback.target == target]
        limits = [i for i in told if isinstance(self.passed[i][0], LimitReached)]
        if limits:
            error, fallback = self.passed[limits[0]]
            self.passed[limits[0]] = error, replace(fallback, seconds=round(fallback.seconds + seconds, 3))
        else:
            hint = self.passed[told[-1]][0].retry_after_seconds
            held = LimitReached("the target had throttled", target=target, retry_after_seconds=hint)
            self.passed.append((held, Fallback(target, held.code, seconds, skipped=True)))


class Engine:
    """Serves invocations. `providers` by name, one of each that the routes use; `draw` gives numbers in [0, 1)."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        metrics: InferenceMetrics,
        clock: Clock,
        draw: Callable[[], float] = random.random,
        board: Board | None = None,
        governor: Governor | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        self._providers = providers
        self._metrics = metrics
        self._clock = clock
        self._draw = draw
        self._tracing = tracing
        self._board = board or Board(Limits(), metrics, clock)
        self._governor = governor or Governor(metrics, clock, wait_seconds=0.0, draw=draw, start=math.inf)

    async def invoke(
        self,
        route: Route,
        request: Request,
        before_call: Callable[[Target], Awaitable[None]],
        after_refusal: Callable[[], None] = lambda: None,
    ) -> Completion:
        """Have `request` answered by the route.

        `before_call` is awaited before every billable call, a repeated one too; what it raises (a lost lease, say) ends the walk.
        `after_refusal` is told of each that came to nothing, and cannot have been billed.

        Raises:
            InvocationError: no target gave an answer.
            OutOfTime: `before_call` raised it; with what those came to that were asked before.
        """
        able, barred = candidates(route, request)
        walk = _Walk(in_order(route.policy, able, request.failures, self._draw()), [(error, _skipped(error)) for error in barred])
        alone, permit = len(walk.left) == 1, None
        while walk.left:
            candidate, began = walk.left.pop(0), self._clock.monotonic()
            target = candidate.place.target
            if candidate.adapted:
                _log.info(Event.INVOCATION_ADAPTED, target=str(target), adapted=candidate.adapted)
            try:
                completion = await self._served(candidate, permit, request, before_call, after_refusal, alone=alone)
            except OutOfTime as late:
                if late.refused:
                    walk.passed.append((late.refused, Fallback(str(target), late.refused.code, self._clock.monotonic() - began)))
                late.refused = exhausted(walk.passed) if len(walk.passed) > len(barred) else None
                raise
            except InvocationError as error:
                if not another_may_be_asked(error) and not is_one_models_opinion(error, target, walk.busy):
                    error.fallbacks = _fallbacks(walk.passed)
                    raise
                walk.passes(error, candidate, self._clock.monotonic() - began)
                if walk.left:
                    self._engaged(target, error)
                permit = None if walk.left else await self._turn(walk, request.rank)
            else:
                return replace(completion, fallbacks=_fallbacks(walk.passed), adapted=candidate.adapted)
        raise exhausted(walk.passed)

    async def _turn(self, walk: "_Walk", rank: int) -> Permit | None:
        """Nobody served. Where some may have room in a moment, wait for that, and go on with them: the one that has it is first."""
        full, walk.full = walk.full, []
        throttles = sum(isinstance(error, Throttled) for error, _ in walk.passed)
        if not full or throttles >= _THROTTLES_MAX or walk.turns >= _TURNS_MAX:
            return None
        walk.turns += 1
        began, outcome = self._clock.monotonic(), "cancelled"
        try:
            with self._tracing.step("wait for room"):
                turn = await self._governor.turn(full, rank)
            outcome = "served" if turn else "given_up"
        finally:
            waited = self._clock.monotonic() - began
            self._metrics.limiter_wait_seconds.labels(outcome).observe(waited)
        walk.waited(turn[0] if turn else full[-1], waited)
        if turn is None:
            return None
        # Behind it the others: it may yet refuse.
        walk.left = [turn[0], *(each for each in full if each is not turn[0])]
        return turn[1]

    def _engaged(self, target: Target, error: InvocationError) -> None:
        self._metrics.fallbacks.labels(target.provider, target.region, target.model, error.code).inc()
        self._tracing.note("fallback", conventions.of_fallback(target, error))
        if isinstance(error, LimitReached):
            return  # nothing failed, and it is so for most jobs where there is much to do
        _log.info(Event.FALLBACK_ENGAGED, target=str(target), error=error.code)

    async def _served(
        self,
        candidate: Candidate,
        permit: Permit | None,
        request: Request,
        before_call: Callable[[Target], Awaitable[None]],
        after_refusal: Callable[[], None],
        *,
        alone: bool,
    ) -> Completion:
        """Have one target answer. Where there is no other one, it may be tried a few times; `permit` is for the first of them."""
        target, invocation = candidate.place.target, candidate.invocation
        heard = request.heard or (_nobody if candidate.place.streamed else None)
        own = candidate.place.timeout_seconds
        timeout = timeout_for(invocation) if own is None else timedelta(seconds=own)
        ends: float | None = None
        refused: InvocationError | None = None

        async def once() -> Completion:
            nonlocal ends, refused, permit
            allowed, permit = permit, None
            try:
                self._board.admit(target)
                allowed = allowed or self._governor.enter(candidate)
                await before_call(target)
            except BaseException as error:
                if allowed:
                    self._governor.cancel(target, allowed)
                if isinstance(error, OutOfTime):
                    error.refused = refused
                raise
            now = self._clock.monotonic()
            ends = now + timeout.total_seconds() if ends is None else ends
            try:
                with self._board.call(target, invocation.max_tokens), self._governor.call(target, allowed) as answered:
                    completion = await self._call(target, invocation, timedelta(seconds=ends - now), request.labels, heard)
                    answered(completion)
                    return completion
            except InvocationError as error:
                refused = error
                if isinstance(error, CircuitOpen):
                    self._governor.cancel(target, allowed)  # it opened in the meantime
                if not error.may_be_billed:
                    after_refusal()
                raise

        return await (self._retrying(timeout)(once) if alone else once())

    def _retrying(self, timeout: timedelta) -> AsyncRetrying:
        started = self._clock.monotonic()
        # A try that has no time left would end as one that may have been paid, and may not even have been sent.
        window = min(_RETRY_WINDOW_SECONDS, timeout.total_seconds() / 2)

        def enough(state: RetryCallState) -> bool:
            elapsed = self._clock.monotonic() - started
            return state.attempt_number >= _TRIES_MAX or elapsed + state.upcoming_sleep > window

        return AsyncRetrying(
            sleep=self._clock.sleep, stop=enough, wait=_wait, retry=retry_if_exception(_is_soon_over), reraise=True
        )

    async def _call(
        self, target: Target, invocation: Invocation, timeout: timedelta, labels: Json, heard: Heard | None
    ) -> Completion:
        provider = self._providers.get(target.provider)
        if provider is None:
            raise ModelNotFound(f"this worker has no provider {target.provider!r}", target=str(target))
        if invocation.guardrail and not getattr(provider, "guards", False):
            raise GuardrailUnusable(f"the provider {target.provider!r} passes no guardrail", target=str(target))
        started = self._clock.monotonic()
        outcome = "cancelled"
        try:
            with self._tracing.call(target, invocation, streamed=heard is not None) as span:
                timed = heard and self._timing(target, started, heard, span)
                completion = await provider.invoke(target, invocation, timeout=timeout, labels=labels, heard=timed)
                span.tell(conventions.of_completion(completion, told_reason(completion.stop_reason)))
            outcome = "completed"
        except InvocationError as error:
            outcome = error.code
            if isinstance(error, Throttled):
                self._metrics.throttles.labels(target.provider, target.region, target.model, error.limit or "unknown").inc()
            raise
        finally:
            self._observe(target, outcome, self._clock.monotonic() - started)
        for direction, tokens in (("input", completion.usage.input_tokens), ("output", completion.usage.output_tokens)):
            self._metrics.tokens.labels(target.provider, target.region, target.model, direction).inc(tokens)
        return completion

    def _timing(self, target: Target, started: float, heard: Heard, span: Span) -> Heard:
        """The listener, with a look at the clock when the first text comes."""
        silent = True

        def hear(text: str) -> None:
            nonlocal silent
            if silent:
                silent = False
                seconds = self._clock.monotonic() - started
                self._metrics.time_to_first_token.labels(target.provider, target.region, target.model).observe(seconds)
                span.tell(conventions.of_first_text(seconds))
            heard(text)

        return hear

    def _observe(self, target: Target, outcome: str, seconds: float) -> None:
        self._metrics.invocations.labels(target.provider, target.region, target.model, outcome).inc()
        self._metrics.invocation_seconds.labels(target.provider, target.region, target.model).observe(seconds)


def exhausted(passed: Sequence[_Passed]) -> InvocationError:
    """What a route came to whose every target refused, and nothing was paid: the refusal that leaves most to hope for.

    Where one of them lacked capacity, time helps: the one that asks for the shortest wait. Else, where one refused *us*, we can
    mend it. Else the request is at fault. One that was asked tells more than one that was skipped. The error names the others, and
    keeps them as its cause.
    """
    errors = [error for error, _ in passed]
    busy = [error for error in errors if error.lacks_capacity]
    asked = [error for error, fallback in passed if not fallback.skipped] or errors
    ours = [error for error in asked if error.blames == "us"]
    chosen = min(busy, key=lambda error: error.retry_after_seconds or 0.0) if busy else (ours or asked)[0]
    chosen.refusals = _fallbacks(passed)
    if len(errors) > 1:
        chosen.fallbacks = tuple(fallback for error, fallback in passed if error is not chosen)
        chosen.__cause__ = ExceptionGroup("no target of the route answered", [each for each in errors if each is not chosen])
    return chosen


def _the_same(error: InvocationError, candidate: Candidate) -> InvocationError:
    """What a target would say that is not asked, since another one said it for both."""
    return type(error)(str(error), target=str(candidate.place.target))


def _nobody(_text: str) -> None:
    """Listens for a target that is streamed although nobody asked."""


def _skipped(error: InvocationError) -> Fallback:
    return Fallback(error.target or "", error.code, 0.0, skipped=True)


def _fallbacks(passed: Sequence[_Passed]) -> tuple[Fallback, ...]:
    return tuple(fallback for _, fallback in passed)


def _is_soon_over(error: BaseException) -> bool:
    """Whether a route's only target is worth another try at once: it refused before it worked, or some call is to end first."""
    if isinstance(error, CircuitOpen):
        return (error.retry_after_seconds or 0.0) <= SOON_SECONDS
    return isinstance(error, ProviderUnavailable)


def _wait(state: RetryCallState) -> float:
    """The jitter, but no less than the provider asks for."""
    error = state.outcome.exception() if state.outcome else None
    hint = error.retry_after_seconds if isinstance(error, InvocationError) else None
    return max(_JITTER(state), hint or 0.0)


def timeout_for(invocation: Invocation) -> timedelta:
    """How long an answer may take: by how much is asked for."""
    return min(_TIMEOUT_BASE + timedelta(seconds=invocation.max_tokens / _SLOWEST_TOKENS_PER_SECOND), _TIMEOUT_CEILING)
