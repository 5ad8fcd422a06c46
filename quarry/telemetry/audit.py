"""The audit log: who did what, from where, and whether they were let; apart from the log, which tells how the service fares.

One JSON object a line, each in one `write()` at the end of the file: whole lines, whoever else writes there. No content and no
credential is ever in it.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import Counter

from quarry.clock import Clock, to_rfc3339
from quarry.errors import ConfigurationError
from quarry.ids import new_request_id
from quarry.settings import Environment, Settings
from quarry.telemetry.acts import Act
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

#: Of the records; also what tells them from other lines, where they share a stream.
VERSION: Final = 1
#: Records of one refused act a second. Our own choice: enough to see a pattern, 3 kB a second of disk.
REFUSALS_PER_SECOND: Final = 10
#: A token may say what it likes of its bearer. With this bound a record stays below the 4,096 bytes (`select.PIPE_BUF` on Linux,
#: November 2026) that a pipe takes in one piece.
_TEXT_MAX: Final = 256
_FOLLOW_SECONDS: Final = 1.0
_STDERR: Final = 2
_as_json: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts: a tenant's caller, or an operator (`scheme` is `operator`), and then `tenant` is whose things are concerned."""

    tenant: str
    subject: str
    scheme: str


class AuditFile:
    """The end of a file, or of this process's stderr. A file that was moved away, to be rotated, is opened anew within a second."""

    def __init__(self, path: str | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Open it, or make it, readable for its owner only.

        Raises:
            ConfigurationError: it cannot be written.
        """
        self._path = path
        self._monotonic = monotonic
        self._torn = False
        try:
            self._fd = _STDERR if path is None else _opened(path)
        except OSError as error:
            raise ConfigurationError(f"QUARRY_AUDIT__FILE: {path} cannot be written: {error.strerror}") from error
        self._follow_at = monotonic() + _FOLLOW_SECONDS

    def write(self, line: bytes) -> None:
        """Append a line; not waiting for the disk.

        Raises:
            OSError: it is not there, or not whole; the next line begins on one of its own all the same.
        """
        if self._path is not None and self._monotonic() >= self._follow_at:
            self._follow(self._path)
        line = b"\n" + line if self._torn else line
        written = os.write(self._fd, line)
        self._torn = written < len(line)
        if self._torn:
            raise OSError("only a part of the record could be written")

    def close(self) -> None:
        """Nothing is written afterwards."""
        if self._fd != _STDERR:
            os.close(self._fd)

    def _follow(self, path: str) -> None:
        self._follow_at = self._monotonic() + _FOLLOW_SECONDS
        try:
            with suppress(FileNotFoundError):
                if os.path.samestat(Path(path).stat(), os.fstat(self._fd)):
                    return
            fresh = _opened(path)
        except OSError:
            return  # what is open takes records still
        self.close()
        self._fd, self._torn = fresh, False


class Fold:
    """Of what comes too often: which get a record, and how many did not since the last that did."""

    def __init__(self) -> None:
        self._second = -1
        self._left = 0
        self.count = 0
        self.since = ""

    def takes(self, monotonic: float) -> bool:
        """Whether this one gets a record."""
        second = int(monotonic)
        if second != self._second:
            self._second, self._left = second, REFUSALS_PER_SECOND
        self._left -= 1
        return self._left >= 0

    def fields(self) -> dict[str, Any]:
        """What the next record says of those without one."""
        if not self.count:
            return {}
        folded, self.count = self.count, 0
        return {"folded": folded, "folded_since": self.since}


class AuditLog:
    """Writes audit records; nowhere, where there is no file.

    A file that fails stops nothing (unless `strict`): the record follows the act, so that refusing would undo nothing, and one full
    disk would stop everybody's jobs. Each lost record is counted, and the first of a row is logged.
    """

    def __init__(self, file: AuditFile | None, clock: Clock, counted: Counter | None = None, *, strict: bool = False) -> None:
        self._file = file
        self._clock = clock
        self._strict = strict
        self._failing = False
        self._folds: dict[Act, Fold] = {}
        #: One look-up each, here and not for each record.
        self._outcomes = {name: counted.labels(name) for name in ("written", "folded", "lost")} if counted else None

    def record(self, act: Act, who: Who, *, verdict: str = "allowed", **fields: Any) -> None:
        """Write one.

        Raises:
            OSError: it could not be written, and this log is strict.
        """
        if self._file is None:
            return
        now = self._clock.now()
        whole = {
            "audit": VERSION,
            "id": new_request_id(now),
            "at": to_rfc3339(now),
            "act": act,
            "verdict": verdict,
            "tenant": who.tenant,
            "subject": who.subject[:_TEXT_MAX],
            "scheme": who.scheme,
            **fields,
        }
        try:
            self._file.write(f"{_as_json(whole)}\n".encode())
        except OSError as error:
            if self._strict:
                raise
            self._count("lost")
            if not self._failing:
                _log.error(Event.AUDIT_FAILED, error=str(error))
            self._failing = True
        else:
            self._count("written")
            self._failing = False

    def refused(self, act: Act, who: Who, **fields: Any) -> None:
        """Write that somebody was not let; of many in a second, the first few, and how many followed."""
        if self._file is None:
            return
        fold = self._folds.get(act) or self._folds.setdefault(act, Fold())
        if fold.takes(self._clock.monotonic()):
            self.record(act, who, verdict="refused", **fields, **fold.fields())
            return
        if not fold.count:
            fold.since = to_rfc3339(self._clock.now())
        fold.count += 1
        self._count("folded")

    def close(self) -> None:
        """Write what was counted and has no record yet."""
        for act, fold in self._folds.items():
            if fold.count:
                fold.count -= 1  # which this record stands for
                self.record(act, Who("", "", ""), verdict="refused", **fold.fields())
        if self._file:
            self._file.close()

    def _count(self, outcome: str) -> None:
        if self._outcomes:
            self._outcomes[outcome].inc()


def audit_log(settings: Settings, clock: Clock, counted: Counter | None = None, *, strict: bool = False) -> AuditLog:
    """The audit log that the settings ask for.

    Raises:
        ConfigurationError: its file cannot be written.
    """
    nowhere = settings.audit.file is None and settings.environment is Environment.LOCAL
    return AuditLog(None if nowhere else AuditFile(settings.audit.file), clock, counted, strict=strict)


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
