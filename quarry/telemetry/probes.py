"""The port with `/livez`, `/readyz` and `/metrics`: small, separate from any public one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from quarry.errors import ConfigurationError


@asynccontextmanager
async def serve_probes(
    registry: CollectorRegistry, unready: Callable[[], str | None], *, host: str, port: int
) -> AsyncIterator[int]:
    """Serve while the block runs; yields the port it listens on.

    `unready` tells why the process should get no work, or None where it should. `/livez` answers as long as the event loop turns.

    Raises:
        ConfigurationError: the port is taken.
    """

    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        reason = unready()
        if reason:
            return web.json_response({"status": "unready", "reason": reason}, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigurationError(f"the metrics port {host}:{port} cannot be used: {error.strerror}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
