"""A receiver of webhooks on loopback, that answers as it is told and remembers what came."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tests.support.loopback import served_beside

#: A secret of the tests: `whsec_` and base64 of 32 bytes.
SECRET: Final = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105 - of the tests
NEXT_SECRET: Final = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="  # noqa: S105 - of the tests


@dataclass(frozen=True)
class Received:
    """One request: its body exactly as it came."""

    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """Answers with `answers` one after the other, then with 204."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    #: What else it answers.
    text: str | None = None

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, await request.read(), headers))
        return web.Response(status=self.answers.pop(0) if self.answers else 204, headers=self.headers, text=self.text)


@contextmanager
def receiving(answers: Sequence[int] = (), port: int = 0) -> Iterator[Receiver]:
    """A receiver for the length of the block."""
    receiver, app = Receiver(answers=list(answers)), web.Application()
    app.router.add_route("*", "/{path:.*}", receiver._take)  # noqa: SLF001 - its own
    with served_beside(app, port) as receiver.url:
        yield receiver
