"""A server of chat completions, in this process: its answer is a test's to choose."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from quarry.invocation import Invocation, Target

HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello there"}]},))
TARGET = Target("gateway", "", "gpt-oss")
LABELS = {"quarry_request_id": "0193", "quarry_attempt": "2"}
ANSWER = {"id": "c-1", "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}


class Server:
    """A server of chat completions whose answer a test chooses; it keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self._usual
        self.requests: list[tuple[web.Request, Any]] = []
        self.port = 0

    async def _usual(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(ANSWER, headers={"x-request-id": "r-1"})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Whatever the path."""
        self.requests.append((request, await request.json() if request.can_read_body else None))
        return await self.answer(request)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[None]:
    """On a port of loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        yield
    finally:
        await runner.cleanup()
