"""The image of the function, run as Lambda runs it: no right, nothing to write to but `/tmp`, stopped between requests."""

import subprocess
from collections.abc import Iterator, Mapping
from os import environ

import httpx
import pytest

from tests.support.function import HANDLER, Environment
from tests.support.http_api import served_by
from tests.support.stack import Stack

pytestmark = pytest.mark.containers

IMAGE = f"quarry-producer-lambda:{environ.get('TAG', 'dev')}"


class Container:
    """A sandbox that is a container; it is stopped by the kernel's freezer, as a whole."""

    def __init__(self, runtime: str, env: Mapping[str, str]) -> None:
        variables = [f"--env={name}={value}" for name, value in {**env, "AWS_LAMBDA_RUNTIME_API": runtime}.items()]
        self._id = docker(
            "run", "--detach", "--label=quarry.tests=lambda", "--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", "--memory=512m", "--user=993:990", *variables, IMAGE,
        )  # fmt: skip

    def freeze(self) -> None:
        docker("pause", self._id)

    def thaw(self) -> None:
        docker("unpause", self._id)

    def kill(self) -> None:
        docker("rm", "--force", self._id)

    @property
    def output(self) -> str:
        return docker("logs", self._id)


def docker(*arguments: str) -> str:
    """What the engine's command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr.strip()}"
    return done.stdout.strip()


@pytest.fixture
def function(stack: Stack) -> Iterator[httpx.Client]:
    """The function's API; `stack` uses it."""
    stack.env["QUARRY_ROUTES_FILE"] = ""
    wanted = {name: value for name, value in stack.environ().items() if name.startswith(("AWS_", "QUARRY_")) and value}

    def start() -> Environment:
        return Environment(lambda runtime: Container(runtime, wanted))

    with served_by(start) as api, httpx.Client(base_url=api.url, timeout=40) as stack.api:
        print(f"\n  start of the function, in its container: {api.environments[0].start_seconds:.2f} s")  # noqa: T201 - a figure
        yield stack.api


def test_the_image_serves_requests(stack: Stack, function: httpx.Client) -> None:
    """As a user of Lambda's choice, who has no rights at all; and a worker does the job."""
    request_id = stack.submit(prompt="Hi")
    again = function.post("/v1/jobs", json={"prompt": ""})
    assert (again.status_code, again.json()["errors"][0]["path"]) == (422, "prompt")
    with stack.running_worker(QUARRY_ROUTES_FILE=stack.routes()):
        job = function.get(f"/v1/jobs/{request_id}", params={"wait_seconds": 20}).json()
    assert (job["status"], job["result"]["text"]) == ("completed", "Hi")


def test_the_handler_is_the_images(function: httpx.Client) -> None:
    """The image names it itself: a function needs no configuration of its own."""
    assert docker("inspect", "--format={{.Config.Cmd}}", IMAGE) == f"[{HANDLER}]"
    assert function.get("/livez").json() == {"status": "alive"}
