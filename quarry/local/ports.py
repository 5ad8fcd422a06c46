"""Which ports the local stack listens on: fixed ones, so that a command works in another terminal and tomorrow."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from quarry.errors import ConfigurationError

HOST: Final = "127.0.0.1"
_LAST: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """TCP ports of loopback; 0 takes a free one. The defaults are those of `quarry api`, `quarry simulator` and the settings."""

    api: int = 8000
    aws: int = 4566
    simulator: int = 4567
    #: The first worker's; the API's is the next, and then come the other workers'.
    metrics: int = 9090


@dataclass(frozen=True, slots=True)
class Chosen:
    """A port for each part."""

    api: int
    aws: int
    simulator: int
    api_metrics: int
    worker_metrics: tuple[int, ...]


def choose(ports: Ports, workers: int) -> Chosen:
    """The ports for that many workers.

    Raises:
        ConfigurationError: some are taken; the message names each, who wanted it, and the option that moves it.
    """
    first = ports.metrics
    metrics = [first + i if first else 0 for i in range(workers + 1)]
    if metrics[-1] > _LAST:
        raise ConfigurationError(
            f"--metrics-port {first} leaves no room for the metrics of an API and {workers} workers: ports end at {_LAST}"
        )
    wanted = [ports.api, ports.aws, ports.simulator, *metrics]
    names = ["the API (--port)", "emulated AWS (--aws-port)", "the simulator (--simulator-port)"]
    names += ["metrics (--metrics-port)"] * len(metrics)
    with ExitStack() as held:
        bound = [(port, name, _bound(port, held)) for port, name in zip(wanted, names, strict=True)]
    if taken := [f"{port}, for {name}" for port, name, number in bound if number is None]:
        raise ConfigurationError(
            f"taken on {HOST}: port {'; port '.join(taken)}. Another stack may be running; 0 takes a free port"
        )
    api, aws, simulator, worker, api_metrics, *workers_more = (number for _, _, number in bound if number is not None)
    return Chosen(api, aws, simulator, api_metrics, (worker, *workers_more))


def _bound(port: int, held: ExitStack) -> int | None:
    """The port, held; None where somebody has it."""
    probe = held.enter_context(socket.socket())
    # As servers do: what a connection left behind is no hindrance.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
        # Two sockets may be bound alike as long as neither listens: so one number given twice is found out.
        probe.listen(1)
    except OSError:
        return None
    number: int = probe.getsockname()[1]
    return number
