"""Reading a body that nobody vouches for."""

from collections.abc import AsyncIterable
from typing import Final

#: Our own choice: some thirty times the longest answer that models of today give, and little beside a worker's memory.
BODY_MAX_BYTES: Final = 16 * 1024 * 1024


async def bounded(chunks: AsyncIterable[bytes]) -> bytes:
    """The whole of a body.

    Raises:
        ValueError: it is longer than an answer can be; it is not read to its end.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise ValueError("the body is too long")
    return bytes(body)
