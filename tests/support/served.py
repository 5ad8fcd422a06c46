"""The API in this process, over memory, by the server and on the event loop of production: with limits that a test can wait for."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import uvloop
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from producer.auth.gate import Gate
from producer.auth.principal import Principal
from producer.auth.witness import Witness
from producer.body import Bodies, Pace
from producer.cancel import Canceller
from producer.connection import Limits
from producer.following import Following
from producer.health import Health
from producer.lookup import Lookup
from producer.results import Results
from producer.routes.context import Context
from producer.server import bind, serve
from producer.submit import Submitter
from producer.waiting import Waiters
from producer.web import create_app, refusals
from quarry.access import PERMISSIONS
from quarry.clock import SystemClock
from quarry.erasure.eraser import Eraser
from quarry.errors import Unauthenticated
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Priority
from quarry.settings import ApiSettings, JobSettings
from quarry.telemetry.audit import AuditLog
from quarry.telemetry.metrics import ProducerMetrics
from quarry.tenants.policy import Tenants
from quarry.testing import MemoryErasures, MemoryPayloads, MemoryQueue, MemoryStore

T = TypeVar("T")
#: The one credential that `Doorman` knows.
CREDENTIAL = "open-sesame"
#: A busy machine may stand still for some seconds.
_SOON_SECONDS = 20


class Doorman:
    """A scheme with one caller."""

    async def authenticate(self, credential: str) -> Principal | None:
        if credential != CREDENTIAL:
            raise Unauthenticated("who?")
        return Principal("default", "tester", "doorman", frozenset(PERMISSIONS))


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """On the services' event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(scenario)


@asynccontextmanager
async def served(
    limits: Limits, pace: Pace | None = None, *, authenticating: bool = False, beside: ASGIApp | None = None
) -> AsyncIterator[int]:
    """The port of an API; `beside` is served at `/beside`."""
    clock, store, metrics = SystemClock(), MemoryStore(), ProducerMetrics(CollectorRegistry())
    payloads, settings = MemoryPayloads(), ApiSettings()
    routes = Routes([Route.of("default", Target("echo", "", "echo"))])
    lookup = Lookup(store, Results(payloads, clock, timedelta(hours=1)), Waiters(store, clock, 10, metrics), clock)
    submitter = Submitter(
        store, payloads, {lane: MemoryQueue(clock) for lane in Priority}, routes, Tenants(), JobSettings(), clock, metrics
    )
    witness = Witness(AuditLog(None, clock), 0)
    gate, bodies = Gate([Doorman()] if authenticating else [], witness), Bodies(settings.inflight_body_bytes, pace)
    canceller, following = Canceller(store, lookup, clock), Following(store, lookup, clock, 10, metrics)
    eraser = Eraser(store, MemoryErasures(store), payloads, clock)
    context = Context(gate, witness, submitter, lookup, following, canceller, eraser, bodies, Health({}, clock), settings, clock)
    with bind("127.0.0.1", 0) as bound:
        answers = refusals(authenticating=authenticating)
        app, port = create_app(context, metrics), bound.getsockname()[1]
        if beside:
            app.mount("/beside", beside)
        serving = asyncio.create_task(serve(app, bound, limits, answers, lambda: None))
        try:
            await _answering(port)
            yield port
        finally:
            signal.raise_signal(signal.SIGTERM)
            await serving


async def _answering(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


class Caller:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int, buffer: int | None = None) -> "Caller":
        """Connected to the API; `buffer`: so many bytes lie here unread, at most."""
        connection = socket.socket()
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=connection, limit=buffer or 65_536))

    def hang_up(self) -> None:
        """At once."""
        self._writer.transport.abort()

    def say(self, text: str | bytes) -> None:
        """Send."""
        self._writer.write(text.encode("latin-1") if isinstance(text, str) else text)

    async def hear(self) -> tuple[bytes, bytes]:
        """One answer: its head, and its body."""
        async with _soon("an answer"):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            return head, await self._reader.readexactly(length)

    async def heard(self, seconds: float) -> bytes:
        """What comes within that time; nothing may."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(65_536)
        except TimeoutError:
            return b""

    async def sip(self, seconds: float) -> bytes:
        """A little of what is there, and then a break."""
        async with _soon("more"):
            piece = await self._reader.read(262_144)
        await asyncio.sleep(seconds)
        return piece

    async def end(self) -> bytes:
        """Everything until the other side closes."""
        async with _soon("the end of the connection"):
            return await self._reader.read()

    async def trickle(self) -> bytes:
        """Send byte after byte, fifty a second, until there is an answer: all of it, to the end of the connection."""
        for _ in range(100):
            self.say("x")
            if answer := await self.heard(0.02):
                return answer + await self.end()
        raise AssertionError("the other side has all the time in the world")

    async def push(self) -> None:
        """Send, for ever.

        Raises:
            ConnectionError: the other side does not take it any more.
        """
        async with _soon("the other side to take no more"):
            while True:
                self._writer.write(b"x" * 65_536)
                await self._writer.drain()


@asynccontextmanager
async def _soon(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_SOON_SECONDS):
            yield
    except TimeoutError:
        raise AssertionError(f"waited {_SOON_SECONDS} s for {what}") from None


@asynccontextmanager
async def calling(port: int, buffer: int | None = None) -> AsyncIterator[Caller]:
    """A connection to the API."""
    caller = await Caller.to(port, buffer)
    try:
        yield caller
    finally:
        caller.hang_up()
        # The server, on this loop too, hears of it before anybody calls next.
        await asyncio.sleep(0.01)
