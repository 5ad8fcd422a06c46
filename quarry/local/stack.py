"""The local stack: emulated AWS, a simulated Bedrock, an API and workers, on loopback.

The emulator and the model have Python environments of their own (`make install` and `make model` make them): the one pins another
botocore than Quarry's, and of the other's packages only a part is wanted.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from quarry.errors import ConfigurationError
from quarry.inference.routes import BUILT_IN_MODEL
from quarry.local.ports import HOST, Chosen, Ports, choose
from quarry.local.processes import Children, children

DEFAULT_EMULATOR_PYTHON: Final = Path(".venv-aws/bin/python")
DEFAULT_MODEL_PYTHON: Final = Path(".venv-model/bin/python")
REGION: Final = "us-east-1"
#: What a job's `served_by` names: who answers in truth, and no model of somebody else's.
MODELS: Final = {"echo": "echo", "smollm2": "smollm2-135m-instruct"}
#: What is stopped first: those who use the others.
_SERVICES: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to start."""

    ports: Ports
    brain: str = "smollm2"
    #: Rules for the simulator.
    script: Path | None = None
    workers: int = 1
    #: Where the emulator's state is kept; None keeps nothing.
    data: Path | None = None
    emulator_python: Path = DEFAULT_EMULATOR_PYTHON
    model_python: Path = DEFAULT_MODEL_PYTHON


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running stack."""

    api_url: str
    aws_url: str
    simulator_url: str
    #: Where metrics are, by the name of the process.
    metrics_urls: Mapping[str, str]
    #: What answers in the simulator: the one asked for, or `echo` where that cannot be had.
    brain: str
    #: Why it is not the one asked for; else empty.
    brain_missing: str
    #: What points a process at the stack.
    variables: Mapping[str, str]
    processes: Children

    def run_quarry(self, verb: str, *arguments: str) -> int:
        """Run a verb of the command line to its end, its words shown; returns its exit code: 0, or 1 where something failed."""
        command = _quarry(verb, *arguments)
        return self.processes.run(verb, command, {**_inherited(), **self.variables}, expected=(0, 1), shown=True)


@contextmanager
def local_stack(directory: Path, plan: Plan, say: Callable[[str], None]) -> Iterator[LocalStack]:
    """A stack for the length of the block; logs go to `directory`, and `say` is told what is being done.

    Raises:
        ConfigurationError: the emulator is not installed, a port is taken, the data are in use.
        ChildFailed: a process did not start.
        Stopped: a signal came.
    """
    if not plan.emulator_python.exists():
        raise ConfigurationError(
            f"there is no {plan.emulator_python.absolute()}, which runs the emulated AWS; `make install` makes it in Quarry's "
            "directory: start there, or name it by --emulator-python"
        )
    ports = choose(plan.ports, plan.workers)
    with _held(plan.data), children(directory) as processes:
        yield _started(processes, directory, plan, ports, say)


def _started(processes: Children, directory: Path, plan: Plan, ports: Chosen, say: Callable[[str], None]) -> LocalStack:
    aws, simulator, api = (f"http://{HOST}:{port}" for port in (ports.aws, ports.simulator, ports.api))
    environ = _environ(aws, simulator)
    inherited = _inherited()
    say("starting emulated AWS and a simulated Bedrock")
    # Not resolved: the link is what tells Python which environment it is in.
    emulator = [str(plan.emulator_python.absolute()), "-m", "ministack"]
    processes.start("emulator", emulator, inherited | _emulator_environ(ports.aws, plan.data))
    processes.start("simulator", _simulator(plan, ports.simulator), inherited)
    processes.await_ready({"emulator": f"{aws}/_ministack/health", "simulator": f"{simulator}/livez"})
    thinks = httpx.get(f"{simulator}/livez", trust_env=False).json()
    environ["QUARRY_ROUTES_FILE"] = _routes(directory, thinks["brain"])
    say("making queues, table and bucket")
    processes.run("provision", _quarry("provision"), inherited | environ)
    workers = {f"worker-{i}": port for i, port in enumerate(ports.worker_metrics, start=1)}
    say(f"starting an API and {'a worker' if len(workers) == 1 else f'{len(workers)} workers'}")
    metrics = {"api": ports.api_metrics, **workers}
    serve = {"api": _quarry("api", "--port", str(ports.api)), **dict.fromkeys(workers, _quarry("worker"))}
    for name, command in serve.items():
        setting = f"QUARRY_{'API' if name == 'api' else 'WORKER'}__METRICS_PORT"
        processes.start(name, command, inherited | environ | {setting: str(metrics[name])}, tier=_SERVICES)
    metrics_urls = {name: f"http://{HOST}:{port}/metrics" for name, port in metrics.items()}
    processes.await_ready({name: f"http://{HOST}:{port}/readyz" for name, port in {**metrics, "api": ports.api}.items()})
    environ["QUARRY_CLIENT__API_URL"] = api
    return LocalStack(api, aws, simulator, metrics_urls, thinks["brain"], thinks.get("missing", ""), environ, processes)


def _quarry(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "quarry", *arguments]


def _simulator(plan: Plan, port: int) -> list[str]:
    thinking = ["--brain", plan.brain, "--model-python", str(plan.model_python.absolute())]
    script = ["--script", str(plan.script.absolute())] if plan.script else []
    return _quarry("simulator", "--port", str(port), *thinking, *script)


def _routes(directory: Path, brain: str) -> str:
    """Write the routes; returns where. Jobs may also name the model that would serve without a file, as examples do."""
    models = {"default": MODELS[brain], "built-in": BUILT_IN_MODEL}
    target = '[routes.{}]\n[[routes.{}.targets]]\nprovider = "bedrock"\nregion = "{}"\nmodel = "{}"\n'
    path = directory / "routes.toml"
    path.write_text("\n".join(target.format(name, name, REGION, model) for name, model in models.items()), encoding="utf-8")
    return str(path.absolute())


def _environ(aws: str, simulator: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": simulator,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "QUARRY_ENVIRONMENT": "local",
        "QUARRY_WORKER__SLOTS": "20",
        # The emulator looks for messages each 0.1 s for each poll: more polls, sooner seen.
        "QUARRY_WORKER__RECEIVERS": "10",
        "QUARRY_WORKER__DRAIN_SECONDS": "5",
    }


def _emulator_environ(port: int, data: Path | None) -> dict[str, str]:
    # Two of its services listen on fixed ports, which a second emulator would fight for.
    fixed = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    kept: dict[str, str] = {}
    if data is not None:
        # Objects are written as they come, the rest when it ends in order (ministack 1.5.33: core/persistence.py, services/s3.py).
        state, objects = str((data / "aws").absolute()), str((data / "s3").absolute())
        kept = {"PERSIST_STATE": "1", "STATE_DIR": state, "S3_PERSIST": "1", "S3_DATA_DIR": objects}
    return {"GATEWAY_PORT": str(port), "BIND_HOST": HOST, "LOG_LEVEL": "WARNING"} | fixed | kept


def _inherited() -> dict[str, str]:
    """Our environment without what configures AWS, its emulator or Quarry, and without a proxy between the parts of the stack."""
    foreign = ("AWS_", "QUARRY_", "PERSIST_STATE", "S3_", "LOCALSTACK_", "MINISTACK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"NO_PROXY": HOST, "no_proxy": HOST}


@contextmanager
def _held(data: Path | None) -> Iterator[None]:
    """Nobody else uses these data meanwhile: the emulator writes all it has over what is there."""
    if data is None:
        yield
        return
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(f"--data: {data} is in use by another `quarry local`") from error
        yield
