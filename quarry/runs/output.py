"""The file of results: one line for each line of the run's file, in the order in which they finish. It says what is done."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from quarry.runs.journal import cut_torn_end, is_torn, open_to_append, write_all
from quarry.runs.lines import BadLine, RunRefused

COMPLETED: Final = "completed"
FAILED: Final = "failed"
#: What a resumed run has to know of a line stands at its head, so that results are not parsed again.
HEAD: Final = re.compile(rb'\{"line":(\d+),"status":"([a-z]+)","tokens":(\d+),("degraded":true,)?')
_BEGINNING: Final = b'{"line":'
_HEAD_MAX_BYTES: Final = 128
_PIECE_BYTES: Final = 1 << 20
_KEPT: Final = (
    "request_id", "custom_id", "result", "usage", "error", "model", "served_by", "metadata", "attempts", "created_at", "started_at",
    "finished_at",
)  # fmt: skip


@dataclass(slots=True)
class Count:
    """What lines have come to."""

    completed: int = 0
    failed: int = 0
    #: Completed by what their route declares, since no model answered in time: counted apart.
    degraded: int = 0
    tokens: int = 0

    @property
    def done(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.degraded

    def add(self, status: str, tokens: int, *, degraded: bool = False) -> None:
        """One line more."""
        self.degraded += degraded
        self.completed += status == COMPLETED and not degraded
        self.failed += status != COMPLETED
        self.tokens += tokens


class Output:
    """The file, open for appending. `done` has a byte for each line of the run's file, by number."""

    def __init__(self, descriptor: int, done: bytearray, count: Count) -> None:
        self.done = done
        self.count = count
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, last: int) -> Self:
        """Repairs the file's end if need be, and reads what is done; `last` is the last line of the run's file.

        Raises:
            RunRefused: it cannot be written, or something else stands in it.
        """
        descriptor = open_to_append(path)
        output = cls(descriptor, bytearray(last + 1), Count())
        try:
            output._recover(path)
        except BaseException:
            os.close(descriptor)
            raise
        return output

    def _recover(self, path: Path) -> None:
        with path.open("rb") as file:
            for number, (head, is_whole) in enumerate(heads(file), start=1):
                if not is_whole and is_torn(head, _BEGINNING):
                    break
                found = HEAD.match(head)
                line = int(found[1]) if found else 0
                if not found or not 1 <= line < len(self.done) or self.done[line]:
                    raise RunRefused(f"line {number} of {path} was not written by this run; name another --output")
                self.done[line] = 1
                self.count.add(found[2].decode(), int(found[3]), degraded=found[4] is not None)
        # Not before all of it is known to be ours.
        cut_torn_end(self._descriptor)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write finished lines, each as `row_of_job` or `row_of_fault` made it. They outlive this process from then on."""
        fresh = [row for row in rows if not self.done[row["line"]]]
        if not fresh:
            return
        write_all(self._descriptor, b"".join(encoded(row) for row in fresh))
        for row in fresh:
            self.done[row["line"]] = 1
            self.count.add(row["status"], row["tokens"], degraded="degraded" in row)

    def close(self) -> None:
        """Let it last, and let go of it."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def row_of_job(number: int, job: Mapping[str, Any]) -> dict[str, Any]:
    """The line of a job that is over: `result` where it completed, `error` where not; `degraded` where no model answered."""
    usage = job.get("usage") or {}
    head = {"line": number, "status": job["status"], "tokens": usage.get("total_tokens", 0)}
    if job.get("degraded"):
        head["degraded"] = True
    unused = "error" if job["status"] == COMPLETED else "result"
    return head | {name: job.get(name) for name in _KEPT if name != unused}


def row_of_fault(line: BadLine, request_id: str | None = None, errors: object = ()) -> dict[str, Any]:
    """The line of what has no result to show, and the fields at fault, if any."""
    error = {"code": line.code, "message": line.message} | ({"errors": errors} if errors else {})
    return {
        "line": line.number, "status": FAILED, "tokens": 0, "request_id": request_id, "custom_id": line.custom_id, "error": error,
        "usage": None,
    }  # fmt: skip


def encoded(row: Mapping[str, Any]) -> bytes:
    """A row as a line of JSON."""
    # A lone surrogate, which JSON can hold and UTF-8 cannot, is written as an escape.
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def heads(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """The beginning of each line, and whether the line is whole; a long line is not held."""
    while part := file.readline(_PIECE_BYTES):
        head = part[:_HEAD_MAX_BYTES]
        while part and not part.endswith(b"\n"):
            part = file.readline(_PIECE_BYTES)
        yield head, bool(part)
