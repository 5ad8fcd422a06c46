"""The producer's composition root."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from producer.routes import jobs, probes
from producer.submit import Submitter
from quarry import __version__
from quarry.aws import dynamodb_client, sqs_client
from quarry.clock import SystemClock
from quarry.inference.routes import load_routes
from quarry.queue.sqs import SqsQueue, resolve_urls
from quarry.settings import Settings
from quarry.store.dynamodb import DynamoStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import configure, get_logger
from quarry.telemetry.probes import serve_probes

_log = get_logger(__name__)


def main(settings: Settings, host: str, port: int) -> int:
    """Serve the API until SIGTERM or SIGINT; returns the exit code."""
    configure(settings.log_level, service="producer")
    uvicorn.run(create_app(settings), host=host, port=port, log_config=None, server_header=False, access_log=False)
    return 0


def create_app(settings: Settings) -> FastAPI:
    """The application; its clients live as long as its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        clock, registry = SystemClock(), CollectorRegistry()
        async with AsyncExitStack() as stack:
            dynamodb = await stack.enter_async_context(dynamodb_client(settings.region, 64))
            sqs = await stack.enter_async_context(sqs_client(settings.region, 64))
            store = DynamoStore(dynamodb, settings.store.table, timedelta(days=settings.job.retention_days))
            await store.check()
            urls = await resolve_urls(sqs, settings.queue.name, settings.queue.url, settings.queue.dlq_url)
            queue = SqsQueue(sqs, *urls)
            routes = load_routes(settings.routes_file, settings.region)
            app.state.clock, app.state.store = clock, store
            app.state.submitter = Submitter(store, queue, routes, settings.job, clock)
            probes = serve_probes(registry, lambda: None, host=settings.api.metrics_host, port=settings.api.metrics_port)
            metrics_port = await stack.enter_async_context(probes)
            _log.info(Event.SERVICE_STARTED, version=__version__, metrics_port=metrics_port)
            yield
        _log.info(Event.SERVICE_STOPPED)

    app = FastAPI(title="Quarry", version=__version__, lifespan=lifespan)
    app.include_router(jobs.router)
    app.include_router(probes.router)
    return app
