"""One connection of the API, as uvicorn and h11 serve it, where its caller is slow, or speaks no HTTP.

What cannot be read is answered with a problem like everything else. No caller holds more than the connection: a head has its time,
an answer that nobody reads ends, and what is still sent after the answer is thrown away, for a moment, so that the answer can be
read. How long a body may take is for those to say who read it: `producer/body.py`.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, cast

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from producer.headers import guarded


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost. All but the first are our own choices, the same for everybody."""

    #: Connections at a time. One more is turned away.
    connections: int
    #: A request's line and headers, together: what uvicorn and h11 take by default. A token needs a few thousand.
    head_bytes: int = 16_384
    #: From its first byte on, or from the opening of the connection.
    head_seconds: float = 10
    #: Within this time whoever reads an answer must take so much of it, or the rest of it.
    answer_seconds: float = 30
    answer_bytes: int = 65_536
    #: Between the answer and the end, where the caller is still sending.
    parting_seconds: float = 5


@dataclass(frozen=True, slots=True)
class Refusals:
    """The answers to what never becomes a request: each made once."""

    #: The head is no HTTP.
    unreadable: Response
    #: It is larger than `Limits.head_bytes`.
    too_large: Response
    #: It did not come in time.
    late: Response
    #: There are too many connections.
    crowded: Response
    #: The head was read; the body is not framed as HTTP.
    broken: Response


#: Where a request's scope has its connection.
CONNECTION: Final = "quarry.connection"


class Connection(H11Protocol):
    """A connection. `ended` is done when it is over."""

    transport: "_Transport"  # type: ignore[assignment]

    def __init__(self, limits: Limits, refusals: Refusals, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._refusals = refusals
        self.conn: _Http = _Http(limits.head_bytes)
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.transport = _Transport(transport, self, self._limits.parting_seconds)
        if len(self.connections) > 2 * self._limits.connections:
            self.transport.abort()  # those that were turned away are still there: this is a flood
        elif len(self.connections) > self._limits.connections:
            self._refuse(self._refusals.crowded)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._answer_timer, self.transport.timer):
            if timer:
                timer.cancel()
        # uvicorn leaves it running where the connection was reset, and with it all of this in memory.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_parting:
            self._heard = True
            super().data_received(data)

    def handle_events(self) -> None:
        """Also called when an answer is complete: what is there of the next request is looked at then."""
        super().handle_events()
        if self.cycle is not None:
            # Its task has not begun.
            cast("dict[str, Any]", self.cycle.scope)[CONNECTION] = self
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()
        elif self._head_timer is None and self.conn.trailing_data[0]:
            self._expect_head()

    def forget_body(self) -> None:
        """Let go of what came of the body: nobody will read it."""
        self.cycle.body = bytearray()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does with what is no HTTP."""
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(self._refusals.too_large if self.conn.is_too_large else self._refusals.unreadable)
            return
        # There is a request, whose body has gone wrong: its handler learns that nothing more comes, and cannot answer any more.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(self._refusals.broken)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_timer:
            self._answer_timer.cancel()
            self._answer_timer = None

    def expect_reading(self) -> None:
        """End the connection unless the caller reads what is written, until that is gone."""
        unsent = self.transport.unsent
        if unsent and not self._answer_timer:
            self._answer_timer = self.loop.call_later(self._limits.answer_seconds, self._end_answering, unsent)

    def _end_answering(self, before: int) -> None:
        self._answer_timer = None
        if before - self.transport.unsent < min(before, self._limits.answer_bytes):
            self.transport.abort()
        else:
            self.expect_reading()

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._end_waiting)

    def _stop_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_waiting(self) -> None:
        if self._heard:
            self._refuse(self._refusals.late)
        else:
            self.transport.close()  # a browser's connection in advance, say: nobody has asked for anything

    def _refuse(self, answer: Response) -> None:
        self._stop_head_timer()
        headers = [*self.server_state.default_headers, *guarded(answer.raw_headers)]
        status = answer.status_code
        start = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        for event in (start, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.part()

    def is_sending(self) -> bool:
        """Whether the caller is in the middle of a body."""
        return self.conn.their_state is h11.SEND_BODY


class _Http(h11.Connection):
    """h11's, with a bound on heads that does not depend on how they are cut into packets, and which ends a connection where the
    answer comes before the whole request: else that would have to be read, whatever it is, to get to the next one.
    """

    def __init__(self, head_bytes: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=head_bytes)
        self._head_bytes = head_bytes
        self.is_too_large = False

    def next_event(self) -> Any:
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.is_too_large = error.error_status_hint == 431
            raise
        if type(event) is h11.Request and {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
            # Two ends of one body: who is in front of us may believe the other one (RFC 9112, section 6.1).
            raise h11.RemoteProtocolError("a body with two lengths")
        if type(event) is h11.Request and _size_of(event) > self._head_bytes:
            self.is_too_large = True
            raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)
        return event

    def send(self, event: Any) -> bytes | None:  # type: ignore[override]
        if type(event) is h11.Response and (self.is_too_large or self.their_state in _UNFINISHED):
            headers = [*event.headers, (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
        data: bytes | None = super().send(event)
        return data


_UNFINISHED: Final = frozenset({h11.IDLE, h11.SEND_BODY, h11.ERROR})


def _size_of(request: h11.Request) -> int:
    return len(request.target) + sum(len(name) + len(value) for name, value in request.headers)


class _Transport:
    """What a connection writes to. Where the caller is still sending, closing it tells them that it is over, and goes on reading
    for a moment: else the kernel would answer what it has not read with a reset, which can take our answer away from them (RFC
    9112, section 9.6).
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection, parting_seconds: float) -> None:
        self._transport = transport
        self._connection = connection
        self._parting_seconds = parting_seconds
        self.write = transport.write
        self.abort = transport.abort
        self.resume_reading = transport.resume_reading
        self.is_parting = False
        self.timer: asyncio.TimerHandle | None = None

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self.is_parting or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if self._connection.is_sending():
            self.part()
        else:
            self._connection.expect_reading()
            self._transport.close()

    def part(self) -> None:
        self.is_parting = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self.timer = asyncio.get_running_loop().call_later(self._parting_seconds, self._transport.abort)
