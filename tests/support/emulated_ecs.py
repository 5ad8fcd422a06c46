"""An emulated AWS whose ECS starts real containers: the emulator is in a container too, on the network of its tasks.

Its address there is that of the ECS agent, 169.254.170.2: an SDK takes a task's credentials from there, and from few other hosts
(`ContainerMetadataFetcher` in botocore 1.43.117, November 2026), so that images run as they are.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from tests.support.containers import LABEL, MIB, OFTEN, Container, Engine
from tests.support.simulator import Simulator
from tests.support.stack import REGION

ADDRESS: Final = "169.254.170.2"
#: Around it; who asks for no address gets one of the second range.
_POOL: Final = {"subnet": "169.254.170.0/24", "iprange": "169.254.170.128/25"}
#: Where its tasks find the Bedrock simulator.
SIMULATOR_URL: Final = "http://simulator:4567"
#: Label of its network, of which there can be but one: the process that made it.
_OWNER: Final = f"{LABEL}.owner"
#: They live for minutes, and each check starts Python.
_SELDOM: Final = {**OFTEN, "interval": 10 * 10**9}
_SOCKET: Final = "/var/run/docker.sock"


@dataclass(frozen=True)
class EmulatedECS:
    """The emulator and the Bedrock simulator, as a test reaches them from outside."""

    engine: Engine
    network: str
    url: str
    simulator: Simulator

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's
        )

    def tasks(self, family: str | None = None) -> dict[str, Container]:
        """The running containers of a task definition, or of all, by their ids."""
        label = "com.amazonaws.ecs.task-definition-family" + (f"={family}" if family else "")
        found = self.engine.client.containers.list(filters={"network": self.network, "label": label})
        return {str(each.id): Container(each) for each in found}


@contextmanager
def emulated_ecs(engine: Engine, directory: Path) -> Iterator[EmulatedECS]:
    """An emulator, and a simulator beside it; what they said is left in `directory`."""
    with ExitStack() as parts:
        network = parts.enter_context(_network(engine))
        simulated = parts.enter_context(
            engine.running(
                "worker", ["simulator", "--host", "0.0.0.0"], network=network, alias="simulator", ports=[4567],  # noqa: S104 - inside
                healthcheck={**_SELDOM, "test": ["CMD", "healthcheck", "http://127.0.0.1:4567/livez"]},
            )
        )  # fmt: skip
        emulator = parts.enter_context(
            engine.running(
                "aws-emulator", network=network, ports=[4566], environment={"MINISTACK_HOST": ADDRESS},
                networking_config={network: engine.client.api.create_endpoint_config(ipv4_address=ADDRESS)},
                # It starts containers of its own, and watches each.
                user="root", healthcheck=_SELDOM, volumes=[f"{_SOCKET}:{_SOCKET}"],
                mem_limit=2048 * MIB, memswap_limit=2048 * MIB, pids_limit=1024,
            )
        )  # fmt: skip
        for name, each in (("simulator", simulated), ("ministack", emulator)):
            each.await_healthy()
            parts.callback(lambda path, each: path.write_text(each.output), directory / f"{name}.log", each)
        with closing(Simulator(simulated.url(4567))) as simulator:
            yield EmulatedECS(engine, network, emulator.url(4566), simulator)


@contextmanager
def _network(engine: Engine) -> Iterator[str]:
    """The network with the agent's address. What is on it goes with it: only the emulator starts something there."""
    networks = engine.client.networks
    for left in networks.list(filters={"label": _OWNER}):
        if not Path("/proc", left.attrs["Labels"][_OWNER]).exists():
            _remove(engine, left)
    ours = {LABEL: "", _OWNER: str(os.getpid())}
    try:
        made = networks.create(f"quarry-ecs-{secrets.token_hex(4)}", labels=ours, ipam=IPAMConfig(pool_configs=[IPAMPool(**_POOL)]))
    except APIError as error:
        raise AssertionError(
            f"no network with the address {ADDRESS} can be made; another one has it? {error.explanation}"
        ) from error
    try:
        yield str(made.name)
    finally:
        _remove(engine, made)


def _remove(engine: Engine, network: Any) -> None:
    for each in engine.client.containers.list(all=True, filters={"network": network.name}):
        each.remove(force=True, v=True)
    network.remove()
