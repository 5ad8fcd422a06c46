"""The API does what its OpenAPI document says, whatever it is sent, and whoever sends it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes import ROOT, clean_environ, quarry
from tests.support.stack import Stack

CONFIG = """\
[generation]
deterministic = true
# Of each operation in each phase. More found no more.
max-examples = 10

[phases.stateful.generation]
max-examples = 4

[checks]
# The schema cannot say all: which models are served, what Converse takes as an object.
positive_data_acceptance.enabled = false
# A long-poll may last 30 s, and the machine may halt for a moment.
max_response_time = 60

[[operations]]
include-path = "/v1/jobs/bulk"
# Each job of a bulk submission is judged by itself, so that the whole is accepted.
checks.negative_data_rejection.enabled = false
"""


@pytest.fixture(scope="module")
def key(shared_stack: Stack) -> str:
    """A valid one."""
    command = quarry("keys", "create", "--tenant", "fuzzed")
    made = subprocess.run(command, env=shared_stack.environ(), check=True, capture_output=True, cwd=ROOT, text=True)
    return made.stdout.strip()


@pytest.fixture(scope="module")
def guarded(shared_stack: Stack) -> Iterator[httpx.Client]:
    """An API that asks who is calling, and a worker, so that jobs come to their ends."""
    with (
        shared_stack.running_worker(),
        shared_stack.running_api(QUARRY_ENVIRONMENT="production", QUARRY_API__AUTH="api_key") as api,
    ):
        yield api


def fuzz(api: httpx.Client, directory: Path, *options: str) -> str:
    """What Schemathesis says of an API, in which it finds nothing wrong."""
    config = directory / "schemathesis.toml"
    config.write_text(CONFIG)
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "--config-file", str(config), "run", str(api.base_url.join("/openapi.json")), "--no-color", *options]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=False, cwd=directory, timeout=200)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    return done.stdout


def test_a_tenant_meets_what_is_documented(guarded: httpx.Client, key: str, tmp_path: Path) -> None:
    """With a valid key: no 5xx, no status, type or field that is not in the document, nothing accepted that breaks it.

    Red when: `producer/routes/jobs.py`, after `async def list_(`: `problems(404, 503)` -> `problems(503)`
    """
    fuzz(guarded, tmp_path, "-H", f"Authorization: Bearer {key}")


@pytest.mark.parametrize("credential", [None, "wrong"])
def test_a_stranger_meets_what_is_documented(guarded: httpx.Client, credential: str | None, tmp_path: Path) -> None:
    """Without a key, and with a wrong one: 401, documented, and never anything else.

    Red when: `producer/documents.py`: `statuses = (*statuses, 401, 403)` -> `pass`
    """
    fuzz(guarded, tmp_path, *(("-H", f"Authorization: Bearer {credential}") if credential else ()))
