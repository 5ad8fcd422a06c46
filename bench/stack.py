"""A Quarry of one's own for a measurement: emulated AWS, a simulated Bedrock, processes as a user starts them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.emulator import emulated_aws
from tests.support.processes import Process, clean_environ, free_port, quarry, serving
from tests.support.simulator import Simulator, simulating
from tests.support.stack import Stack, provisioned


@contextmanager
def emulated(directory: Path) -> Iterator[Stack]:
    """Queues, table and bucket on emulated AWS; whatever is called echoes until `stack.use` says otherwise."""
    with emulated_aws(directory) as url:
        stack = provisioned(url, directory)
        stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
        yield stack


@contextmanager
def simulated(directory: Path, delay_seconds: float) -> Iterator[Simulator]:
    """A simulated Bedrock whose every answer takes so long."""
    with simulating(directory) as simulator:
        simulator.rule({"delay_seconds": delay_seconds})
        yield simulator


@contextmanager
def stood_in(directory: Path, jobs: int = 0) -> Iterator[Stack]:
    """So many jobs wait at a stand-in for AWS, whose counts are at `aws_url`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.stand_in_aws", str(port), str(jobs)]
    with serving(command, clean_environ(), directory / "aws.log", url):
        stack = Stack(url, directory)
        stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
        yield stack


@contextmanager
def api_of(stack: Stack) -> Iterator[tuple[int, Process]]:
    """The port of an API, and its process."""
    port = free_port()
    log, ready = stack.directory / "api.log", f"http://127.0.0.1:{port}/livez"
    with serving(quarry("api", "--port", str(port)), stack.environ(), log, ready) as process:
        yield port, process
