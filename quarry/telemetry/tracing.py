"""The port of traces, and its null object: without tracing nothing is imported, made or sent, and `OFF` is all there is.

A trace begins with the request that submits a job, or further out, where the caller sends a `traceparent`; it goes on in whatever
works the job, however late. What is told of a span never holds a prompt or an answer.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol, Self, TypeAlias

from quarry.invocation import Invocation, Target
from quarry.job import Job, Priority

Value: TypeAlias = str | bool | int | float | Sequence[str]


class Span(Protocol):
    """A piece of work under way: it lasts as long as its block, and an exception that leaves the block marks it as failed."""

    @property
    def traceparent(self) -> str | None:
        """Where others go on with the trace, as W3C's Trace Context writes it; None without tracing."""

    @property
    def trace_id(self) -> str | None:
        """The trace, in 32 hexadecimal digits; None without tracing, and where this trace is not sampled: nobody would find it."""

    def rename(self, name: str) -> None:
        """Call it otherwise, now that more is known."""

    def tell(self, attributes: Mapping[str, Value | None]) -> None:
        """Add to what is known of it; None is left out. None of it is content."""

    def fail(self, error: str) -> None:
        """It came to nothing, though no exception says so. `error` is a code."""


class Tracing(Protocol):
    """Makes spans. Each is the child of the one whose block it is in, unless a `traceparent` says where it belongs."""

    def request(self, method: str, traceparent: str | None) -> AbstractContextManager[Span]:
        """A request to the API. `traceparent` is the caller's, unread: one that is malformed counts as none, and its flag counts
        once it is told who calls.
        """

    def creation(self, job: Job) -> AbstractContextManager[Span]:
        """Making a job durable. Its `traceparent` goes with the job, and whatever works the job is a child of it."""

    def sending(self, job: Job) -> AbstractContextManager[Span]:
        """Putting the job's message on its lane."""

    def delivery(self, body: str, lane: Priority, message_id: str, receive_count: int) -> AbstractContextManager[Span]:
        """Working what was received; `body` is a message, unread, which need not be an envelope."""

    def step(self, name: str) -> AbstractContextManager[Span]:
        """A part of the work that may take long."""

    def call(self, target: Target, invocation: Invocation, *, streamed: bool) -> AbstractContextManager[Span]:
        """One call of a model."""

    def tell(self, attributes: Mapping[str, Value | None]) -> None:
        """Add to what is known of the span whose block this is in, if there is one."""

    def note(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Note that something happened, in the span whose block this is in, if there is one."""


class _NoSpan:
    """No span, and the block of one."""

    traceparent: str | None = None
    trace_id: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def tell(self, attributes: Mapping[str, Value | None]) -> None:
        pass

    def fail(self, error: str) -> None:
        pass


_NO_SPAN: Final = _NoSpan()


class _Off:
    """Makes no spans."""

    def request(self, method: str, traceparent: str | None) -> _NoSpan:
        return _NO_SPAN

    def creation(self, job: Job) -> _NoSpan:
        return _NO_SPAN

    def sending(self, job: Job) -> _NoSpan:
        return _NO_SPAN

    def delivery(self, body: str, lane: Priority, message_id: str, receive_count: int) -> _NoSpan:
        return _NO_SPAN

    def step(self, name: str) -> _NoSpan:
        return _NO_SPAN

    def call(self, target: Target, invocation: Invocation, *, streamed: bool) -> _NoSpan:
        return _NO_SPAN

    def tell(self, attributes: Mapping[str, Value | None]) -> None:
        pass

    def note(self, name: str, attributes: Mapping[str, Value]) -> None:
        pass


OFF: Final[Tracing] = _Off()
