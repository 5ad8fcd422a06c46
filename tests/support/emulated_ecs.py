"""An emulated AWS whose ECS starts real containers: the emulator is in a container too, on the network of its tasks.

Its address there is that of the ECS agent, 169.254.170.2: an SDK takes a task's credentials from there, and from few other hosts
(`ContainerMetadataFetcher` in botocore 1.43.117, November 2026), so that images run as they are.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from tests.support import engine
from tests.support.processes import START_SECONDS, answers, eventually
from tests.support.simulator import Simulator

REGION: Final = "us-east-1"
SUBNET: Final = "169.254.170.0/24"
ADDRESS: Final = "169.254.170.2"
PORT: Final = 4566
#: Where its tasks find the Bedrock simulator.
SIMULATOR_URL: Final = "http://simulator:4567"
_SOCKET: Final = "/var/run/docker.sock"


@dataclass(frozen=True)
class EmulatedECS:
    """The emulator and the Bedrock simulator, as a test reaches them from outside."""

    name: str
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

    def tasks(self, family: str | None = None) -> list[str]:
        """The running containers of a task definition, or of all."""
        meant = [f"com.amazonaws.ecs.task-definition-family={family}"] if family else []
        found = engine.labelled("container", *_labels(self.name), *meant)
        running = engine.docker("container", "ls", "--quiet", "--no-trunc").split()
        return [each for each in found if each in running]


def _labels(name: str) -> tuple[str, str]:
    """What all containers have that this emulator's ECS has started, and nobody else's."""
    return "ministack=ecs", f"ministack.instance={name}:{PORT}"


@contextmanager
def emulated_ecs(directory: Path) -> Iterator[EmulatedECS]:
    """An emulator, and a simulator beside it; their logs are left in `directory`."""
    engine.sweep()
    name = f"quarry-aws-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        stack.enter_context(engine.network(name, SUBNET, given_out="169.254.170.128/25"))
        # Once the emulator is gone, and starts no more.
        stack.callback(engine.remove, *_labels(name))
        simulator_url = stack.enter_context(
            engine.container(
                f"{name}-simulator",
                engine.image("quarry-worker"),
                *("simulator", "--host", "0.0.0.0"),  # noqa: S104 - in its container
                port=4567,
                log=directory / "simulator.log",
                options=("--network", name, "--network-alias", "simulator"),
            )
        )
        url = stack.enter_context(
            engine.container(
                name,
                engine.image("quarry-aws-emulator"),
                port=PORT,
                log=directory / "ministack.log",
                options=("--network", name, "--ip", ADDRESS, "--user", "root", "--volume", f"{_SOCKET}:{_SOCKET}"),
                # By the one it finds itself, and by the other it labels what it starts.
                HOSTNAME=name,
                MINISTACK_HOSTNAME=name,
                MINISTACK_HOST=ADDRESS,
                GATEWAY_PORT=str(PORT),
            )
        )
        for each in (f"{url}/_ministack/health", f"{simulator_url}/livez"):
            eventually(lambda each=each: answers(each), seconds=START_SECONDS, what=f"{each} to answer")  # type: ignore[misc]
        yield EmulatedECS(name, url, stack.enter_context(closing(Simulator(simulator_url))))
