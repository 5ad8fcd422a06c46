"""A Quarry of one's own for a measurement: emulated AWS, a simulated Bedrock, processes as a user starts them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.emulator import emulated_aws
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
