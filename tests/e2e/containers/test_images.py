"""What is in the images, and what is not."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from tests.support.containers import BASE, MIB, TAG, Engine, image
from tests.support.processes import ROOT

pytestmark = pytest.mark.containers

#: Those that run in earnest. The emulator is for tests and laptops, and promises less.
SERVICES = ("producer", "worker")
ALL = (*SERVICES, "aws-emulator")
SIZE_MAX_MIB = 200
#: What compiles, installs or fetches.
TOOLS = (
    "pip",
    "pip3",
    "easy_install",
    "wheel",
    "uv",
    "cc",
    "gcc",
    "g++",
    "c++",
    "clang",
    "make",
    "ld",
    "as",
    "git",
    "curl",
    "wget",
)
#: Run inside: what can be imported and run, by the image's own Python and by the base's.
LOOK = f"""
import importlib.util, json, pathlib, shutil, subprocess, sys
names = ("pip", "setuptools", "wheel", "ensurepip", "pkg_resources")
asked = "import importlib.util; print([name for name in %r if importlib.util.find_spec(name)])" % (names,)
packages = pathlib.Path(next(path for path in sys.path if path.endswith("site-packages")))
print(json.dumps({{
    "tools": [name for name in {TOOLS} if shutil.which(name)],
    "modules": [name for name in names if importlib.util.find_spec(name)],
    "base": subprocess.run(["/usr/local/bin/python3", "-c", asked], capture_output=True, text=True).stdout.strip(),
    "archives": [str(path) for path in pathlib.Path("/usr").rglob("*.whl")],
    "not compiled": [str(path) for path in packages.rglob("*.py")
                     if not list((path.parent / "__pycache__").glob(path.stem + ".cpython-*.pyc"))],
    "set-uid": [str(path) for top in ("bin", "opt", "sbin", "usr") for path in pathlib.Path("/", top).resolve().rglob("*")
                if not path.is_symlink() and path.is_file() and path.stat().st_mode & 0o6000],
    "writable": [str(path) for path in pathlib.Path("/opt").rglob("*") if path.stat().st_mode & 0o022 and not path.is_symlink()],
}}))
"""
#: Run inside: which packages there are.
PACKAGES = """
import importlib.metadata, json, re
print(json.dumps({re.sub("[-_.]+", "-", each.name).lower(): each.version for each in importlib.metadata.distributions()}))
"""


def ran(engine: Engine, name: str, program: str) -> Any:
    """What a program prints inside an image, as JSON."""
    with engine.running(name, ["-c", program], entrypoint=["python"]) as container:
        assert container.ended() == 0, container.output
        return json.loads(container.output)


@pytest.mark.parametrize("name", ALL)
def test_size_over_the_base(engine: Engine, figures: dict[str, str], name: str) -> None:
    """At most 200 MiB more than the base that it is built on."""
    base, ours = engine.inspect(BASE), engine.inspect(image(name))
    layers = base["RootFS"]["Layers"]
    assert ours["RootFS"]["Layers"][: len(layers)] == layers, f"not built on {BASE} as it is here now: `make images`"
    over = (ours["Size"] - base["Size"]) / MIB
    figures[f"quarry-{name}: MiB over the base (at most {SIZE_MAX_MIB})"] = f"{over:.0f}"
    assert over <= SIZE_MAX_MIB


@pytest.mark.parametrize("name", ALL)
def test_it_says_what_it_is(engine: Engine, name: str) -> None:
    """The labels of the OCI image specification; a fixed user that is not root; a command that no shell stands between."""
    config = engine.inspect(image(name))["Config"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    [version] = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert labels["title"] == f"quarry-{name}"
    assert labels["version"] == version
    assert re.fullmatch(r"[0-9a-f]{40}(-changed)?", labels["revision"])
    assert labels["source"].startswith("https://")
    assert labels["licenses"] == "Apache-2.0"
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"][0] != "/bin/sh"
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "healthcheck"]
    assert {"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(config["Env"])


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_that_builds_is_inside(engine: Engine, name: str) -> None:
    """No installer, no compiler, nothing to fetch with or to get rights by, be it the base's; all is compiled, and root's own."""
    found = ran(engine, name, LOOK)
    assert found == {"tools": [], "modules": [], "base": "[]", "archives": [], "not compiled": [], "set-uid": [], "writable": []}


@pytest.mark.parametrize(("name", "lock"), [(name, "otel") for name in SERVICES] + [("aws-emulator", "aws-emulator")])
def test_it_has_what_is_locked_and_nothing_else(engine: Engine, name: str, lock: str) -> None:
    """Each package of the lock that this platform wants, in its version, and Quarry."""
    locked = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", (ROOT / "locks" / f"{lock}.txt").read_text(), re.MULTILINE))
    found = ran(engine, name, PACKAGES)
    ours = found.pop("bedrock-quarry", None)
    assert (ours is not None) == (name in SERVICES)
    assert {each: (version, locked.get(each)) for each, version in found.items() if locked.get(each) != version} == {}
    assert len(found) > 15


@pytest.mark.parametrize("name", ALL)
def test_no_secret_is_in_its_history(engine: Engine, name: str) -> None:
    """Neither a step nor a variable names one, and nothing of this machine's environment has got in."""
    steps = [str(step["CreatedBy"]) for step in engine.client.images.get(image(name)).history()]
    told = "\n".join([*steps, *engine.inspect(image(name))["Config"]["Env"]])
    assert re.findall(r"(?i)secret|password|token|credential|api_key|index-url|AKIA|BEGIN [A-Z ]*PRIVATE", told) == []


def test_only_what_git_tracks_can_get_in(engine: Engine) -> None:
    """The build's context is a list of what may be in it: a `.env`, a state file or a key that lies about is not."""
    tag = f"quarry-context:{TAG}"
    listing = f"FROM {BASE}\nCOPY . /context\n"
    builder = subprocess.run([ROOT / "docker/builder.sh"], capture_output=True, text=True, check=True).stdout.strip()
    command = [builder, "build", "--quiet", "--tag", tag, "--file", "-", str(ROOT)]
    subprocess.run(command, input=listing, text=True, check=True, capture_output=True, env=os.environ | {"DOCKER_BUILDKIT": "1"})
    program = "import json, pathlib; print(json.dumps([str(p)[9:] for p in pathlib.Path('/context').rglob('*') if p.is_file()]))"
    try:
        output = engine.client.containers.run(tag, ["python", "-c", program], remove=True, network_mode="none")
    finally:
        engine.client.images.remove(tag, force=True)
    sent = set(json.loads(output))
    known = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = set(subprocess.run(known, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    assert sent <= tracked
    assert {each.partition("/")[0] for each in sent} == {
        "LICENSE", "README.md", "docker", "locks", "producer", "pyproject.toml", "quarry", "worker",
    }  # fmt: skip
    assert {each for each in sent if each.startswith("docker/")} == {"docker/healthcheck.py"}
