"""The file of a run: one submission a line, read as a stream."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from quarry.errors import QuarryError

#: A longer line is no submission: the API takes bodies of 22 MiB at most by default. Our own choice.
LINE_MAX_BYTES: Final = 32 * 1024 * 1024
KEY_FIELD: Final = "idempotency_key"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class RunRefused(QuarryError):
    """A run cannot begin, or go on, with the files that were named; nothing was submitted."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file is told by. `last` is the number of its last line, `jobs` how many of its lines are not empty."""

    sha256: str
    last: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line that can be submitted: `body` is JSON with its idempotency key in it."""

    number: int
    custom_id: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot; `code` as the API would say it."""

    number: int
    custom_id: str | None
    code: str
    message: str


def facts_of(path: Path) -> FileFacts:
    """Reads the file once.

    Raises:
        RunRefused: it cannot be read.
    """
    digest, last, jobs = hashlib.sha256(), 0, 0
    with _open(path) as file:
        for last, raw in raw_lines(file, digest.update):  # noqa: B007 - the number of the last one stays
            jobs += bool(raw)
    return FileFacts(digest.hexdigest(), last, jobs)


def read(
    path: Path, salt: str, salts: Mapping[int, str] | None = None, see: Callable[[bytes], object] | None = None
) -> Iterator[Line | BadLine]:
    """Every line but empty ones, in order; `see` is called with all the bytes.

    `salt` goes into the idempotency keys. The lines in `salts`, by number, have one of their own, and need a new key.
    """
    salts = salts or {}
    with _open(path) as file:
        for number, raw in raw_lines(file, see):
            if raw:
                yield parsed(number, raw, salts.get(number, salt), is_anew=number in salts)


def raw_lines(file: BinaryIO, see: Callable[[bytes], object] | None = None) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line, without the space around it. Of a line that is too long, only a part comes.

    `see` is called with all the bytes.
    """
    number, cut = 1, False
    while part := file.readline(LINE_MAX_BYTES + 1):
        if see:
            see(part)
        if not cut:
            yield number, (part.removeprefix(_BYTE_ORDER_MARK) if number == 1 else part).strip()
        cut = not part.endswith(b"\n")
        number += not cut


def parsed(number: int, raw: bytes, salt: str, *, is_anew: bool = False) -> Line | BadLine:
    """One line, as it is submitted or as it is refused. Anew, its own idempotency key, which stands for another job, gives way."""
    if len(raw) > LINE_MAX_BYTES:
        return BadLine(number, None, "payload_too_large", f"the line has more than {LINE_MAX_BYTES:,} bytes")
    try:
        body = json.loads(raw.decode())
    except UnicodeDecodeError:
        return BadLine(number, None, "invalid_json", "the line is not UTF-8")
    except (ValueError, RecursionError) as error:
        return BadLine(number, None, "invalid_json", f"the line is not JSON: {error}")
    if not isinstance(body, dict):
        return BadLine(number, None, "invalid_request", "the line is not a JSON object")
    custom_id = body["custom_id"] if isinstance(body.get("custom_id"), str) else None
    try:
        if is_anew or body.get(KEY_FIELD) is None:
            body[KEY_FIELD] = key_of(body, None if custom_id else number, salt)
        encoded = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):
        return BadLine(number, custom_id, "invalid_json", "the line holds a number that JSON does not have, or is nested too deep")
    return Line(number, custom_id, encoded)


def key_of(body: dict[str, Any], number: int | None, salt: str) -> str:
    """The idempotency key of a line: equal lines with a `custom_id` are one job, wherever they stand; others, one each."""
    text = json.dumps([salt, number, body], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"run-{hashlib.sha256(text.encode()).hexdigest()}"


def _open(path: Path) -> BinaryIO:
    try:
        if not path.is_file():
            raise RunRefused(f"{path} is no file" if path.exists() else f"there is no {path}")
        return path.open("rb")
    except OSError as error:
        raise RunRefused(f"{path} cannot be read: {error.strerror}") from error
