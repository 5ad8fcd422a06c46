"""A provider that does what the test says, in the test's own process."""

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from quarry.errors import InvocationError, InvocationTimedOut
from quarry.inference.providers.base import Heard
from quarry.inference.providers.echo import count, echo
from quarry.invocation import Completion, Invocation, Json, Target


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call, as it came in."""

    target: Target
    invocation: Invocation
    timeout: timedelta
    labels: Json
    streamed: bool = False


@dataclass(slots=True)
class Hold:
    """A call that is under way until the test lets go. `reached` is set when the call has come, `release` by the test.

    Where somebody listens, `said` has been heard by then.
    """

    then: "str | Completion | Exception" = ""
    said: str = ""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


#: What one call does: answer with that text or that completion, raise, or wait first.
Step: TypeAlias = str | Completion | Exception | Hold


class ScriptedProvider:
    """Plays its steps, one a call, in order; after the last one it answers with an echo. Who listens hears the answer's text, piece
    by piece.

    `calls` holds all calls; `cancelled` counts those that were cancelled while they were held.
    """

    def __init__(self, *steps: Step) -> None:
        self._steps = deque(steps)
        self.calls: list[ProviderCall] = []
        self.cancelled = 0

    def play(self, *steps: Step) -> None:
        """Add steps behind those that are left."""
        self._steps.extend(steps)

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        self.calls.append(ProviderCall(target, invocation, timeout, labels, heard is not None))
        step, said = self._steps.popleft() if self._steps else echo(invocation), ""
        if isinstance(step, Hold):
            said = step.said
            if heard and said:
                heard(said)
            step = await self._held(step, target, timeout)
        if isinstance(step, InvocationError):
            step.target = step.target or str(target)
        if isinstance(step, Exception):
            raise step
        answer = step if isinstance(step, Completion) else _completion(target, invocation, step)
        if heard:
            for piece in re.findall(r"\s*\S+|\s+", answer.text[len(said) :]):
                heard(piece)
        return answer

    async def _held(self, hold: Hold, target: Target, timeout: timedelta) -> str | Completion | Exception:
        hold.reached.set()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await hold.release.wait()
        except TimeoutError as error:
            raise InvocationTimedOut("no answer in time", target=str(target)) from error
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return hold.then


def _completion(target: Target, invocation: Invocation, text: str) -> Completion:
    return Completion(
        content=({"text": text},),
        stop_reason="end_turn",
        filtered=False,
        usage=count(invocation, text),
        served_by=target,
    )
