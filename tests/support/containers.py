"""Containers of our images, hardened as ECS runs them, on emulated AWS: started for a test, and gone with it."""

import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from docker.client import DockerClient
from docker.errors import DockerException, ImageNotFound

from tests.support.judge import Account, all_jobs, repeats_in_logs
from tests.support.processes import ROOT, eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack, provisioned

#: Of the images that `make images` has built.
TAG: Final = os.environ.get("TAG", "dev")
#: The base that they are built on.
BASE: Final = (
    os.environ.get("BASE") or re.findall(r"^ARG BASE=(.+)$", (ROOT / "docker/worker.Dockerfile").read_text(), re.MULTILINE)[0]
)
MIB: Final = 2**20
#: What the task definition asks of ECS, as the engine's own options. Its `initProcessEnabled` is `init`.
HARDENED: Final[Mapping[str, Any]] = {
    "read_only": True,
    "tmpfs": {"/tmp": "rw,nosuid,nodev,noexec"},  # noqa: S108 - the container's own
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "init": True,
    "mem_limit": 1024 * MIB,
    "memswap_limit": 1024 * MIB,
    "nano_cpus": 10**9,
    "pids_limit": 128,
}
#: Often enough for a test to see it soon.
OFTEN: Final = {"interval": 2 * 10**9, "timeout": 10 * 10**9, "retries": 2, "start_period": 60 * 10**9}
#: So that whatever a crash leaves can be told from others'.
LABEL: Final = "quarry.tests"


def image(name: str) -> str:
    """`worker` → the image that is tested."""
    return f"quarry-{name}:{TAG}"


class Container:
    """A container of one test."""

    def __init__(self, made: Any) -> None:
        self.made = made
        self._said: str | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What the engine says of it now: `Status`, `ExitCode`, `OOMKilled`, `Health`."""
        self.made.reload()
        state: dict[str, Any] = self.made.attrs["State"]
        return state

    @property
    def health(self) -> str:
        """`starting`, `healthy` or `unhealthy`."""
        return str(self.state["Health"]["Status"])

    @property
    def output(self) -> str:
        """Everything it has said, also when it is gone."""
        return str(self.made.logs().decode(errors="replace")) if self._said is None else self._said

    def said_since(self, at: float) -> str:
        """What it has said from then on, seconds since 1970."""
        return str(self.made.logs(since=at).decode(errors="replace"))

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def url(self, port: int) -> str:
        """Where a published port is reached from here."""
        self.made.reload()
        [bound] = self.made.attrs["NetworkSettings"]["Ports"][f"{port}/tcp"]
        return f"http://127.0.0.1:{bound['HostPort']}"

    def python(self, program: str) -> Any:
        """Run a program inside, as whoever the container runs as; returns what it prints, as JSON."""
        done = self.made.exec_run(["python", "-c", program])
        assert done.exit_code == 0, done.output.decode()
        return json.loads(done.output)

    def await_healthy(self) -> None:
        """Wait until its health check says so."""
        eventually(lambda: self.health == "healthy", seconds=120, what=lambda: f"health: {self.state}\n{self.output}")

    def ended(self, seconds: float = 120) -> int:
        """Wait for its end; returns the exit code."""
        return int(self.made.wait(timeout=seconds)["StatusCode"])

    def stop(self, seconds: int) -> tuple[int, float]:
        """As ECS does: SIGTERM, and SIGKILL after so many seconds. Returns the exit code, and how long it took."""
        started = time.monotonic()
        self.made.stop(timeout=seconds)
        took = time.monotonic() - started
        return int(self.state["ExitCode"]), took

    def remove(self) -> None:
        """End it, and keep nothing but what it has said."""
        self._said = self.output
        self.made.remove(force=True, v=True)


class Engine:
    """The container engine, and what this test run has started on it."""

    def __init__(self) -> None:
        try:
            self.client = DockerClient.from_env(timeout=180)
            self.client.ping()
        except DockerException as error:
            raise AssertionError("no container engine answers; `make engine` says what is missing") from error

    def close(self) -> None:
        """Let go of it; it runs on."""
        self.client.close()

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of an image."""
        try:
            return dict(self.client.images.get(name).attrs)
        except ImageNotFound as error:
            raise AssertionError(f"there is no image {name}; `make images TAG={TAG}` builds it") from error

    @contextmanager
    def network(self) -> Iterator[str]:
        """A network of one's own."""
        made = self.client.networks.create(f"quarry-tests-{secrets.token_hex(4)}", labels={LABEL: ""})
        try:
            yield str(made.name)
        finally:
            made.remove()

    @contextmanager
    def running(
        self, name: str, command: Sequence[str] | None = None, *, network: str = "none", alias: str | None = None,
        environment: Mapping[str, str] | None = None, ports: Sequence[int] = (), **options: Any,
    ) -> Iterator[Container]:  # fmt: skip
        """A hardened container of image `name` for the length of the block, known to its network as `alias`; `ports` are published
        on free ports of loopback, and `options` win over those of HARDENED.
        """
        self.inspect(image(name))
        made = self.client.containers.create(
            image(name), list(command) if command else None, environment=dict(environment or {}), labels=[LABEL],
            ports={f"{port}/tcp": ("127.0.0.1", None) for port in ports}, network=network,
            **({"networking_config": {network: self.client.api.create_endpoint_config(aliases=[alias])}} if alias else {}),
            **{**HARDENED, "healthcheck": OFTEN, **options},
        )  # fmt: skip
        container = Container(made)
        try:
            made.start()
            yield container
        finally:
            container.remove()


