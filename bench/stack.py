"""A Quarry of one's own for a measurement: emulated AWS, a simulated Bedrock, processes as a user starts them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.processes import ROOT, clean_environ, free_port, quarry, serving
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@contextmanager
def emulated(directory: Path) -> Iterator[Stack]:
    """Queues, table and bucket on emulated AWS; whatever is called echoes until `stack.use` says otherwise."""
    port, python = free_port(), os.environ.get("QUARRY_EMULATOR_PYTHON", str(ROOT / ".venv-aws" / "bin" / "python"))
    env = clean_environ(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING")
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as running:
        running.enter_context(serving([python, "-m", "ministack"], env, directory / "aws.log", f"{url}/_ministack/health"))
        stack = Stack(url, directory)
        stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
        subprocess.run(quarry("provision"), env=stack.environ(), check=True, capture_output=True, cwd=ROOT)  # noqa: S603
        yield stack


@contextmanager
def simulated(directory: Path, delay_seconds: float) -> Iterator[Simulator]:
    """A simulated Bedrock whose every answer takes so long."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "quarry", "simulator", "--port", str(port)]
    with serving(command, clean_environ(), directory / "simulator.log", f"{url}/livez"):
        simulator = Simulator(url)
        simulator.rule({"delay_seconds": delay_seconds})
        yield simulator
        simulator.close()
