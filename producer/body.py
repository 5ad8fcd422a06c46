"""Reading requests' bodies: bounded in size and time while they arrive, one by one and all together; strictly JSON."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

from fastapi import HTTPException, Request
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from quarry.errors import NotJson, Overloaded, PayloadTooLarge

#: Bodies up to this are not counted: a crowd of large ones must not keep small ones out.
SMALL_MAX_BYTES: Final = 64 * 1024
#: From here on, work on a body is worth a thread. Our own choice: checking 20 MB of text takes half a second.
LARGE_MIN_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may come. It may fall behind `bytes_per_second` by so many seconds, and run ahead of it by no more: neither
    a halt nor a trickle lasts. Our own choices: 20 MiB come within 22 minutes, and small bodies have half a minute.
    """

    bytes_per_second: int = 16_384
    behind_seconds: float = 30


class Body:
    """A body as it came. What is `large` is worth a thread of its own."""

    def __init__(self, content: bytes | bytearray) -> None:
        self._content = content
        self.size_bytes = len(content)
        self.large = len(content) >= LARGE_MIN_BYTES

    def parse(self) -> Any:
        """Its JSON: UTF-8, no NaN, no lone surrogates, nested at most 200 levels (pydantic-core's own bound).

        Only once: the text is let go of.

        Raises:
            NotJson: it is none.
        """
        content, self._content = self._content, b""
        try:
            return from_json(content, allow_inf_nan=False)
        except ValueError as error:
            # The parser's words name the place, and quote nothing.
            raise NotJson(f"The body is not JSON: {error}.") from None


class Bodies:
    """The bodies being served, at most `limit_bytes` together; one that is larger than that is served alone."""

    def __init__(self, limit_bytes: int, pace: Pace | None = None) -> None:
        self._limit = limit_bytes
        self._pace = pace or Pace()
        self._used = 0

    @asynccontextmanager
    async def read(self, request: Request, max_bytes: int) -> AsyncIterator[Body]:
        """A body that is declared as JSON. It counts until the end of the block.

        Raises:
            HTTPException: 415, it is not declared so; 408, it comes too slowly.
            PayloadTooLarge: it is declared larger than `max_bytes`, or turns out to be; the rest is not kept.
            Overloaded: there is no room for it now.
        """
        if not _is_json(request.headers.get("content-type", "")):
            raise HTTPException(415)
        room = _Room(self)
        try:
            yield Body(await _read(request, max_bytes, room, self._pace))
        finally:
            self._used -= room.size_bytes

    def grow(self, more_bytes: int, own_bytes: int) -> None:
        """Count so much more, for a body that counts as `own_bytes` already.

        Raises:
            Overloaded: there is no room for it, and it is not alone.
        """
        if self._used > own_bytes and self._used + more_bytes > self._limit:
            raise Overloaded("too many bytes of other requests are being served")
        self._used += more_bytes


class _Room:
    """What one body counts as."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size_bytes = 0

    def hold(self, size_bytes: int) -> None:
        if size_bytes > max(self.size_bytes, SMALL_MAX_BYTES):
            self._bodies.grow(size_bytes - self.size_bytes, self.size_bytes)
            self.size_bytes = size_bytes


async def _read(request: Request, max_bytes: int, room: _Room, pace: Pace) -> bytearray:
    too_large = PayloadTooLarge(f"the body may have at most {max_bytes:,} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        if int(declared) > max_bytes:
            raise too_large
        room.hold(int(declared))
    content = bytearray()
    async for chunk in _paced(request, pace):
        content += chunk
        if len(content) > max_bytes:
            raise too_large
        room.hold(len(content))
    return content


async def _paced(request: Request, pace: Pace) -> AsyncIterator[bytes]:
    now, more = asyncio.get_running_loop().time, True
    due = now() + pace.behind_seconds
    while more:
        try:
            async with asyncio.timeout_at(due):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(408) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        yield chunk
        more = message.get("more_body", False)
        due = min(due + len(chunk) / pace.bytes_per_second, now() + pace.behind_seconds)


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    message = Message()
    message["content-type"] = content_type
    kind, charset = message.get_content_type(), message.get_param("charset", "utf-8")
    return kind == "application/json" and str(charset).lower() in ("utf-8", "us-ascii")
