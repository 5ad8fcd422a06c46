#!/usr/bin/env python3
"""Ask a database of vulnerabilities about every locked package: `.ci/audit.py PIP_AUDIT [OPTION …]`, such as `--ignore-vuln ID`.

Exit codes: 0, none is known to be vulnerable, or no database answered, which it says in a sentence that begins with `NOT RUN`;
1, some are; 2, they could not be asked about for another reason. What is installed is not looked at: the locks are what is shipped.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

LOCKS: Final = sorted((Path(__file__).resolve().parents[1] / "locks").glob("*.txt"))
#: PyPI's own, and Google's, which has the same advisories.
DATABASES: Final = ("pypi", "osv")
#: Of what pip-audit says where nobody answers. Read off pip-audit 2.10.1 and requests without a network (November 2026).
_NOBODY: Final = re.compile(
    r"Connection ?Error|Could not connect|Failed to resolve|Timeout|timed out|ProxyError|\b5\d\d Server Error"
)
_SECONDS: Final = "15"


class Unanswered(Exception):
    """No database is there; the message says how that showed."""


class Failed(Exception):
    """pip-audit came to nothing, for a reason of its own."""


def main(command: str, *options: str) -> int:
    """Ask the databases in turn, until one answers."""
    reasons = []
    for database in DATABASES:
        try:
            found = [(lock.name, asked(command, lock, database, options)) for lock in LOCKS]
        except Unanswered as error:
            reasons.append(f"{database}: {error}")
        except Failed as error:
            print(f"the audit failed: {error}", file=sys.stderr)
            return 2
        else:
            return told(database, found)
    print(f"NOT RUN: no database of vulnerabilities answered ({'; '.join(reasons)})")
    return 0


def asked(command: str, lock: Path, database: str, options: tuple[str, ...]) -> list[dict[str, Any]]:
    """What the database says of each package of a lock.

    Raises:
        Unanswered: nobody is there, or somebody who knows not one of them.
        Failed: it did not come to that.
    """
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        asking = [
            command, "--vulnerability-service", database, "--disable-pip", "--require-hashes", "--requirement", str(lock),
            "--format", "json", "--output", str(report), "--timeout", _SECONDS, "--progress-spinner", "off", *options,
        ]  # fmt: skip
        done = subprocess.run(asking, capture_output=True, text=True, check=False)
        if not report.exists():
            *_, last = done.stderr.strip().splitlines() or [f"exit {done.returncode} without a word"]
            raise (Unanswered if _NOBODY.search(done.stderr) else Failed)(f"{lock.name}: {last[:300]}")
        packages: list[dict[str, Any]] = json.loads(report.read_text())["dependencies"]
    if packages and all("skip_reason" in each for each in packages):
        raise Unanswered(f"it knows none of the {len(packages)} packages of {lock.name}")
    return packages


def told(database: str, found: list[tuple[str, list[dict[str, Any]]]]) -> int:
    """Say what is vulnerable, and what nobody knows; returns the exit code."""
    known = {(each["name"], each["version"]): each["vulns"] for _, packages in found for each in packages if "vulns" in each}
    unknown = {each["name"] for _, packages in found for each in packages if "skip_reason" in each}
    for (name, version), vulnerabilities in sorted(known.items()):
        locks = ", ".join(
            lock for lock, packages in found if any(each["name"] == name and each.get("version") == version for each in packages)
        )
        for each in vulnerabilities:
            mended = ", ".join(each["fix_versions"]) or "nothing yet"
            print(f"{name} {version} ({locks}): {each['id']} {' '.join(each['aliases'])}; mended in {mended}")
    print(f"{len(known)} locked packages asked about at {database}, {sum(map(bool, known.values()))} of them vulnerable")
    if unknown:
        print(f"not known there: {', '.join(sorted(unknown))}")
    return 1 if any(known.values()) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
