"""A bad network between Quarry and one AWS service: an HTTP proxy on loopback, in a thread of its own, directed by the test.

The *line* is open, refuses connections, or is silent: it takes requests and neither passes them on nor answers. On an open line
each request meets a fault with the given probability. The draws of a seed are always the same; which request meets which draw is
up to the race of the requests.
"""

import asyncio
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

T = TypeVar("T")
_BODY_MAX_BYTES: Final = 64 * 1024 * 1024
#: Belong to one connection, or are made anew with the body.
_HOP_BY_HOP: Final = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Expect")
_SLOWEST_SECONDS: Final = 1.5


class Line(StrEnum):
    """How connections fare."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"


class Fault(StrEnum):
    """What can happen to one request."""

    #: The connection breaks before the service sees the request.
    CUT = "cut"
    #: The service does what was asked, and the connection breaks instead of an answer.
    LOST = "lost"
    #: The service is asked twice; either of its answers comes back.
    TWICE = "twice"
    SLOW = "slow"
    #: Refused with the service's throttle.
    THROTTLED = "throttled"
    #: Refused with a 503.
    UNAVAILABLE = "unavailable"


#: As their SDKs know them; the form of the body is the JSON protocol's. Both were read in botocore's parsers and retry rules.
_THROTTLES: Final = {"sqs": (400, "com.amazonaws.sqs#RequestThrottled"), "dynamodb": (400, "ThrottlingException")}


class FaultProxy:
    """A proxy in front of `upstream`. Use as a context; `url` is where clients go.

    `met` counts the faults that requests met, `passed` those that met none, and `marked` those whose body has `marker` in it.
    """

    def __init__(self, service: str, upstream: str, *, seed: int = 0, marker: bytes = b"") -> None:
        self.service = service
        self.met: Counter[Fault] = Counter()
        self.passed = 0
        self.marked = 0
        self._marker = marker
        self._upstream = upstream.rstrip("/")
        self._random = random.Random(seed)  # noqa: S311 - for reproducible faults, not for secrets
        self._rates: dict[Fault, float] = {}
        self._until = math.inf
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{service}", daemon=True)
        self._line, self._port = Line.OPEN, 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def faults(self, rates: Mapping[Fault, float], seconds: float = math.inf) -> None:
        """From now on, and for so long, requests meet these faults, each with its probability; together at most 1."""
        self._rates, self._until = dict(rates), time.monotonic() + seconds

    def line(self, line: Line) -> None:
        """Open or break the line. What is under way when it breaks is broken too: cut off, or left without an answer.

        What was left without an answer stays so after the line's return: only its client can give up.
        """
        self._run(self._switch(line))

    @contextmanager
    def away(self, line: Line) -> Iterator[None]:
        """The line broken for the length of the block."""
        self.line(line)
        try:
            yield
        finally:
            self.line(Line.OPEN)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application(client_max_size=_BODY_MAX_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._client = ClientSession(
            connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None), auto_decompress=False, cookie_jar=None
        )
        # A handler whose client has left is cancelled, and its request upstream with it.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024, reuse_address=True)
        await site.start()
        self._site, self._port = site, self._runner.addresses[0][1]

    async def _switch(self, line: Line) -> None:
        if self._line is Line.REFUSED and line is not Line.REFUSED:
            await self._listen()
        before, self._line = self._line, line
        if line is Line.REFUSED and before is not Line.REFUSED:
            await self._site.stop()
            self._cut_all()

    async def _end(self) -> None:
        self._cut_all()
        await self._runner.cleanup()
        await self._client.close()

    def _cut_all(self) -> None:
        server = self._runner.server
        for connection in list(server.connections) if server else []:
            if connection.transport is not None:
                connection.transport.abort()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.marked += bool(self._marker) and self._marker in body
        await self._unless_silent()
        fault = self._draw()
        if fault is None:
            self.passed += 1
        else:
            self.met[fault] += 1
        match fault:
            case Fault.CUT:
                return await _broken(request)
            case Fault.THROTTLED:
                return self._refusal(*_THROTTLES.get(self.service, (503, "SlowDown")))
            case Fault.UNAVAILABLE:
                return self._refusal(503, "ServiceUnavailable")
            case Fault.SLOW:
                await asyncio.sleep(self._random.uniform(0, _SLOWEST_SECONDS))
        answer = await self._ask(request, body)
        if fault is Fault.TWICE:
            again = await self._ask(request, body)
            answer = self._random.choice((answer, again))
        await self._unless_silent()
        return answer if answer is not None and fault is not Fault.LOST else await _broken(request)

    async def _unless_silent(self) -> None:
        if self._line is Line.SILENT:
            # For ever: the handler is cancelled when the client gives up.
            await self._loop.create_future()

    def _draw(self) -> Fault | None:
        if time.monotonic() > self._until:
            return None
        drawn = self._random.random()
        for fault, rate in self._rates.items():
            if drawn < rate:
                return fault
            drawn -= rate
        return None

    async def _ask(self, request: web.Request, body: bytes) -> web.Response | None:
        """Have the service itself answer; None where it does not."""
        headers = _end_to_end(request.headers)
        url = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._client.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
                return web.Response(status=answer.status, headers=_end_to_end(answer.headers), body=await answer.read())
        except ClientError:
            return None

    def _refusal(self, status: int, code: str) -> web.Response:
        if self.service == "s3":
            text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
            return web.Response(status=status, text=text, content_type="application/xml")
        return web.json_response({"__type": code, "message": code}, status=status, content_type="application/x-amz-json-1.0")


async def _broken(request: web.Request) -> web.StreamResponse:
    """Break the connection; the handler ends by being cancelled with it."""
    if request.transport is not None:
        request.transport.abort()
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nothing completes that future")


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in _HOP_BY_HOP:
        kept.popall(name, None)
    return kept


def leading_to(*proxies: FaultProxy) -> dict[str, str]:
    """The environment of a process that reaches these services through their proxies."""
    return {f"AWS_ENDPOINT_URL_{proxy.service.upper()}": proxy.url for proxy in proxies}
