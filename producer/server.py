"""The HTTP server's life: bind, serve until told to stop, let go of who waits, end with a code."""

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import uvicorn
from fastapi import FastAPI

from producer.connection import Connection, Limits, Refusals
from quarry.errors import ConfigurationError

#: Our own choices. Above the 60 s that load balancers keep idle connections by default, so that they close them, not we.
_KEEP_ALIVE_SECONDS: Final = 75
_STOP_SECONDS: Final = 5
_BACKLOG: Final = 2048
#: Of connections to AWS, logs, and Python itself.
_OTHER_FILES: Final = 256


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn raises them again when it has stopped, and the exit code would not be 0."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """The listening address, taken before anything else is started.

    Raises:
        ConfigurationError: it cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigurationError(f"--host and --port: {host}:{port} cannot be used: {_why(error)}") from error
    return bound


def room_for(connections: int) -> int:
    """As many of these connections as this process may open files for. It raises its own bound, as far as it may."""
    files = 2 * connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files and hard != resource.RLIM_INFINITY:
        files = min(files, hard)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return min(connections, (files - _OTHER_FILES) // 2)


async def serve(app: FastAPI, bound: socket.socket, limits: Limits, refusals: Refusals, stopping: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, or until this task is cancelled. `stopping` is called first when it ends."""
    config = uvicorn.Config(
        app,
        http=partial(Connection, limits, refusals),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        # Below it, uvicorn tells of callers who speak no HTTP, line by line: theirs to write, and nobody's to read.
        log_level=logging.ERROR,
    )
    server, loop = _Server(config), asyncio.get_running_loop()

    def stop() -> None:
        stopping()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve([bound])
    finally:
        stopping()


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
