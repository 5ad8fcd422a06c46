"""The API as a Lambda function behind an API Gateway HTTP API: the app of `producer/app.py`, without its server.

Lambda stops the process after each answer, perhaps for ever, and says nothing before it does. So the event loop turns while a
request is served and at no other time, nothing is left under way, and what other processes do beside requests is done before
one, after it, or on demand. Each process serves one request at a time; of more, each gets a process of its own.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, Protocol

import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from structlog.contextvars import bind_contextvars

from producer.auth.gate import require_authentication
from producer.between import Between
from producer.gateway import BODY_MAX_BYTES, Answer, ask, result_of
from producer.headers import guarded
from producer.opening import opened_context
from producer.problems import ANSWER_TOO_LARGE, MEDIA_TYPE, OUT_OF_TIME, RETRY_AFTER_SECONDS, problem, problem_of
from producer.thawed import ThawedClock
from producer.web import create_app
from quarry import __version__
from quarry.errors import StoreUnavailable, TransportError
from quarry.inference.routes_file import load_routes
from quarry.settings import Settings, load_settings
from quarry.telemetry.events import Event
from quarry.telemetry.logs import configure, get_logger
from quarry.telemetry.metrics import ProducerMetrics
from quarry.telemetry.publish import Publisher
from quarry.tenants.tenants_file import load_tenants

_log = get_logger(__name__)

#: An HTTP API waits 30 s for an integration, and no longer ("Quotas for configuring and running an HTTP API" in the API Gateway
#: Developer Guide, read in November 2026). A start and two reads fit in what is left. Our own choice.
WAIT_MAX_SECONDS: Final = 25
#: Of results in one lookup: with the jobs around them, what an answer may have. Our own choice.
LOOKUP_MAX_BYTES: Final = 2 * 1024 * 1024
#: What AWS may take to answer at a start, before any request; our own choice. Lambda gives a start 10 s in all, and then begins it
#: anew ("Async Initialization" in the documentation of the AWS Lambda Web Adapter, read in November 2026).
_START_SECONDS: Final = 6.0
#: What is kept of a request's time to answer that it is over; and how long what is beside a request may take. Our own choices.
_LAST_SECONDS: Final = 3.0
_BESIDE_SECONDS: Final = 1.0
_CANCELLED_SECONDS: Final = 0.2


class Context(Protocol):
    """What Lambda hands over with an event, as far as it is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until this process is stopped, whatever it does."""


class Function:
    """The API in one execution environment. It is made once, and called for each request.

    Args:
        settings: those of the API; what an HTTP API cannot do is left out, or bounded.

    Raises:
        ConfigurationError: as for the API. Where AWS does not answer, requests are answered so, and the next one tries again.
    """

    def __init__(self, settings: Settings) -> None:
        require_authentication(settings)
        self._settings = within_bounds(settings)
        self._clock = ThawedClock()
        self._between = Between()
        self._app: FastAPI | None = None
        #: What the app stands on. It ends with the process.
        self._opened: AsyncExitStack | None = None
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._runner.run(self._prepare())

    def __call__(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Answer one request.

        Raises:
            ValueError: the event is none of an HTTP API, by payload format 2.0.
        """
        return self._runner.run(self._served(event, context))

    async def _begin(self) -> FastAPI:
        settings, clock, metrics = self._settings, self._clock, ProducerMetrics(CollectorRegistry())
        between, routes = Between(), load_routes(settings.routes_file, settings.region)
        tenants = load_tenants(settings.tenants_file)
        between.after.append(Publisher(settings.emf, "producer", (metrics,), clock).told)
        async with AsyncExitStack() as stack:
            try:
                context = await stack.enter_async_context(opened_context(settings, routes, tenants, metrics, clock, between))
            except TransportError as error:
                _log.error(Event.SERVICE_FAILED, error=str(error))
                raise
            app = self._app = create_app(context, metrics)
            self._between, self._opened = between, stack.pop_all()
        await _beside(chore() for chore in between.before)
        _log.info(Event.SERVICE_STARTED, version=__version__)
        return app

    async def _prepare(self) -> None:
        with suppress(TransportError, TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self._begin()
        await settle()

    async def _served(self, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        bind_contextvars(aws_request_id=context.aws_request_id)
        self._clock.thawed()
        # Connections that were closed while this process was stopped are noticed here, and not used.
        await asyncio.sleep(0)
        try:
            answer = await self._answer(event, context.get_remaining_time_in_millis() / 1000 - _LAST_SECONDS)
        finally:
            await _beside(chore() for chore in self._between.after)
            await settle()
        return result_of(answer if len(answer.body) <= BODY_MAX_BYTES else _refusal(problem(ANSWER_TOO_LARGE)))

    async def _answer(self, event: Mapping[str, Any], seconds: float) -> Answer:
        tried = False
        try:
            async with asyncio.timeout(seconds):
                app = self._app or await self._begin()
                await _beside(chore() for chore in self._between.before)
                tried = True
                return await ask(app, event)
        except TransportError as error:
            return _refusal(problem_of(error))
        except TimeoutError:
            _log.error(Event.REQUEST_FAILED, route="", error="out of time" if tried else "out of time before it was begun")
            return _refusal(problem(OUT_OF_TIME) if tried else problem_of(StoreUnavailable("no answer in time", applied=False)))


def within_bounds(settings: Settings) -> Settings:
    """The settings, with the API's no larger than an HTTP API and Lambda allow."""
    api = settings.api
    bounds = {
        "wait_max_seconds": min(api.wait_max_seconds, WAIT_MAX_SECONDS),
        "body_max_bytes": min(api.body_max_bytes, BODY_MAX_BYTES),
        "bulk_body_max_bytes": min(api.bulk_body_max_bytes, BODY_MAX_BYTES),
        "lookup_max_bytes": min(api.lookup_max_bytes, LOOKUP_MAX_BYTES),
        # An answer goes when it is complete.
        "followers": 0,
    }
    return settings.model_copy(update={"api": api.model_copy(update=bounds)})


async def _beside(doing: Iterable[Awaitable[None]]) -> None:
    """Do it, and go on after a moment where it is not done: nobody waits for long for what they have not asked for."""
    tasks = [asyncio.ensure_future(each) for each in doing]
    if tasks:
        await asyncio.wait(tasks, timeout=_BESIDE_SECONDS)


async def settle() -> None:
    """Leave nothing under way: it would go on after the process was stopped, over connections that are gone."""
    for seconds in (_BESIDE_SECONDS, _CANCELLED_SECONDS):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        await asyncio.wait(left, timeout=seconds)
        for task in left:
            task.cancel()


def _refusal(document: dict[str, Any]) -> Answer:
    """A problem, where no app answers."""
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    if document["status"] == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    return Answer(document["status"], guarded(headers), bytearray(json.dumps(document).encode()))


def __getattr__(name: str) -> Function:
    """`handler`, made when it is first asked for: by Lambda, in the time that it gives to a start. An import makes nothing."""
    if name != "handler":
        raise AttributeError(name)
    settings = load_settings()
    configure(settings.log_level, service="producer")
    globals()[name] = made = Function(settings)
    return made
