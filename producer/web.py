"""The ASGI app: routes, and one answer for each way in which they can fail."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline

from producer import quotas
from producer.auth.rules import require_rules
from producer.auth.turnstile import Turnstile
from producer.connection import CONNECTION, Refusals
from producer.documents import document
from producer.faults import told
from producer.observe import Observed
from producer.problems import (
    CROWDED,
    HTTP_PROBLEMS,
    INTERNAL,
    MEDIA_TYPE,
    PROBLEMS,
    RETRY_AFTER_SECONDS,
    UNREADABLE,
    problem,
    problem_of,
)
from producer.routes import jobs, probes
from producer.routes.context import Context, admitted
from quarry.errors import (
    InvalidSubmission,
    Overloaded,
    PayloadLost,
    QuarryError,
    RateLimited,
    SubmissionError,
    TransportError,
    Unauthenticated,
)
from quarry.telemetry.audit import Fold
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import ProducerMetrics
from quarry.telemetry.tracing import OFF, Tracing

_log = get_logger(__name__)

_LATER: Final = {"Retry-After": str(RETRY_AFTER_SECONDS)}


def create_app(context: Context, metrics: ProducerMetrics, tracing: Tracing = OFF) -> FastAPI:
    """The app over verbs that are already built."""
    app = FastAPIOffline(title="Quarry", docs_url=None, redoc_url=None, redirect_slashes=False, dependencies=[Depends(admitted)])
    app.state.context = context
    app.state.turnstile, app.state.told = Turnstile(context.clock), Fold()
    app.include_router(jobs.router)
    app.include_router(probes.router)
    app.add_middleware(Observed, metrics=metrics, clock=context.clock, tracing=tracing)
    app.add_exception_handler(SubmissionError, _refused)
    app.add_exception_handler(RateLimited, _limited)
    app.add_exception_handler(Unauthenticated, _unknown)
    for kind in (TransportError, Overloaded, PayloadLost):
        app.add_exception_handler(kind, _unserved)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    # Starlette raises its own class, of which FastAPI's is a child.
    app.add_exception_handler(HTTPException.__mro__[1], _http)
    document(app, context.limits, authenticating=not context.gate.is_open)
    require_rules(app.routes)
    return app


def refusals(*, authenticating: bool) -> Refusals:
    """Answers to what never becomes a request. Where callers must say who they are, nobody has whose head cannot be read: they are
    told no more than others.
    """
    nobody = _unauthenticated() if authenticating else None
    return Refusals(
        unreadable=nobody or _answer(problem(UNREADABLE)),
        too_large=nobody or _answer(problem(HTTP_PROBLEMS[431])),
        late=_answer(problem(HTTP_PROBLEMS[408])),
        crowded=_answer(problem(CROWDED), _LATER),
        broken=_answer(problem(UNREADABLE)),
    )


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    return _answer(problem_of(error))


async def _limited(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RateLimited)  # noqa: S101 - registered for it
    return _answer(problem_of(error), {"Retry-After": str(error.retry_after_seconds), **quotas.headers(error.quotas)})


async def _unknown(request: Request, _error: Exception) -> JSONResponse:
    turnstile: Turnstile = request.app.state.turnstile
    waits: list[asyncio.Future[None]] = [asyncio.ensure_future(turnstile.turn())]
    if connection := request.scope.get(CONNECTION):
        # Whoever hangs up is waited for no longer, and nothing of what they sent is kept: what waits is bounded by the connections.
        connection.forget_body()
        waits.append(asyncio.shield(connection.ended))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
    return _unauthenticated()


async def _unserved(request: Request, error: Exception) -> JSONResponse:
    told: Fold = request.app.state.told
    # While a service is away, everybody meets this, strangers too.
    if told.takes(request.app.state.context.clock.monotonic()):
        folded, told.count = told.count, 0
        route = getattr(request.scope.get("route"), "path", "")
        _log.warning(Event.REQUEST_UNSERVED, route=route, error=_chain(error), folded=folded)
    else:
        told.count += 1
    document = problem_of(error)
    return _answer(document, _LATER if document["status"] == 503 else None)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """What FastAPI checks itself: query parameters and headers. The first part of a location says which, and goes."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    faults = told([{**each, "loc": each["loc"][1:]} for each in error.errors()])
    return _answer(problem_of(InvalidSubmission(*faults)))


async def _http(request: Request, error: Exception) -> JSONResponse:
    """What is wrong before a handler runs, or in the body that it reads."""
    assert isinstance(error, HTTPException.__mro__[1])  # noqa: S101 - registered for it
    status: int = error.status_code  # type: ignore[attr-defined]
    kind = HTTP_PROBLEMS.get(status, INTERNAL)
    detail = str(error.detail) if status == 400 else None  # type: ignore[attr-defined]
    headers = {"Allow": ", ".join(_methods(request))} if status == 405 else None
    return _answer(problem(kind, detail), headers)


def _methods(request: Request) -> Sequence[str]:
    """What the path takes. Starlette names the methods of one route only."""
    template = getattr(request.scope.get("route"), "path", "")
    return sorted(method.upper() for method in request.app.openapi()["paths"].get(template, ())) or ["GET"]


def _unauthenticated() -> JSONResponse:
    """The same whatever was wrong."""
    return _answer(problem(PROBLEMS[Unauthenticated]), {"WWW-Authenticate": "Bearer"})


def _answer(document: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(document, document["status"], headers, MEDIA_TYPE)


def _chain(error: BaseException | None) -> str:
    """An error of ours with what it came from: their words name AWS's codes, never content."""
    said = []
    while isinstance(error, QuarryError):
        said.append(f"{type(error).__name__}: {error}")
        error = error.__cause__
    return "; ".join(said)
