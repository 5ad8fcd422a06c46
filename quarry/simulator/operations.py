"""The operations: how each reads its call as a Converse one, and says a generation in its own form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from aiohttp import web

from quarry.simulator.dialects import dialect_of, read_native
from quarry.simulator.eventstream import chunk, conversed, metrics
from quarry.simulator.wire import REQUEST_METADATA, Call, Generation, Refusal, answered, counted, decoded_object, invoked, labelled

#: A generation and the milliseconds that it took → the answer, or the events of one.
Answer: TypeAlias = Callable[[Generation, int], web.Response | Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the service's. `speak` takes a call as it came, and its request's headers.

    Raises, by `speak`:
        Refusal: the body is not what the operation takes.
    """

    speak: Callable[[Call, Mapping[str, str]], tuple[Call, Answer]]
    streams: bool = False
    bills: bool = True


def _converse(call: Call, _headers: Mapping[str, str]) -> tuple[Call, Answer]:
    return call, answered


def _converse_stream(call: Call, _headers: Mapping[str, str]) -> tuple[Call, Answer]:
    return call, conversed


def _invoke(call: Call, headers: Mapping[str, str]) -> tuple[Call, Answer]:
    dialect = dialect_of(call.model)
    read = replace(call, body=read_native(dialect, call.body) | labelled(headers.get(REQUEST_METADATA, "")))
    return read, lambda generation, latency_ms: invoked(dialect.say(generation, call.body), generation, latency_ms)


def _invoke_stream(call: Call, headers: Mapping[str, str]) -> tuple[Call, Answer]:
    dialect = dialect_of(call.model)
    stream = dialect.stream
    if stream is None:
        raise Refusal("ValidationException", "The model is unsupported for streaming.")

    def chunks(generation: Generation, latency_ms: int) -> Iterator[bytes]:
        *bodies, last = stream(generation)
        for body in bodies:
            yield chunk(body)
        yield chunk(last | metrics(generation, latency_ms))

    return _invoke(call, headers)[0], chunks


def _count(call: Call, headers: Mapping[str, str]) -> tuple[Call, Answer]:
    asked = call.body.get("input")
    if not isinstance(asked, dict) or len(asked) != 1 or not asked.keys() <= {"converse", "invokeModel"}:
        raise Refusal("ValidationException", "The input must be one of converse, invokeModel.")
    return _counted(call, asked, headers), counted


def _counted(call: Call, asked: dict[str, Any], headers: Mapping[str, str]) -> Call:
    if "converse" in asked:
        body = asked["converse"]
        if not isinstance(body, dict):
            raise Refusal("SerializationException", "The input is not an object.")
        return replace(call, body=body)
    wrapped = asked["invokeModel"]
    body = wrapped.get("body") if isinstance(wrapped, dict) else None
    if not isinstance(body, str):
        raise Refusal("ValidationException", "The input's body is missing.")
    return _invoke(replace(call, body=decoded_object(body)), headers)[0]


#: The last part of the path → what it is.
OPERATIONS: Final[Mapping[str, Operation]] = {
    "converse": Operation(_converse),
    "converse-stream": Operation(_converse_stream, streams=True),
    "invoke": Operation(_invoke),
    "invoke-with-response-stream": Operation(_invoke_stream, streams=True),
    "count-tokens": Operation(_count, bills=False),
}
