"""Reading a request's body: bounded while it arrives, and JSON in the strict sense."""

from email.message import Message
from typing import Any

from fastapi import HTTPException, Request
from pydantic_core import from_json

from quarry.errors import PayloadTooLarge


async def read_json(request: Request, max_bytes: int) -> Any:
    """A body as JSON: UTF-8, no NaN, no lone surrogates, nested at most 200 levels (pydantic-core's own bound).

    Raises:
        HTTPException: 415, it is not declared as JSON; 400, it is none.
        PayloadTooLarge: it is declared larger than `max_bytes`, or turns out to be; the rest is not kept.
    """
    if not _is_json(request.headers.get("content-type", "")):
        raise HTTPException(415)
    body = await _read(request, max_bytes)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        # The parser's words name the place, and quote nothing.
        raise HTTPException(400, f"The body is not JSON: {error}.") from None


async def _read(request: Request, max_bytes: int) -> bytes:
    too_large = PayloadTooLarge(f"the body may have at most {max_bytes:,} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    message = Message()
    message["content-type"] = content_type
    kind, charset = message.get_content_type(), message.get_param("charset", "utf-8")
    return kind == "application/json" and str(charset).lower() in ("utf-8", "us-ascii")
