"""The audit of what is locked: vulnerable, sound and unanswered are told apart; and there is nothing in a lock that has no hash."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT

LOCKS = sorted((ROOT / "locks").glob("*.txt"))
FIX = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": ["CVE-2026-1"], "description": "…"}
SOUND = {"name": "a", "version": "1.0", "vulns": []}
VULNERABLE = {"name": "b", "version": "1.0", "vulns": [FIX]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1.0)"}
#: What pip-audit says without a network.
AWAY = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev', port=443): Failed to resolve 'api.osv.dev'"


def audited(tmp_path: Path, *answers: dict[str, Any] | str) -> subprocess.CompletedProcess[str]:
    """The audit, with a pip-audit that answers so each time it is asked, and the last of them for ever."""
    program, asked = tmp_path / "pip-audit", tmp_path / "asked"
    program.write_text(f"""#!{sys.executable}
import json, pathlib, sys
asked = pathlib.Path({str(asked)!r})
before = asked.read_text().splitlines() if asked.exists() else []
asked.write_text("\\n".join([*before, " ".join(sys.argv[1:])]) + "\\n")
answers = json.loads({json.dumps(answers)!r})
answer = answers[min(len(before), len(answers) - 1)]
if isinstance(answer, str):
    sys.exit(answer)
pathlib.Path(sys.argv[sys.argv.index("--output") + 1]).write_text(json.dumps(answer))
sys.exit(any(each.get("vulns") for each in answer["dependencies"]))
""")
    program.chmod(0o755)
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def report(*packages: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(packages), "fixes": []}


def asked_of(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def test_every_lock_is_asked_about_by_its_hashes(tmp_path: Path) -> None:
    """Nothing is installed for it, and nothing is resolved."""
    done = audited(tmp_path, report(SOUND))
    assert (done.returncode, done.stdout) == (0, "1 locked packages asked about at pypi, 0 of them vulnerable\n")
    asked = asked_of(tmp_path)
    assert [re.search(r"--requirement (\S+)", line)[1] for line in asked] == [str(each) for each in LOCKS]  # type: ignore[index]
    assert all("--disable-pip --require-hashes" in line for line in asked)


def test_what_is_vulnerable_is_told_and_fails(tmp_path: Path) -> None:
    """With the locks it is in, and the version that mends it. One that the database does not know is named."""
    done = audited(tmp_path, report(SOUND, UNKNOWN), report(VULNERABLE, SOUND), report(SOUND))
    assert done.returncode == 1
    assert done.stdout == (
        f"b 1.0 ({LOCKS[1].name}): PYSEC-2026-1 CVE-2026-1; mended in 2.0\n"
        "2 locked packages asked about at pypi, 1 of them vulnerable\n"
        "not known there: c\n"
    )


@pytest.mark.parametrize("away", [AWAY, report(UNKNOWN)], ids=["no network", "an index without a database"])
def test_without_a_database_it_says_so_and_fails_nothing(tmp_path: Path, away: Any) -> None:
    """In one sentence, after each was asked once."""
    done = audited(tmp_path, away)
    assert (done.returncode, done.stderr) == (0, "")
    [sentence] = done.stdout.splitlines()
    assert sentence.startswith("NOT RUN: no database of vulnerabilities answered (pypi: ")
    assert [re.search(r"service (\S+)", line)[1] for line in asked_of(tmp_path)] == ["pypi", "osv"]  # type: ignore[index]


def test_where_one_database_is_away_another_is_asked(tmp_path: Path) -> None:
    """A vulnerable package is found by it."""
    assert audited(tmp_path, AWAY, report(VULNERABLE)).returncode == 1


def test_an_audit_that_fails_by_itself_is_no_outage(tmp_path: Path) -> None:
    """A lock that it cannot read, say."""
    done = audited(tmp_path, "ERROR:pip_audit._cli:requirement a is missing a hash")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is missing a hash" in done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_everything_locked_has_a_hash(lock: Path) -> None:
    """One version each, by name from the index: no URL, no path, no option."""
    text = re.sub(r"^ *#.*\n?", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines
    wrong = [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._\[\],-]+==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", line)
    ]
    assert wrong == []


def test_everything_is_installed_by_hash() -> None:
    """Wherever a lock is installed."""
    installing = [
        (path.name, line)
        for path in (ROOT / "Makefile", *(ROOT / "docker").glob("*.Dockerfile"), *(ROOT / ".ci").iterdir())
        for line in path.read_text().splitlines()
        if re.search(r"pip install.*-r ", line)
    ]
    assert len(installing) > 5
    assert [each for each in installing if "--require-hashes" not in each[1]] == []
