"""The records of the bench beside peers: one JSON file a scenario, with the packages' versions."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench import record
from bench.peers.systems import PYTHON
from bench.record import Record
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "docs" / "reference" / "bench"
#: Those whose versions say what was measured.
PACKAGES: Final = ("celery", "kombu", "gevent", "taskiq", "taskiq-aio-sqs", "litellm", "boto3", "botocore", "aiobotocore")


def header(seed: int, command: str) -> Record:
    """Everything but the runs."""
    return record.header(seed, command) | {"packages": _packages()}


def faults(each: Mapping[str, Any]) -> list[str]:
    """Why a record may not be shown; nothing where it may. Pure."""
    return [*record.faults(each), *(f"no {name}" for name in ("packages", "runs") if name not in each)]


def write(name: str, made: Record) -> Path:
    """Write a scenario's record."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    head = json.dumps({key: value for key, value in made.items() if key != "runs"}, indent=2)
    runs = ",\n    ".join(json.dumps(run) for run in made["runs"])
    path.write_text(f'{head.removesuffix("}").rstrip()},\n  "runs": [\n    {runs}\n  ]\n}}\n')
    return path


def read(folder: Path = FOLDER) -> dict[str, Record]:
    """The records there are, by scenario."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def digest(folder: Path = FOLDER) -> str:
    """Of all records: a plot that was drawn from them carries it."""
    whole = b"".join(path.read_bytes() for path in sorted(folder.glob("*.json")))
    return hashlib.sha256(whole).hexdigest()


def _packages() -> dict[str, str]:
    ask = "import sys; from importlib.metadata import version; print(*(version(name) for name in sys.argv[1:]))"
    told = subprocess.run([str(PYTHON), "-c", ask, *PACKAGES], check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours
    return dict(zip(PACKAGES, told.split(), strict=True))
