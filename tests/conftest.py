"""Shared fixtures: an emulated AWS over HTTP, and a Quarry of one's own on it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, clean_environ, free_port, quarry, serving
from tests.support.stack import Stack

#: The emulator lives in an environment of its own: it pins another botocore.
EMULATOR_PYTHON = os.environ.get("QUARRY_EMULATOR_PYTHON", str(ROOT / ".venv-aws" / "bin" / "python"))


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated AWS of this test run."""
    port = free_port()
    env = clean_environ(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING")
    log = tmp_path_factory.mktemp("ministack") / "ministack.log"
    url = f"http://127.0.0.1:{port}"
    with serving([EMULATOR_PYTHON, "-m", "ministack"], env, log, f"{url}/_ministack/health"):
        yield url


@pytest.fixture
def stack(aws_url: str, tmp_path: Path) -> Stack:
    """A provisioned Quarry with names of its own; nothing runs yet."""
    made = Stack(aws_url, tmp_path)
    subprocess.run(quarry("provision"), env=made.environ(), check=True, capture_output=True, cwd=ROOT)
    return made
