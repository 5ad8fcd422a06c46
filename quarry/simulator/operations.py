"""The operations: how each reads its call as a Converse one, and says a generation in its own form."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from aiohttp import web

from quarry.simulator.catalogue import check_counted, check_served
from quarry.simulator.dialects import dialect_of, read_native
from quarry.simulator.eventstream import chunk, conversed, exception, metrics
from quarry.simulator.validation import check, check_headers
from quarry.simulator.wire import (
    CONTENT_TYPE,
    REQUEST_METADATA,
    Call,
    Generation,
    Refusal,
    answered,
    counted,
    decoded_object,
    guarded,
    invoked,
    labelled,
    read,
    refused,
    repeated_headers,
)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in events, what its head says beside what every answer's does, and how an error comes within it."""

    events: Iterator[bytes]
    headers: Mapping[str, str]
    fail: Callable[[Refusal], bytes] = exception


#: A generation and the milliseconds that it took → the answer.
Answer: TypeAlias = Callable[[Generation, int], web.Response | Stream]


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the service's. `speak` takes a call as it came; `bills` is false where no model is asked, only its tokens counted.

    Raises, by `read`, `speak` and `check`:
        Refusal: the request, the model or the body is not what the operation takes.
    """

    speak: Callable[[Call], tuple[Call, Answer]]
    streams: bool = False
    bills: bool = True
    #: Of other services, which have ways of their own to come in, to complain and to refuse.
    read: Callable[[web.Request], Awaitable[Call]] = read
    check: Callable[[Call], None] = check
    refuse: Callable[[Refusal], web.Response] = refused


def _converse(call: Call) -> tuple[Call, Answer]:
    check_served(call.model)
    return call, answered


def _converse_stream(call: Call) -> tuple[Call, Answer]:
    check_served(call.model)
    return replace(call, shape="ConverseStreamRequest"), lambda generation, ms: Stream(conversed(generation, ms), {})


def _invoke(call: Call) -> tuple[Call, Answer]:
    check_served(call.model)
    check_headers(call, "InvokeModelRequest")
    dialect = dialect_of(call.model, call.body)
    return _read(call), lambda generation, ms: invoked(call, dialect.say(generation, call.body), generation, ms)


def _invoke_stream(call: Call) -> tuple[Call, Answer]:
    check_served(call.model)
    check_headers(call, "InvokeModelWithResponseStreamRequest")
    stream = dialect_of(call.model, call.body).stream
    if stream is None:
        # The words: github.com/aws-samples/amazon-bedrock-client-for-mac/issues/112.
        raise Refusal("ValidationException", "The model is unsupported for streaming.")

    def chunks(generation: Generation, latency_ms: int) -> Iterator[bytes]:
        *bodies, last = stream(generation)
        for body in bodies:
            yield chunk(body)
        yield chunk(last | metrics(generation, latency_ms) | guarded(call, generation))

    headers = {CONTENT_TYPE: "application/json", **repeated_headers(call)}
    return _read(call), lambda generation, ms: Stream(chunks(generation, ms), headers)


def _read(call: Call) -> Call:
    """A native call as Converse would have it."""
    dialect = dialect_of(call.model, call.body)
    body = read_native(dialect, call.body) | labelled(call.headers.get(REQUEST_METADATA, ""))
    return replace(call, body=body, generates=dialect.generates)


def _count(call: Call) -> tuple[Call, Answer]:
    check_counted(call.model)
    asked = call.body.get("input")
    if not call.body.keys() <= {"input"} or not isinstance(asked, dict) or len(asked) != 1:
        raise Refusal("ValidationException", "The input must be one of converse, invokeModel.")
    return replace(_counted(call, *next(iter(asked.items()))), generates=False), counted


def _counted(call: Call, kind: str, asked: Any) -> Call:
    if kind == "converse" and isinstance(asked, dict):
        return replace(call, body=asked, shape="ConverseTokensRequest")
    if kind == "invokeModel" and isinstance(asked, dict) and asked.keys() == {"body"} and isinstance(asked["body"], str):
        return _read(replace(call, body=decoded_object(asked["body"]), headers={}))
    raise Refusal("ValidationException", f"The input's {kind} is not what CountTokens takes.")


#: The last part of the path → what it is.
OPERATIONS: Final[Mapping[str, Operation]] = {
    "converse": Operation(_converse),
    "converse-stream": Operation(_converse_stream, streams=True),
    "invoke": Operation(_invoke),
    "invoke-with-response-stream": Operation(_invoke_stream, streams=True),
    "count-tokens": Operation(_count, bills=False),
}
