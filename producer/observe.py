"""Around every request: what is measured, what every answer says, and the net below everything that nobody expected."""

from collections.abc import MutableMapping
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.auth.gate import CALLERS_TENANT
from producer.headers import guarded
from producer.problems import INTERNAL, MEDIA_TYPE, problem, whereabouts
from quarry.clock import Clock
from quarry.ids import is_request_id
from quarry.telemetry.conventions import of_answer
from quarry.telemetry.events import Event
from quarry.telemetry.logs import bind_trace, get_logger
from quarry.telemetry.metrics import ProducerMetrics
from quarry.telemetry.tracing import OFF, Tracing

_log = get_logger(__name__)

#: Who hung up, or came too badly to be answered, gets no status; nginx counts them under this number.
_HUNG_UP: Final = 499
#: Probes and documents would only be noise.
_TRACED: Final = "/v1/"
_UNMATCHED: Final = "unmatched"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """ASGI middleware: counts, times and traces requests by route template, gives answers the headers that all have, and turns a
    bug into a `500` and one line of log.
    """

    def __init__(self, app: ASGIApp, metrics: ProducerMetrics, clock: Clock, tracing: Tracing = OFF) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not scope["path"].startswith(_TRACED):
            await self._observe(scope, receive, send)
        else:
            method = _method(scope)
            with self._tracing.request(method, _header(scope, b"traceparent")) as span:
                bind_trace(span.trace_id)
                code = await self._observe(scope, receive, send)
                route = _route(scope)
                span.rename(f"{method} {route}")
                span.tell(of_answer(route, _path(scope), scope.get(CALLERS_TENANT), code))
                if code >= 500:
                    span.fail(str(code))

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Serve it; returns the status of the answer."""
        began, code = self._clock.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                message["headers"] = guarded(message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            code = code or _HUNG_UP
        except Exception as error:
            _log.error(Event.REQUEST_FAILED, route=_route(scope), error=whereabouts(error))
            if code:
                raise  # too late for another answer: the server closes the connection
            await JSONResponse(problem(INTERNAL), 500, media_type=MEDIA_TYPE)(scope, receive, sending)
        finally:
            method, route = _method(scope), _route(scope)
            self._metrics.requests.labels(method, route, str(code)).inc()
            self._metrics.request_seconds.labels(method, route).observe(self._clock.monotonic() - began)
        return code


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _header(scope: Scope, name: bytes) -> str | None:
    found = next((value for key, value in scope["headers"] if key == name), None)
    return found.decode("latin-1") if found else None


def _path(scope: Scope) -> str | None:
    """The path, where all that a caller has put into it are ids of jobs."""
    known = _route(scope) != _UNMATCHED and all(is_request_id(str(each)) for each in scope.get("path_params", {}).values())
    return scope["path"] if known else None


def _route(scope: MutableMapping[str, Any]) -> str:
    """The template, never the path itself: labels are bounded."""
    return getattr(scope.get("route"), "path", "") or _UNMATCHED
