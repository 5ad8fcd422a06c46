"""Trying failed lines again: they leave the file of results, and are submitted under other idempotency keys.

First the journal says so, then a file without them replaces the results, then they are submitted. A crash in between leaves lines
that have failed still, or lines that are to be submitted.
"""

import json
import os
import shutil
from collections.abc import Container, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from quarry.client import LOOKUP_MAX, ApiClient
from quarry.runs.journal import Journal, sync_directory
from quarry.runs.lines import FileFacts
from quarry.runs.output import HEAD, Output

#: What is tried again. Who cancelled a job meant it.
_RETRIED: Final = frozenset({"failed", "expired"})
#: It may be a job that nobody knows of: a second one would be paid in silence.
_UNDECIDED: Final = "submission_undecided"


def retry_failed(out: Path, facts: FileFacts, journal: Journal, client: ApiClient, salt: str) -> int | None:
    """Have lines that failed, expired or were degraded run again, where the run is over; returns how many; None where it is not.

    A line whose job is no longer so, after a redrive, is only followed; `salt` goes into the keys of the others.

    Raises:
        RunRefused: the results cannot be written, or something else stands in them.
        ApiUnreachable, ApiRefused: the API cannot say what became of the jobs. Nothing is changed then.
    """
    with closing(Output.open(out, facts.last)) as output:
        if output.count.done < facts.jobs:
            return None
    failed = dict(_failed(out))
    revived = _revived(client, [request_id for request_id in failed.values() if request_id])
    if again := [number for number, request_id in failed.items() if request_id not in revived]:
        journal.again(again, salt)
    if failed:
        _leave_out(failed, out)
    return len(failed)


def _failed(out: Path) -> Iterator[tuple[int, str | None]]:
    """Number and job of each line that is to run again."""
    with out.open("rb") as file:
        for raw in file:
            head = HEAD.match(raw)
            if head and (head[2].decode() in _RETRIED or head[4]):
                row = json.loads(raw)
                if (row.get("error") or {}).get("code") != _UNDECIDED:
                    yield row["line"], row["request_id"]


def _revived(client: ApiClient, request_ids: list[str]) -> set[str]:
    """The jobs that are not over like that any more."""
    some = (request_ids[start : start + LOOKUP_MAX] for start in range(0, len(request_ids), LOOKUP_MAX))
    views = (view for ids in some for view in client.look_up(ids))
    return {view["request_id"] for view in views if view.get("status", "failed") not in _RETRIED and not view.get("degraded")}


def _leave_out(numbers: Container[int], out: Path) -> None:
    # A link stays one.
    out = out.resolve()
    shorter = out.with_name(f"{out.name}.journal.new")
    with out.open("rb") as file, shorter.open("wb") as rest:
        for raw in file:
            head = HEAD.match(raw)
            if head and int(head[1]) not in numbers:
                rest.write(raw)
        rest.flush()
        os.fsync(rest.fileno())
    shutil.copymode(out, shorter)
    shorter.replace(out)
    sync_directory(out.parent)
