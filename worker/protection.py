"""Scale-in protection, at work: looks at this worker once a second and asks the ECS agent for what `guarding.py` says.

No job waits for this: it looks at what is kept anyway. A call may be unprotected in its first second; it then has the drain, as
elsewhere. Design: docs/adr/0024-scale-in-protection.md.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from quarry.clock import Clock
from quarry.settings import EcsEndpoints, WorkerSettings
from quarry.store.base import Origin
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from worker.agent import Agent, AgentRefused, opened_agent
from worker.guarding import MOST_SECONDS, PROTECTED_MINUTES, Ask, Guard, Terms, granted, looked, refused
from worker.shutdown import poll_for
from worker.succession import Succession

_log = get_logger(__name__)
_LOOK_SECONDS: Final = 1.0
#: While nobody says which revision this task is of.
_IDENTITY_AGAIN_SECONDS: Final = 60.0
#: What the end of a worker may take. The platform is about to kill it.
_LAST_SECONDS: Final = 1.0
#: Polls may answer a little late.
_POLL_MARGIN_SECONDS: Final = 2.0


class Protection:
    """Keeps a task protected while it has paid calls. `is_busy` is asked at each look."""

    def __init__(
        self,
        agent: Agent,
        succession: Succession,
        clock: Clock,
        metrics: WorkerMetrics,
        *,
        is_busy: Callable[[], bool],
        poll_seconds: float,
        draw: Callable[[], float],
    ) -> None:
        self._agent = agent
        self._succession = succession
        self._clock = clock
        self._is_busy = is_busy
        self._draw = draw
        self._terms = Terms(poll_seconds + _POLL_MARGIN_SECONDS, MOST_SECONDS * (0.75 + draw() / 4))
        self._guard = Guard()
        #: Whether ECS may hold this task for protected, whatever we know.
        self._asked = False
        self._started_at = clock.now()
        self._identify_at = clock.monotonic()
        self._open = asyncio.Event()
        self._open.set()
        self._requests = metrics.protection_requests
        metrics.protected.set_function(lambda: self._clock.monotonic() < self._guard.until)
        metrics.aside.set_function(lambda: not self._open.is_set())

    async def opened(self) -> None:
        """Wait until this worker should receive."""
        await self._open.wait()

    async def keep(self) -> None:
        """Look for ever. Supervised: if this ends, the worker stops."""
        while True:
            await self.once()
            await self._clock.sleep(_LOOK_SECONDS)

    async def once(self) -> None:
        """Look, and ask for what is to be asked for."""
        now = self._clock.monotonic()
        if self._succession.origin is None and now >= self._identify_at:
            await self._identify()
        before, succeeded = self._guard.aside, self._succession.has_successor
        self._guard, ask = looked(self._guard, now, self._terms, busy=self._is_busy(), succeeded=succeeded)
        if aside := self._guard.aside:
            self._open.clear()
        else:
            self._open.set()
        if aside and not before:
            _log.info(Event.RECEIVING_PAUSED, reason=aside)
        elif before and not aside:
            _log.info(Event.RECEIVING_RESUMED, reason=before)
        if ask:
            await self._ask(ask)

    async def end(self) -> None:
        """Be protected no more, if that is quickly done: this worker is over."""
        if self._asked:
            with suppress(AgentRefused, TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._agent.release()

    async def _ask(self, ask: Ask) -> None:
        asked_at = self._clock.monotonic()
        try:
            if ask is Ask.PROTECT:
                self._asked = True
                await self._agent.protect(PROTECTED_MINUTES)
            else:
                await self._agent.release()
                self._asked = False
        except AgentRefused as error:
            self._requests.labels("refused").inc()
            if not self._guard.refusals:
                _log.warning(Event.PROTECTION_REFUSED, ask=ask, error=error.reason, detail=error.detail)
            self._guard = refused(self._guard, self._clock.monotonic(), self._draw())
        else:
            self._requests.labels("protected" if ask is Ask.PROTECT else "released").inc()
            self._guard = granted(self._guard, ask, self._clock.monotonic(), asked_at)

    async def _identify(self) -> None:
        try:
            task = await self._agent.identity()
        except AgentRefused:
            # Then only the time bounds a protection.
            self._identify_at = self._clock.monotonic() + _IDENTITY_AGAIN_SECONDS
        else:
            self._succession.origin = Origin(task.service, task.revision, self._started_at)


@asynccontextmanager
async def opened_protection(
    settings: WorkerSettings,
    endpoints: EcsEndpoints | None,
    succession: Succession,
    clock: Clock,
    metrics: WorkerMetrics,
    *,
    is_busy: Callable[[], bool],
) -> AsyncIterator[Protection | None]:
    """A worker's protection, which ends with the block; None where it is not wanted, or there is no ECS agent."""
    if endpoints is None or not settings.scale_in_protection:
        yield None
        return
    async with opened_agent(endpoints) as agent:
        poll_seconds = poll_for(settings.drain_seconds).total_seconds()
        draw = random.random
        protection = Protection(agent, succession, clock, metrics, is_busy=is_busy, poll_seconds=poll_seconds, draw=draw)
        try:
            yield protection
        finally:
            await protection.end()


def gated(*gates: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """One gate of several in a row."""

    async def gate() -> None:
        for each in gates:
            await each()

    return gate
