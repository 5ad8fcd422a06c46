"""A measurement's record: what was counted, where, when, of which commit, with which seed. One JSON file a scenario."""

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.peers.systems import PYTHON
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "docs" / "reference" / "bench"
#: Those whose versions say what was measured.
PACKAGES: Final = ("celery", "kombu", "gevent", "taskiq", "taskiq-aio-sqs", "litellm", "boto3", "botocore", "aiobotocore")
_COMMIT: Final = re.compile(r"(?:\S+-g)?[0-9a-f]{7,40}")

Record = dict[str, Any]


def header(seed: int, command: str) -> Record:
    """Everything but the runs."""
    return {
        "seed": seed,
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "command": command,
        "machine": {
            "cores": os.cpu_count(),
            "cpu": _cpu_model(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load_before": round(os.getloadavg()[0], 2),
        },
        "packages": _packages(),
    }


def commit() -> str:
    """What is checked out; ends in `-dirty` where files differ from it. Untracked files count too."""
    describe = ["git", "describe", "--always", "--long", "--abbrev=10"]
    status = ["git", "status", "--porcelain"]
    name, changed = (
        subprocess.run(each, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours
        for each in (describe, status)
    )
    return f"{name}-dirty" if changed else name


def faults(record: Mapping[str, Any]) -> list[str]:
    """Why a record may not be shown; nothing where it may. Pure."""
    found = [f"no {name}" for name in ("seed", "commit", "date", "command", "machine", "packages", "runs") if name not in record]
    if isinstance(record.get("commit"), str) and not _COMMIT.fullmatch(record["commit"]):
        found.append(f"{record['commit']} is no commit")
    found += [f"no {name} of the machine" for name in ("cores", "cpu", "python", "load_before") if not _has(record, name)]
    if not isinstance(record.get("seed", 0), int):
        found.append("the seed is no number")
    return found


def _has(record: Mapping[str, Any], name: str) -> bool:
    return record.get("machine", {}).get(name) is not None


def write(name: str, record: Record) -> Path:
    """Write a scenario's record."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    head = json.dumps({key: value for key, value in record.items() if key != "runs"}, indent=2)
    runs = ",\n    ".join(json.dumps(run) for run in record["runs"])
    path.write_text(f'{head.removesuffix("}").rstrip()},\n  "runs": [\n    {runs}\n  ]\n}}\n')
    return path


def read(folder: Path = FOLDER) -> dict[str, Record]:
    """The records there are, by scenario."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def digest(folder: Path = FOLDER) -> str:
    """Of all records: a plot that was drawn from them carries it."""
    whole = b"".join(path.read_bytes() for path in sorted(folder.glob("*.json")))
    return hashlib.sha256(whole).hexdigest()


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _packages() -> dict[str, str]:
    ask = "import sys; from importlib.metadata import version; print(*(version(name) for name in sys.argv[1:]))"
    told = subprocess.run([str(PYTHON), "-c", ask, *PACKAGES], check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours
    return dict(zip(PACKAGES, told.split(), strict=True))
