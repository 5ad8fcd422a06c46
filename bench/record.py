"""A record of figures: what was measured, where, when, of which commit, with which seed. Pages are written from records only."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.support.processes import ROOT

_COMMIT: Final = re.compile(r"(?:\S+-g)?[0-9a-f]{7,40}")

Record = dict[str, Any]


def header(seed: int, command: str) -> Record:
    """Everything but the figures."""
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
    }


def commit() -> str:
    """What is checked out; ends in `-dirty` where files differ from it. Untracked files count too, other records do not."""
    describe = ["git", "describe", "--always", "--long", "--abbrev=10"]
    status = ["git", "status", "--porcelain", "--", ".", ":!docs/reference"]
    name, changed = (
        subprocess.run(each, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours
        for each in (describe, status)
    )
    return f"{name}-dirty" if changed else name


def faults(record: Mapping[str, Any]) -> list[str]:
    """Why a record may not be shown; nothing where it may. Pure."""
    found = [f"no {name}" for name in ("seed", "commit", "date", "command", "machine") if name not in record]
    if isinstance(record.get("commit"), str) and not _COMMIT.fullmatch(record["commit"]):
        found.append(f"{record['commit']} is no commit")
    found += [f"no {name} of the machine" for name in ("cores", "cpu", "python", "load_before") if not _has(record, name)]
    if not isinstance(record.get("seed", 0), int):
        found.append("the seed is no number")
    return found


def _has(record: Mapping[str, Any], name: str) -> bool:
    return record.get("machine", {}).get(name) is not None


def where(record: Mapping[str, Any]) -> str:
    """The head of a record as a sentence's part."""
    machine = record["machine"]
    told = f"{machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, load before {machine['load_before']:g}"
    return f"{record['date']} UTC, commit `{record['commit']}`, seed {record['seed']}, {told}"


def write(path: Path, head: Record, figures: object) -> None:
    """Write a record of one file."""
    path.write_text(json.dumps(head | {"figures": figures}, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Record:
    """Read one."""
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    return record


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
