"""`terraform/examples/complete`, applied once for all tests of this folder to an emulated AWS of its own."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.autoscaling import Registry, application_auto_scaling
from tests.support.containers import Container, Engine, image
from tests.support.emulated_ecs import SIMULATOR_URL, EmulatedECS, emulated_ecs
from tests.support.figures import written
from tests.support.inventory import Inventory, inventory
from tests.support.keys import created, with_key
from tests.support.processes import ROOT, eventually
from tests.support.stack import Stack
from tests.support.terraform import Root

WORKERS: Final = 2


@dataclass(frozen=True)
class Deployed:
    """What was applied, and what a test needs of it."""

    aws: EmulatedECS
    root: Root
    variables: dict[str, Any]
    outputs: dict[str, Any]
    registry: Registry
    #: What there was before, and after the apply.
    before: Inventory
    after: Inventory
    #: Jobs go through its load balancer, with a key.
    stack: Stack
    figures: dict[str, str] = field(default_factory=dict)

    def workers(self) -> dict[str, Container]:
        """The containers of the worker's service, by their ids."""
        return self.aws.tasks(self.outputs["quarry"]["worker_service_name"])

    def worker_service(self) -> dict[str, Any]:
        """The worker's service, as ECS describes it."""
        answer = self.aws.client("ecs").describe_services(
            cluster=self.outputs["quarry"]["cluster_name"], services=[self.outputs["quarry"]["worker_service_name"]]
        )
        [service] = answer["services"]
        described: dict[str, Any] = service
        return described


@dataclass(frozen=True)
class Emulated:
    """An emulated AWS that Terraform is pointed at, with an Application Auto Scaling of ours."""

    aws: EmulatedECS
    registry: Registry
    #: Variables of Terraform's environment.
    endpoints: dict[str, str]

    def root(self, directory: Path, example: str, given: Path | None = None) -> Root:
        """A copy of `terraform/`, with the root that is to be applied; of a root that is not in there, `given` is the folder."""
        made = Root(ROOT / "terraform", example, directory / "terraform", self.endpoints)
        if given is not None:
            shutil.copytree(given, made.directory)
        made.init()
        return made


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """One for all files of a run; what a failure leaves goes with it."""
    directory = tmp_path_factory.mktemp("emulated")
    with closing(Engine()) as engine, emulated_ecs(engine, directory) as aws, application_auto_scaling() as (registry, url):
        yield Emulated(aws, registry, {"AWS_ENDPOINT_URL": aws.url, "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": url})


@pytest.fixture(scope="session")
def deployed(emulated: Emulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """It is destroyed by the last test of its file."""
    directory = tmp_path_factory.mktemp("terraform")
    aws, registry = emulated.aws, emulated.registry
    before = inventory(aws)
    root = emulated.root(directory, "examples/complete")
    variables = _variables()
    root.apply(**variables)
    outputs = root.outputs()
    stack = Stack(
        aws.url, directory, name=outputs["operator_environment"]["QUARRY_QUEUE__NAME"], env=outputs["operator_environment"]
    )
    # By the name of the load balancer, as callers ask it, and at the emulator's address, since no DNS knows the name.
    host = outputs["quarry"]["api_dns_name"]
    with httpx.Client(base_url=aws.url, headers={"Host": host}, timeout=40, transport=_OfTasksThatListen()) as client:
        eventually(lambda: client.get("/readyz").status_code == 200, seconds=180, what=lambda: _silence(client, aws))
        client.headers.update(with_key(created(stack, "--tenant", "acme", "--name", "test")))
        stack.api = client
        made = Deployed(aws, root, variables, outputs, registry, before, inventory(aws), stack)
        made.figures.update(_figures(root))
        yield made
    written("TERRAFORM_FIGURES", made.figures, "make test-terraform TERRAFORM_FIGURES=docs/reference/terraform.json")


class _OfTasksThatListen(httpx.HTTPTransport):
    """What AWS's load balancer does by its health checks: the emulator's also asks tasks that do not listen yet, or no longer."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The first answer of a task. One that could not be connected to got nothing of the request."""

        def answered() -> httpx.Response | None:
            answer = super(_OfTasksThatListen, self).handle_request(request)
            return None if b"connect error" in answer.read() else answer

        return eventually(answered, seconds=60, what="a task that listens")


def _silence(client: httpx.Client, aws: EmulatedECS) -> str:
    """What is said instead of 200."""
    said = [f"{task.made.name}: {task.output[-1000:]}" for task in aws.tasks().values()]
    return "\n".join([f"the API to be ready behind its load balancer, which says {client.get('/readyz').text}", *said])


def _figures(root: Root) -> dict[str, str]:
    """What is known after the apply."""
    return {"Terraform": root.version(), "apply": f"{root.seconds['apply']:.0f} s", "resources": str(len(root.resources()))}


def _variables() -> dict[str, Any]:
    """What the example is told. Options that are off are those that the emulator cannot have: docs/reference/infrastructure.md."""
    given: dict[str, Any] = json.loads((Path(__file__).parent / "emulator.tfvars.json").read_text())
    return given | {
        "worker_image": image("worker"),
        "producer_image": image("producer"),
        "worker_settings": {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": SIMULATOR_URL},
        "min_tasks": WORKERS,
    }
