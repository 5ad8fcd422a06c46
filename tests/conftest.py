"""Shared fixtures: an emulated AWS over HTTP, and a Quarry of one's own on it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.guard import refuse_the_outside
from tests.support.processes import ROOT, clean_environ, free_port, quarry, serving
from tests.support.simulator import Simulator
from tests.support.stack import Stack

refuse_the_outside()

#: The emulator lives in an environment of its own: it pins another botocore.
EMULATOR_PYTHON = os.environ.get("QUARRY_EMULATOR_PYTHON", str(ROOT / ".venv-aws" / "bin" / "python"))


# Started in the background of a script, this process ignores Ctrl-C, and so would all that it starts: some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated AWS of this test run."""
    port = free_port()
    env = clean_environ(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING")
    log = tmp_path_factory.mktemp("ministack") / "ministack.log"
    url = f"http://127.0.0.1:{port}"
    with serving([EMULATOR_PYTHON, "-m", "ministack"], env, log, f"{url}/_ministack/health"):
        yield url


@pytest.fixture
def stack(aws_url: str, tmp_path: Path) -> Stack:
    """A provisioned Quarry with names of its own; nothing runs yet."""
    return _provisioned(aws_url, tmp_path)


@pytest.fixture(scope="module")
def shared_stack(aws_url: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The same for all tests of a file, where they do not disturb each other; its jobs are echoed."""
    made = _provisioned(aws_url, tmp_path_factory.mktemp("stack"))
    made.env["QUARRY_ROUTES_FILE"] = made.routes()
    return made


@pytest.fixture(scope="module")
def api(shared_stack: Stack) -> Iterator[httpx.Client]:
    """A client of the file's API process."""
    with shared_stack.running_api() as client:
        yield client


def _provisioned(aws_url: str, directory: Path) -> Stack:
    made = Stack(aws_url, directory)
    subprocess.run(quarry("provision"), env=made.environ(), check=True, capture_output=True, cwd=ROOT)
    return made


@pytest.fixture(scope="session")
def running_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The Bedrock simulator of this test run, a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("simulator") / "simulator.log"
    with serving(quarry("simulator", "--port", str(port)), clean_environ(), log, f"{url}/livez"):
        simulator = Simulator(url)
        yield simulator
        simulator.close()


@pytest.fixture
def simulator(running_simulator: Simulator) -> Iterator[Simulator]:
    """A Bedrock simulator without rules, its counters at zero."""
    running_simulator.reset()
    yield running_simulator
    running_simulator.reset()
