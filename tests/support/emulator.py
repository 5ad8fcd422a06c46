"""The emulated AWS: a process of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import ROOT, clean_environ, free_port, serving

#: It lives in an environment of its own: it pins another botocore.
EMULATOR_PYTHON = os.environ.get("QUARRY_EMULATOR_PYTHON", str(ROOT / ".venv-aws" / "bin" / "python"))


@contextmanager
def emulated_aws(directory: Path, **settings: str) -> Iterator[str]:
    """Its URL; its log is in `directory`. `settings` are variables of its own, such as `AUTH`."""
    port = free_port()
    env = clean_environ(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING")
    env |= settings
    url = f"http://127.0.0.1:{port}"
    with serving([EMULATOR_PYTHON, "-m", "ministack"], env, directory / "ministack.log", f"{url}/_ministack/health"):
        yield url
