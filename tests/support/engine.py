"""The container engine, through its command line: containers, networks and images of a test, found again by label."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.processes import free_port

#: What is a test's among everything that the engine has; its value is the process that made it.
OWNER: Final = "quarry.test.owner"
TAG: Final = os.environ.get("TAG", "dev")


class EngineMissing(AssertionError):
    """There is no container engine, or it refuses; the message says what to do."""


def docker(*arguments: str) -> str:
    """What the engine's command line prints.

    Raises:
        EngineMissing: it is not there, or refuses.
    """
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError as error:
        raise EngineMissing("a container engine is needed, and there is no `docker` on PATH; `make engine` says how") from error
    if done.returncode:
        raise EngineMissing(f"`docker {' '.join(arguments[:2])}`: {done.stderr.strip()}")
    return done.stdout.strip()


def image(name: str) -> str:
    """The built image of this name, with its tag."""
    found = f"{name}:{TAG}"
    if not docker("image", "ls", "--quiet", found):
        raise EngineMissing(f"there is no image {found}; `make images TAG={TAG}` builds it")
    return found


def written(container_name: str) -> str:
    """The last that a container wrote, to either stream."""
    done = subprocess.run(["docker", "logs", "--tail", "2000", container_name], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def labelled(kind: str, *labels: str) -> list[str]:
    """The ids of all `container`s or `network`s with all of these labels (`name` or `name=value`), stopped ones too."""
    filters = [part for label in labels for part in ("--filter", f"label={label}")]
    return docker(kind, "ls", "--quiet", "--no-trunc", *(["--all"] if kind == "container" else []), *filters).split()


def remove(*labels: str) -> None:
    """End and remove all containers with all of these labels."""
    if found := labelled("container", *labels):
        docker("container", "rm", "--force", "--volumes", *found)


def sweep() -> None:
    """Remove what the tests of a process that is no more have left behind."""
    for kind in ("container", "network"):
        for each in labelled(kind, OWNER):
            labels = ".Config.Labels" if kind == "container" else ".Labels"
            owner = docker(kind, "inspect", "--format", f'{{{{index {labels} "{OWNER}"}}}}', each)
            if not Path("/proc", owner).exists():
                docker(kind, "rm", *(["--force"] if kind == "container" else []), each)


@contextmanager
def network(name: str, subnet: str, given_out: str) -> Iterator[str]:
    """A network of this address range, for the length of the block; who asks for no address gets one of `given_out`."""
    docker("network", "create", "--label", f"{OWNER}={os.getpid()}", "--subnet", subnet, "--ip-range", given_out, name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


@contextmanager
def container(name: str, image_name: str, *command: str, port: int, log: Path, options: Sequence[str], **env: str) -> Iterator[str]:
    """A server in a container, for the length of the block: the URL of its `port` on this machine. What it wrote is left
    in `log`.
    """
    outside = free_port()
    labels = ("--label", f"{OWNER}={os.getpid()}", "--publish", f"127.0.0.1:{outside}:{port}")
    settings = [part for pair in env.items() for part in ("--env", "=".join(pair))]
    docker("container", "create", "--pull=never", "--name", name, *labels, *options, *settings, image_name, *command)
    try:
        docker("container", "start", name)
        yield f"http://127.0.0.1:{outside}"
    finally:
        log.write_text(written(name))
        docker("container", "rm", "--force", "--volumes", name)
