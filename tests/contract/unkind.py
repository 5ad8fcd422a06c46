"""An AWS that answers by script: refusals, cut connections, and answers that stop halfway."""

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiohttp import web

#: The connection ends without an answer.
RESET: Final = "reset"
#: The connection ends within the answer.
CUT: Final = "cut"
#: Or a status, a body (None: an empty one), and perhaps headers.
Answer: TypeAlias = str | tuple[int, dict[str, Any] | None] | tuple[int, dict[str, Any] | None, dict[str, str]]


@dataclass
class UnkindAws:
    """Gives `answers` in turn, the last one for ever: `(status, body)`, or one of the words above."""

    url: str = ""
    answers: deque[Answer] = field(default_factory=deque)
    #: What was asked: the operation and its parameters.
    requests: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, *answers: Answer) -> None:
        """Replace the script."""
        self.answers = deque(answers)
        self.requests.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request as the script says."""
        self.requests.append((request.headers["X-Amz-Target"].split(".")[-1], json.loads(await request.read())))
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        assert request.transport
        match answer:
            case str() if answer == RESET:
                request.transport.abort()
                return web.Response()
            case str():
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b'{"Mess')
                request.transport.close()
                return response
            case (status, body, *headers):
                text = "" if body is None else json.dumps(body)
                more = headers[0] if headers else {}
                return web.Response(text=text, status=status, headers=more, content_type="application/x-amz-json-1.0")


def refusal(code: str) -> dict[str, Any]:
    """The body of an AWS error."""
    return {"__type": f"com.amazonaws#{code}", "message": "by script"}


@asynccontextmanager
async def serving_unkind_aws() -> AsyncIterator[UnkindAws]:
    """An unkind AWS on loopback."""
    aws = UnkindAws()
    app = web.Application()
    app.router.add_post("/", aws.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    aws.url = f"http://{host}:{port}"
    try:
        yield aws
    finally:
        await runner.cleanup()
