"""The port with `/livez`, `/readyz` and `/metrics`: small, separate from any public one."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from quarry.errors import ConfigurationError

_READING: Final = ("GET", "HEAD")


class _Discreet(web.RequestHandler):
    """aiohttp's own answers what is no HTTP by quoting it."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The status tells enough."""
        return super().handle_error(request, status, exc)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Discreet(self, loop=asyncio.get_running_loop(), access_log=None)  # type: ignore[arg-type]  # as its own runner does


@asynccontextmanager
async def serve_probes(
    registry: CollectorRegistry, unready: Callable[[], str | None], *, host: str, port: int, variable: str
) -> AsyncIterator[int]:
    """Serve while the block runs; yields the port it listens on.

    `unready` tells why the process should get no work, or None where it should. `/livez` answers as long as the event loop turns.
    `variable` is the setting that the port is from.

    Raises:
        ConfigurationError: the port is taken.
    """

    def livez() -> web.Response:
        return web.json_response({"status": "alive"})

    def readyz() -> web.Response:
        reason = unready()
        if reason:
            return web.json_response({"status": "unready", "reason": reason}, status=503)
        return web.json_response({"status": "ready"})

    def metrics() -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    answers: Mapping[str, Callable[[], web.Response]] = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}

    async def answered(request: web.BaseRequest) -> web.Response:
        if request.path not in answers:
            return web.Response(status=404)
        return answers[request.path]() if request.method in _READING else web.Response(status=405, headers={"Allow": "GET, HEAD"})

    runner = web.ServerRunner(_Server(answered))
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            # The event loop's own words have the address once more; a name that nobody knows has a negative number.
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise ConfigurationError(f"{variable}: {host}:{port} cannot be used: {why}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
