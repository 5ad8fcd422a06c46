"""One invocation over a route: pick a target, call it, classify what came.

A route has one target; the walk over several, their breakers and limiters have their place here.

The one retry inside an attempt is here too: a few tries within seconds, and only after a `ProviderUnavailable`, which says that
the request was refused or never sent. After anything else a model may have worked, and been paid.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from quarry.clock import Clock
from quarry.errors import InvocationError, ModelNotFound, ProviderUnavailable, Throttled
from quarry.inference.providers.base import Provider
from quarry.inference.routes import Route
from quarry.invocation import Completion, Invocation, Json, Target
from quarry.telemetry.metrics import InferenceMetrics

#: Time for connecting, queueing and the first token, whatever is asked.
_TIMEOUT_BASE: Final = timedelta(seconds=60)
#: A guess on the safe side: too low only means that a hang is noticed late.
_SLOWEST_TOKENS_PER_SECOND: Final = 10
#: Whatever is asked: an hour without an answer is no longer worth a slot.
_TIMEOUT_CEILING: Final = timedelta(minutes=60)
#: Our own choice: a blip is over within seconds; what lasts longer is better waited for in the queue, where it holds no slot.
_TRIES_MAX: Final = 3
_RETRY_WINDOW_SECONDS: Final = 15.0
#: Full jitter: uniform between nothing and 0.5 s, then 1 s.
_JITTER: Final = wait_random_exponential(multiplier=0.5, max=2.0)


class Engine:
    """Serves invocations. `providers` by name, one of each that the routes use."""

    def __init__(self, providers: Mapping[str, Provider], metrics: InferenceMetrics, clock: Clock) -> None:
        self._providers = providers
        self._metrics = metrics
        self._clock = clock

    async def invoke(
        self, route: Route, invocation: Invocation, *, labels: Json, before_call: Callable[[Target], Awaitable[None]]
    ) -> Completion:
        """Have `invocation` answered by the route.

        `before_call` is awaited before every billable call, a repeated one too; what it raises (a lost lease, say) ends the walk.

        Raises:
            InvocationError: no target gave an answer.
        """
        target, timeout = route.targets[0], timeout_for(invocation)
        ends: float | None = None

        async def once() -> Completion:
            nonlocal ends
            await before_call(target)
            now = self._clock.monotonic()
            ends = now + timeout.total_seconds() if ends is None else ends
            return await self._call(target, invocation, timedelta(seconds=ends - now), labels)

        return await self._retrying()(once)

    def _retrying(self) -> AsyncRetrying:
        started = self._clock.monotonic()

        def enough(state: RetryCallState) -> bool:
            elapsed = self._clock.monotonic() - started
            return state.attempt_number >= _TRIES_MAX or elapsed + state.upcoming_sleep > _RETRY_WINDOW_SECONDS

        return AsyncRetrying(
            sleep=self._clock.sleep, stop=enough, wait=_wait, retry=retry_if_exception_type(ProviderUnavailable), reraise=True
        )

    async def _call(self, target: Target, invocation: Invocation, timeout: timedelta, labels: Json) -> Completion:
        provider = self._providers.get(target.provider)
        if provider is None:
            raise ModelNotFound(f"this worker has no provider {target.provider!r}", target=str(target))
        started = self._clock.monotonic()
        outcome = "cancelled"
        try:
            completion = await provider.invoke(target, invocation, timeout=timeout, labels=labels)
            outcome = "completed"
        except InvocationError as error:
            outcome = error.code
            if isinstance(error, Throttled):
                self._metrics.throttles.labels(target.provider, target.region, target.model).inc()
            raise
        finally:
            self._observe(target, outcome, self._clock.monotonic() - started)
        for direction, tokens in (("input", completion.usage.input_tokens), ("output", completion.usage.output_tokens)):
            self._metrics.tokens.labels(target.provider, target.region, target.model, direction).inc(tokens)
        return completion

    def _observe(self, target: Target, outcome: str, seconds: float) -> None:
        self._metrics.invocations.labels(target.provider, target.region, target.model, outcome).inc()
        self._metrics.invocation_seconds.labels(target.provider, target.region, target.model).observe(seconds)


def _wait(state: RetryCallState) -> float:
    """The jitter, but no less than the provider asks for."""
    error = state.outcome.exception() if state.outcome else None
    hint = error.retry_after_seconds if isinstance(error, InvocationError) else None
    return max(_JITTER(state), hint or 0.0)


def timeout_for(invocation: Invocation) -> timedelta:
    """How long an answer may take: by how much is asked for."""
    return min(_TIMEOUT_BASE + timedelta(seconds=invocation.max_tokens / _SLOWEST_TOKENS_PER_SECOND), _TIMEOUT_CEILING)
