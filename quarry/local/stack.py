"""The local stack: emulated AWS, a simulated Bedrock, an API and a worker, on free ports of loopback.

The emulator has a Python environment of its own (`make install` makes it): it pins another botocore than Quarry's.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from quarry.errors import ConfigurationError
from quarry.local.processes import Children, children, free_ports

DEFAULT_EMULATOR_PYTHON: Final = Path(".venv-aws/bin/python")
DEFAULT_MODEL_PYTHON: Final = Path(".venv-model/bin/python")
REGION: Final = "us-east-1"
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running stack."""

    api_url: str
    #: What answers in the simulator: the one asked for, or `echo` where that cannot be had.
    brain: str
    processes: Children


@contextmanager
def local_stack(
    directory: Path,
    emulator_python: Path,
    say: Callable[[str], None],
    simulator_script: Path | None = None,
    brain: str = "echo",
) -> Iterator[LocalStack]:
    """A stack for the length of the block; logs go to `directory`, and `say` is told what is being done.

    Raises:
        ConfigurationError: the emulator is not installed.
        ChildFailed: a process did not start.
        Stopped: a signal came.
    """
    if not emulator_python.exists():
        raise ConfigurationError(f"there is no {emulator_python}, which runs the emulated AWS; `make install` makes it")
    aws, bedrock, api, api_metrics, worker_metrics = (str(port) for port in free_ports(5))
    environ = _environ(aws, bedrock, api_metrics, worker_metrics)
    api_url = f"http://{_HOST}:{api}"
    thinking = ["--brain", brain, "--model-python", str(DEFAULT_MODEL_PYTHON.absolute())]
    script = ["--script", str(simulator_script.absolute())] if simulator_script else []
    with children(directory) as processes:
        say("starting emulated AWS and a simulated Bedrock")
        # Not resolved: the link is what tells Python which environment it is in.
        processes.start("emulator", [str(emulator_python.absolute()), "-m", "ministack"], _emulator_environ(aws))
        processes.start("simulator", _quarry("simulator", "--port", bedrock, *thinking, *script), environ)
        processes.await_ready(
            {"emulator": f"http://{_HOST}:{aws}/_ministack/health", "simulator": f"http://{_HOST}:{bedrock}/livez"}
        )
        say("making queues, table and bucket")
        processes.run("provision", _quarry("provision"), environ)
        say("starting API and worker")
        processes.start("api", _quarry("api", "--port", api), environ)
        processes.start("worker", _quarry("worker"), environ)
        processes.await_ready({"api": f"{api_url}/readyz", "worker": f"http://{_HOST}:{worker_metrics}/readyz"})
        yield LocalStack(api_url, httpx.get(f"http://{_HOST}:{bedrock}/livez", trust_env=False).json()["brain"], processes)


def _quarry(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "quarry", *arguments]


def _environ(aws: str, bedrock: str, api_metrics: str, worker_metrics: str) -> dict[str, str]:
    return _inherited() | {
        "AWS_ENDPOINT_URL": f"http://{_HOST}:{aws}",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://{_HOST}:{bedrock}",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "QUARRY_ENVIRONMENT": "local",
        "QUARRY_API__METRICS_PORT": api_metrics,
        "QUARRY_WORKER__METRICS_PORT": worker_metrics,
        "QUARRY_WORKER__SLOTS": "20",
        "QUARRY_WORKER__DRAIN_SECONDS": "5",
    }


def _emulator_environ(port: str) -> dict[str, str]:
    # Two of its services listen on fixed ports, which a second emulator would fight for.
    fixed = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    return _inherited() | {"GATEWAY_PORT": port, "BIND_HOST": _HOST, "LOG_LEVEL": "WARNING"} | fixed


def _inherited() -> dict[str, str]:
    """Our environment without what configures AWS or Quarry, and without a proxy between the parts of the stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "QUARRY_"))}
    return kept | {"NO_PROXY": _HOST, "no_proxy": _HOST}
