"""An AWS service that quotes in its refusals what it was sent: whatever Quarry tells of an error must not be AWS's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web

from tests.support.proxy import FaultProxy

#: Enough of a body to have all that a test puts at its beginning.
_QUOTED_BYTES: Final = 4096


@dataclass
class Refusal:
    """Requests with these words in their operation and body are refused; `met` counts them."""

    code: str
    status: int
    operation: str
    within: bytes
    met: int = 0
    once: bool = False

    def means(self, request: web.Request, body: bytes) -> bool:
        """Whether it is one of them."""
        operation = request.headers.get("X-Amz-Target", request.method)
        return self.operation in operation and self.within in body


class QuotingProxy(FaultProxy):
    """Passes requests on, but for those that it was told to refuse, whose bodies it quotes."""

    _refusing: Refusal | None = None

    @contextmanager
    def refusing(self, code: str, *, status: int = 400, operation: str = "", within: str = "") -> Iterator[Refusal]:
        """Refuse those for the length of the block."""
        self._refusing = Refusal(code, status, operation, within.encode())
        try:
            yield self._refusing
        finally:
            self._refusing = None

    def refuse_once(self, code: str, *, within: str) -> None:
        """Refuse the next one of those."""
        self._refusing = Refusal(code, 400, "", within.encode(), once=True)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        refusal = self._refusing
        if refusal is None or not refusal.means(request, body):
            return await super()._serve(request)
        refusal.met += 1
        if refusal.once:
            self._refusing = None
        return self._quoting(refusal, f"{request.raw_path} is not valid: {body[:_QUOTED_BYTES].decode(errors='replace')}")

    def _quoting(self, refusal: Refusal, words: str) -> web.Response:
        if self.service == "s3":
            text = f"<Error><Code>{refusal.code}</Code><Message>{escape(words)}</Message></Error>"
            return web.Response(status=refusal.status, text=text, content_type="application/xml")
        return web.json_response(
            {"__type": refusal.code, "message": words}, status=refusal.status, content_type="application/x-amz-json-1.0"
        )
