"""The audit log: whole lines at the end of a file, whatever happens to the file; floods are folded; nothing is stopped by it."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import ConfigurationError
from quarry.settings import AuditSettings, Environment, Settings
from quarry.telemetry.acts import Act
from quarry.telemetry.audit import REFUSALS_PER_SECOND, AuditFile, AuditLog, Who, audit_log
from quarry.telemetry.logs import SECRET_FIELDS
from quarry.telemetry.metrics import ProducerMetrics
from quarry.testing import FakeClock

ALICE = Who("acme", "alice", "api_key")


class Trail:
    """An audit log on a file, and what is in it."""

    def __init__(self, path: Path, *, strict: bool = False) -> None:
        self.path = path
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        counted = ProducerMetrics(self.registry).audit_records
        self.file = AuditFile(str(path), self.clock.monotonic)
        self.log = AuditLog(self.file, self.clock, counted, strict=strict)

    def records(self, path: Path | None = None) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (path or self.path).read_text().splitlines()]

    def count(self, outcome: str) -> float:
        return self.registry.get_sample_value("quarry_audit_records_total", {"outcome": outcome}) or 0


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "audit.jsonl")


def test_a_record_says_who_did_what_when_and_whether_they_were_let(trail: Trail) -> None:
    """In one line of JSON with an id of its own."""
    trail.log.record(Act.JOB_CANCELLED, ALICE, client="192.0.2.7", request_id="x")
    [record] = trail.records()
    assert len(record.pop("id")) == 32
    assert record == {
        "audit": 1, "at": "2026-11-21T12:00:00.000Z", "act": "job.cancelled", "verdict": "allowed", "tenant": "acme",
        "subject": "alice", "scheme": "api_key", "client": "192.0.2.7", "request_id": "x",
    }  # fmt: skip
    assert record.keys() & SECRET_FIELDS == set()


def test_a_file_is_its_owners_and_is_only_added_to(tmp_path: Path) -> None:
    """Another process's lines stay; a process that this one starts does not inherit it."""
    path = tmp_path / "audit.jsonl"
    one, other = Trail(path), Trail(path)
    for each in (one, other, one):
        each.log.record(Act.JOB_SUBMITTED, ALICE)
    assert len(one.records()) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not os.get_inheritable(one.file._fd)  # noqa: SLF001 - nothing else tells


async def test_a_file_that_was_moved_away_is_opened_anew(trail: Trail, tmp_path: Path) -> None:
    """Within a second; what comes before goes into the one that was moved, and no record is lost."""
    rotated = tmp_path / "audit.jsonl.1"
    await trail.clock.advance(1.0)
    trail.log.record(Act.JOB_SUBMITTED, ALICE, request_id="1")
    trail.path.rename(rotated)
    trail.log.record(Act.JOB_SUBMITTED, ALICE, request_id="2")
    await trail.clock.advance(1.0)
    trail.log.record(Act.JOB_SUBMITTED, ALICE, request_id="3")
    assert [each["request_id"] for each in trail.records(rotated)] == ["1", "2"]
    assert [each["request_id"] for each in trail.records()] == ["3"]


async def test_where_no_new_file_can_be_made_the_old_one_is_kept(trail: Trail, tmp_path: Path) -> None:
    """Its directory has become a file: what is open still takes records."""
    directory = tmp_path / "logs"
    directory.mkdir()
    moved = Trail(directory / "audit.jsonl")
    directory.rename(tmp_path / "elsewhere")
    directory.write_text("no directory")
    await moved.clock.advance(1.0)
    moved.log.record(Act.JOB_SUBMITTED, ALICE)
    assert len(moved.records(tmp_path / "elsewhere" / "audit.jsonl")) == 1


def test_a_failing_file_stops_nothing_and_is_counted(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: the caller is served. What was torn off does not spoil the next record."""
    write = os.write

    def half(fd: int, line: bytes) -> int:
        return write(fd, line[:20])

    def full(_fd: int, _line: bytes) -> int:
        raise OSError(28, "No space left on device")

    for broken in (half, full):
        monkeypatch.setattr(os, "write", broken)
        trail.log.record(Act.JOB_SUBMITTED, ALICE)
    monkeypatch.undo()
    trail.log.record(Act.JOB_SUBMITTED, ALICE, request_id="3")
    torn, whole = trail.path.read_text().splitlines()
    assert (len(torn), json.loads(whole)["request_id"]) == (20, "3")
    assert (trail.count("lost"), trail.count("written")) == (2, 1)


def test_a_strict_one_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For operators, who can see to it."""
    trail = Trail(tmp_path / "audit.jsonl", strict=True)
    monkeypatch.setattr(os, "write", lambda _fd, _line: 0)
    with pytest.raises(OSError, match="part"):
        trail.log.record(Act.KEY_CREATED, ALICE)


async def test_a_flood_of_refusals_is_folded(trail: Trail) -> None:
    """The first few of a second have a record each; the next tells how many had none, since when. So does the end."""
    for _ in range(REFUSALS_PER_SECOND + 90):
        trail.log.refused(Act.AUTHENTICATION_REFUSED, ALICE, client="192.0.2.7")
    trail.log.refused(Act.PERMISSION_REFUSED, ALICE)
    assert [each["act"] for each in trail.records()] == ["authentication.refused"] * REFUSALS_PER_SECOND + ["permission.refused"]
    await trail.clock.advance(1.0)
    trail.log.refused(Act.AUTHENTICATION_REFUSED, ALICE)
    trail.log.refused(Act.AUTHENTICATION_REFUSED, ALICE)
    *_, told, after = trail.records()
    assert (told["verdict"], told["folded"], told["folded_since"]) == ("refused", 90, "2026-11-21T12:00:00.000Z")
    assert "folded" not in after
    for _ in range(REFUSALS_PER_SECOND):
        trail.log.refused(Act.AUTHENTICATION_REFUSED, ALICE)
    trail.log.close()
    assert (trail.records()[-1]["folded"], trail.count("folded")) == (1, 92)


def test_whatever_a_token_says_makes_one_line_that_a_pipe_takes_whole(trail: Trail) -> None:
    """Line ends and what is no UTF-8 are escaped; what is long is cut."""
    for subject in ("a\nb", "\ud800", "x" * 100_000, "\U0001f600" * 1000):
        trail.log.record(Act.JOBS_SUBMITTED, Who("t" * 64, subject, "jwt"), client="f" * 39, count=500, first_request_id="0" * 32)
    lines = trail.path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    assert max(map(len, lines)) <= 4096


def test_where_it_goes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """To the file that is named, else to stderr; in `local`, without a file, nowhere. One that cannot be had stops the start."""

    def settings(environment: Environment, file: str | None) -> Settings:
        return Settings(environment=environment, region="us-east-1", audit=AuditSettings(file=file))

    for environment, file in ((Environment.LOCAL, None), (Environment.PRODUCTION, None), (Environment.LOCAL, f"{tmp_path}/a")):
        log = audit_log(settings(environment, file), FakeClock())
        log.record(Act.JOB_SUBMITTED, ALICE, request_id=environment.value)
        log.close()
    [line] = capfd.readouterr().err.splitlines()
    assert (json.loads(line)["audit"], json.loads(line)["request_id"]) == (1, "production")
    assert (tmp_path / "a").exists()
    with pytest.raises(ConfigurationError, match=r"QUARRY_AUDIT__FILE: .*/none/a cannot be written: No such file"):
        audit_log(settings(Environment.LOCAL, f"{tmp_path}/none/a"), FakeClock())
