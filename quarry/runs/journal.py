"""The journal of a run: what was submitted, beside the file of results, which itself says what is done.

Lines of JSON, only ever appended. A record that a crash tore is cut off when it is read again.

    {"run": 1, "sha256": …, "salt": …}           the run: the first line
    {"trying": [lines], "at": instant}           before they are submitted
    {"accepted": {line: request_id}}             these are jobs
    {"untouched": [lines]}                       these certainly are not: nothing was done
    {"again": [lines], "salt": …}                these have failed, and are to be submitted under other keys

What was tried and has no answer may or may not have been accepted. Its idempotency key makes trying again safe, for a day.
"""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from quarry.clock import to_rfc3339
from quarry.runs.lines import FileFacts, RunRefused

_VERSION: Final = 1
#: What the first line begins with.
_HEAD: Final = b'{"run":1,"sha256":"'
#: A first line that is longer is not ours: our own choice.
_HEAD_MAX_BYTES: Final = 4096
#: The API keeps an idempotency key for 24 h. An hour less, for clocks that differ and answers that took long: our own choice.
KEY_SAFE_FOR: Final = timedelta(hours=23)


@dataclass(slots=True)
class Past:
    """What earlier runs left open, by line: jobs, and when something was first tried that has no answer.

    `salts` are those of lines that are tried again after they have failed.
    """

    accepted: dict[int, str] = field(default_factory=dict)
    tried_at: dict[int, datetime] = field(default_factory=dict)
    salts: dict[int, str] = field(default_factory=dict)


class Journal:
    """The journal, held by one process at a time."""

    def __init__(self, path: Path, descriptor: int, salt: str) -> None:
        self.path = path
        self.salt = salt
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, facts: FileFacts, new_salt: str) -> Self:
        """The journal of this run, begun with `new_salt` where there is none.

        Raises:
            RunRefused: it is another run's, another process has it, or it cannot be written.
        """
        descriptor = open_to_append(path)
        journal = cls(path, descriptor, new_salt)
        try:
            journal._take(facts)
        except BaseException:
            journal.close()
            raise
        return journal

    def _take(self, facts: FileFacts) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunRefused(f"another process is at this run: it holds {self.path}") from error
        with self.path.open("rb") as file:
            first = file.readline(_HEAD_MAX_BYTES)
        # Whose file it is comes first: nothing is cut off somebody else's.
        if first.endswith(b"\n"):
            self._check_head(first, facts)
            cut_torn_end(self._descriptor)
        elif not is_torn(first, _HEAD):
            raise self._foreign()
        else:
            os.ftruncate(self._descriptor, 0)
            self._write({"run": _VERSION, "sha256": facts.sha256, "salt": self.salt}, sync=True)
            sync_directory(self.path.parent)

    def _check_head(self, first: bytes, facts: FileFacts) -> None:
        head = _record(first)
        if head.get("run") != _VERSION or not isinstance(head.get("sha256"), str) or not isinstance(head.get("salt"), str):
            raise self._foreign()
        if head["sha256"] != facts.sha256:
            raise RunRefused(
                f"the file is not what it was when this run began ({self.path}); undo the change, or name another --output"
            )
        if self.salt and not head["salt"]:
            raise RunRefused(f"this run was begun without --anew ({self.path}); to make new jobs, name another --output")
        self.salt = head["salt"]

    def _foreign(self) -> RunRefused:
        return RunRefused(f"{self.path} is no journal of a run; name another --output")

    def past(self, done: bytearray) -> Past:
        """What is open, of lines that are not done. `done` has a byte for each line, by number."""
        past = Past()
        with self.path.open("rb") as file:
            for raw in file:
                replay(past, _record(raw), done)
        return past

    def trying(self, numbers: Sequence[int], now: datetime) -> None:
        """These are about to be submitted. It lasts before this returns: without it, a job could be paid twice, days later."""
        self._write({"trying": list(numbers), "at": to_rfc3339(now)}, sync=True)

    def accepted(self, request_ids: Mapping[int, str]) -> None:
        """These are jobs. A crash of the machine may take the record; then they are submitted again, by their keys."""
        if request_ids:
            self._write({"accepted": dict(request_ids)})

    def untouched(self, numbers: Sequence[int]) -> None:
        """These were tried, and nothing was done."""
        if numbers:
            self._write({"untouched": list(numbers)})

    def again(self, numbers: Sequence[int], salt: str) -> None:
        """These have failed, and are to be submitted anew. It lasts before this returns: the keys must not change once used."""
        self._write({"again": list(numbers), "salt": salt}, sync=True)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _write(self, record: Mapping[str, Any], *, sync: bool = False) -> None:
        write_all(self._descriptor, json.dumps(record, separators=(",", ":")).encode() + b"\n")
        if sync:
            os.fsync(self._descriptor)


def replay(past: Past, record: Mapping[str, Any], done: bytearray) -> None:
    """Take one record in. Pure but for `past`."""
    if at := record.get("at"):
        tried_at = datetime.fromisoformat(at)
        for number in record["trying"]:
            if not done[number] and number not in past.accepted:
                # The first try counts: it is the one that may have made the key.
                past.tried_at.setdefault(number, tried_at)
    for name, request_id in record.get("accepted", {}).items():
        past.tried_at.pop(int(name), None)
        if not done[int(name)]:
            past.accepted[int(name)] = request_id
    for number in record.get("untouched", ()):
        past.tried_at.pop(number, None)
    for number in record.get("again", ()):
        past.accepted.pop(number, None)
        past.tried_at.pop(number, None)
        past.salts[number] = record["salt"]


def write_all(descriptor: int, data: bytes) -> None:
    """Hand all of it to the system: from then on it outlives this process."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def open_to_append(path: Path) -> int:
    """The descriptor of a file of ours, made where there is none.

    Raises:
        RunRefused: it cannot be written.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise RunRefused(f"{path} cannot be written: {error.strerror}") from error


def is_torn(end: bytes, beginning: bytes) -> bool:
    """Whether what stands behind the last line break can be of a line that begins like that."""
    return end.startswith(beginning) or beginning.startswith(end)


def cut_torn_end(descriptor: int) -> None:
    """Cut off what stands behind the last line break: a process died while it wrote that."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 65_536)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    os.ftruncate(descriptor, end)


def _record(raw: bytes) -> dict[str, Any]:
    try:
        record = json.loads(raw)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def sync_directory(path: Path) -> None:
    """Let last which files are in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
