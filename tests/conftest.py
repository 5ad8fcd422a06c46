"""Shared fixtures: an emulated AWS over HTTP, and a Quarry of one's own on it."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.support.emulator import emulated_aws
from tests.support.guard import refuse_the_outside
from tests.support.simulator import Simulator, simulating
from tests.support.stack import Stack, provisioned

refuse_the_outside()

# That a machine is busy is no fault of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Started in the background of a script, this process ignores Ctrl-C, and so would all that it starts: some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Files that one runner does: chaos measures how soon all is well again, and its tests would take each other's time; of the
#: emulated ECS there can be one at a time, since its address is the one that tasks know.
TOGETHER = ("tests/chaos/",), ("tests/e2e/terraform/test_applied.py", "tests/e2e/terraform/test_autoscaling.py")


class Sharing(LoadFileScheduling):  # type: ignore[misc]
    """What each of several runners does, a piece at a time: a file, or some that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((files[0] for files in TOGETHER if nodeid.startswith(files)), nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """With `-n`, whatever `--dist` says."""
    return Sharing(config, log)


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated AWS of this test run."""
    with emulated_aws(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture
def stack(aws_url: str, tmp_path: Path) -> Stack:
    """A provisioned Quarry with names of its own; nothing runs yet."""
    return provisioned(aws_url, tmp_path)


@pytest.fixture(scope="module")
def shared_stack(aws_url: str, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The same for all tests of a file, where they do not disturb each other; its jobs are echoed."""
    made = provisioned(aws_url, tmp_path_factory.mktemp("stack"))
    made.env["QUARRY_ROUTES_FILE"] = made.routes()
    return made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A file that says `EVERY_API = True` asks each kind of API the same, but for tests that are marked as a server's."""
    if "api" in metafunc.fixturenames and getattr(metafunc.module, "EVERY_API", False):
        kinds = ["server"] if metafunc.definition.get_closest_marker("server_only") else ["server", "function"]
        metafunc.parametrize("api", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, shared_stack: Stack) -> Iterator[httpx.Client]:
    """A client of the file's API: a server's process, or, where it is asked for, a function's."""
    kind = getattr(request, "param", "server")
    with shared_stack.running_function() if kind == "function" else shared_stack.running_api() as client:
        yield client


@pytest.fixture(scope="session")
def running_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The Bedrock simulator of this test run, a process of its own."""
    with simulating(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Iterator[Simulator]:
    """A Bedrock simulator without rules, its counters at zero."""
    running_simulator.reset()
    yield running_simulator
    running_simulator.reset()
