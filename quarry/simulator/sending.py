"""How an answer goes out: when, in which pieces, and what becomes of the connection."""

import asyncio
import socket
import struct
from typing import NoReturn

from aiohttp import web

from quarry.simulator.eventstream import MEDIA_TYPE
from quarry.simulator.operations import Stream
from quarry.simulator.rules import Act, Pace
from quarry.simulator.wire import request_headers


async def sent(response: web.Response, pace: Pace) -> web.Response:
    """An answer that comes whole, when its last token is there."""
    if any(pace):
        await asyncio.sleep(sum(pace))
    return response


async def streamed(request: web.Request, stream: Stream, act: Act, pace: Pace) -> web.StreamResponse | None:
    """Send the events; None where the connection is to be left alone after some of them."""
    response = web.StreamResponse(headers={**request_headers(), "Content-Type": MEDIA_TYPE, **stream.headers})
    await response.prepare(request)
    events = list(stream.events)
    between = act.event_seconds + pace.rest / max(len(events) - 1, 1)
    if pace.first_token:
        await asyncio.sleep(pace.first_token)
    for i, event in enumerate(events[: act.after_events]):
        if i and between:
            await asyncio.sleep(between)
        await response.write(event)
    if act.hang or act.reset:
        return None
    if act.refusal is not None:
        await response.write(stream.fail(act.refusal))
    await response.write_eof()
    return response


async def left_alone(request: web.Request, outcome: str) -> NoReturn:
    """Break the connection, or leave it hanging; ends by being cancelled when the connection does."""
    transport = request.transport
    if transport is not None and outcome == "reset":
        # Without lingering, closing a socket is a reset.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None and outcome == "closed":
        transport.close()
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nothing completes that future")