@dataclass
class Site:
    """Emulated AWS and a simulated Bedrock in containers, and a Quarry of one's own on them; its services are not started yet."""

    engine: Engine
    network: str
    stack: Stack
    simulator: Simulator
    workers: list[Container] = field(default_factory=list)

    def environment(self, **extra: str) -> dict[str, str]:
        """What a container of this site is told."""
        inside = {
            "AWS_ENDPOINT_URL": "http://ministack:4566",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://simulator:4567",
        }
        ours = {name: value for name, value in self.stack.environ().items() if name.startswith(("AWS_", "QUARRY_"))}
        # Each has a network of its own, so each may have the port that its image says.
        ours = {name: value for name, value in ours.items() if not name.endswith("__METRICS_PORT")}
        return ours | inside | extra

    @contextmanager
    def worker(self, options: Mapping[str, Any] | None = None, /, **environ: str) -> Iterator[Container]:
        """A worker that is healthy."""
        started = self.engine.running(
            "worker", network=self.network, environment=self.environment(**environ), ports=[9090], **(options or {})
        )
        with started as worker:
            self.workers.append(worker)
            worker.await_healthy()
            yield worker

    @contextmanager
    def producer(self) -> Iterator[Container]:
        """An API that is healthy, and that `stack` submits to."""
        started = self.engine.running("producer", network=self.network, environment=self.environment(), ports=[8000])
        with started as producer, ExitStack() as clients:
            producer.await_healthy()
            self.stack.api = clients.enter_context(httpx.Client(base_url=producer.url(8000), timeout=60))
            yield producer

    def account(self) -> Account:
        """What became of all jobs, and what the workers of this test said of them."""
        return account(self.stack, self.simulator, [each.output for each in self.workers])


def account(stack: Stack, simulator: Simulator, logs: Sequence[str]) -> Account:
    """Table, ledger and logs held against each other. What workers count dies with them, so their logs are asked instead."""
    calls = simulator.calls()
    billed = {request_id: entry["billed"] for request_id, entry in calls["by_request_id"].items()}
    said = repeats_in_logs(logs)
    return Account(jobs=all_jobs(stack), billed=billed, by_outcome=calls["by_outcome"], counted=said, logged=said)


@contextmanager
def site(engine: Engine, directory: Path) -> Iterator[Site]:
    """A site for the length of the block."""
    with ExitStack() as parts:
        network = parts.enter_context(engine.network())
        emulator = parts.enter_context(engine.running("aws-emulator", network=network, alias="ministack", ports=[4566]))
        simulated = parts.enter_context(
            engine.running(
                "worker", ["simulator", "--host", "0.0.0.0"], network=network, alias="simulator", ports=[4567],  # noqa: S104 - inside
                healthcheck={**OFTEN, "test": ["CMD", "healthcheck", "http://127.0.0.1:4567/livez"]},
            )
        )  # fmt: skip
        emulator.await_healthy()
        simulated.await_healthy()
        simulator = Simulator(simulated.url(4567))
        parts.callback(simulator.close)
        yield Site(engine, network, provisioned(emulator.url(4566), directory), simulator)
