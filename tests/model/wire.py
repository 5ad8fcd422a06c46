"""Processes as the model sees them: what they do goes over a wire, on which anything can happen to them at any operation.

A process that is killed keeps nothing: its tasks are cancelled, and what they would still do on their way out reaches nobody.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from quarry.errors import LeaseLost, QueueUnavailable, TransportError
from quarry.testing import ClockView, FakeClock
from tests.model.promises import Promises

#: In whose name a task runs.
_ACTOR: Final[ContextVar["Actor | None"]] = ContextVar("actor", default=None)


#: Far more turns of the event loop than anything takes between two instants.
_TURNS: Final = 20_000


class What(StrEnum):
    """What can happen to an operation, or with it to its process."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    PAUSE_BEFORE = "pause before"
    PAUSE_AFTER = "pause after"
    #: This one request or answer is under way for long; the process goes on.
    STALL_BEFORE = "stall before"
    STALL_AFTER = "stall after"
    REFUSE = "refuse"
    REFUSE_LATE = "refuse late"
    LOSE_REQUEST = "lose request"
    LOSE_ANSWER = "lose answer"


@dataclass
class Mishap:
    """Something that happens to whoever is next at the operation of that name ("*": at any), after `skip` others."""

    operation: str
    what: What
    skip: int = 0
    times: int = 1


@dataclass(eq=False)
class Actor:
    """A process, or one incarnation of it."""

    name: str
    clock: FakeClock
    #: Ends the process for good; set by whoever started it.
    on_crash: Callable[[], None]
    #: Those to come: all processes share them.
    mishaps: list[Mishap]
    offset_seconds: float = 0.0
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)
    dead: bool = False
    stalled: list[asyncio.Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.running = asyncio.Event()
        self.running.set()
        self.view = ActorClock(self)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run something as this process."""
        token = _ACTOR.set(self)
        try:
            return asyncio.ensure_future(coroutine)
        finally:
            _ACTOR.reset(token)

    def crash(self) -> None:
        """The end, without a word."""
        self.dead = True
        for task in self.tasks:
            task.cancel()
        self.on_crash()

    async def ready(self) -> None:
        """Wait while the process is paused; for ever if it is dead."""
        await self.running.wait()
        if self.dead:
            await asyncio.Event().wait()

    async def befall(self, what: What) -> None:
        """Let something happen to this process."""
        if what in (What.CRASH_BEFORE, What.CRASH_AFTER):
            self.crash()
        elif what in (What.PAUSE_BEFORE, What.PAUSE_AFTER):
            self.running.clear()
        elif what in (What.STALL_BEFORE, What.STALL_AFTER, What.REFUSE_LATE):
            stalled = asyncio.Event()
            self.stalled.append(stalled)
            await stalled.wait()

    def mishap_at(self, operation: str) -> What | None:
        """What is arranged for this operation."""
        for mishap in self.mishaps:
            if mishap.operation in (operation, "*"):
                if mishap.skip:
                    mishap.skip -= 1
                    continue
                mishap.times -= 1
                if not mishap.times:
                    self.mishaps.remove(mishap)
                return mishap.what
        return None


class QuickClock(FakeClock):
    """A clock that knows when everybody waits, instead of giving them time to: the model moves it a thousand times a second."""

    async def settle(self) -> None:
        # Nothing in the model waits for a socket or for real time, so what is not ready now waits for this clock or for a step.
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if not ready:
                return
        raise AssertionError("it never comes to rest")


class ActorClock(ClockView):
    """The time as a process sees it. A paused one does not wake."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor.clock, actor.offset_seconds)
        self._actor = actor

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self._actor.ready()


class Wire:
    """A process's connection to the store or the queue."""

    def __init__(self, actor: Actor, service: Any, kind: type[TransportError], promises: Promises) -> None:
        self._actor = actor
        self._service = service
        self._kind = kind
        self._promises = promises

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._service, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._promises.asked(name, args, self._actor.name)
            try:
                return await self._carry(name, lambda: method(*args, **kwargs), args)
            except QueueUnavailable as error:
                if name != "send":
                    raise
                return [error for _ in args[0]]

        return call

    async def _carry(self, name: str, apply: Callable[[], Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        actor, entered_at = self._actor, self._actor.view.monotonic()
        what = actor.mishap_at(name)
        await actor.ready()
        if what in (What.CRASH_BEFORE, What.PAUSE_BEFORE, What.STALL_BEFORE, What.REFUSE_LATE):
            await actor.befall(what)
            await actor.ready()
        if what in (What.REFUSE, What.REFUSE_LATE, What.LOSE_REQUEST):
            raise self._kind(f"{name}: {what}", applied=None if what is What.LOSE_REQUEST else False)
        failure: Exception | None = None
        answer: Any = None
        try:
            with self._promises.watching(name, args, actor.name, entered_at):
                answer = await apply()
        except Exception as error:  # noqa: BLE001 - the answer may be a refusal, and may be lost like any other
            failure = error
        if what in (What.CRASH_AFTER, What.PAUSE_AFTER, What.STALL_AFTER):
            await actor.befall(what)
        await actor.ready()
        if what is What.LOSE_ANSWER:
            raise self._kind(f"{name}: {what}")
        if isinstance(failure, LeaseLost):
            self._promises.lost.add(args[1] if name == "record" else args[0].lease.token)
        if failure:
            raise failure
        self._promises.answered(name, args, answer, actor.name, entered_at)
        return answer


def note_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let every task know its process, and every process its tasks."""

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **kwargs)
        actor = _ACTOR.get()
        if actor:
            actor.tasks.append(task)
        return task

    loop.set_task_factory(make)


def draws(seed: int) -> Callable[[], float]:
    """Numbers in [0, 1), the same for equal seeds."""
    return random.Random(seed).random  # noqa: S311 - waits to test with
