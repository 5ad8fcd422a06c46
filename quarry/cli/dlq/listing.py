"""`quarry dlq list`."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from quarry.cli import exits
from quarry.cli.dlq.options import add_filters, add_json, selection_of
from quarry.cli.show import columns

if TYPE_CHECKING:
    from quarry.deadletters.selection import Group, Selection, Summary
    from quarry.settings import Settings

_HEAD: Final = ("reason", "in both", "record only", "queue only", "oldest", "newest")
#: What is shown as a reason where no job failed.
_EXPLAINED: Final = {
    "over": "the job was redriven, discarded, or ended otherwise; the next redrive or discard removes the message",
    "stranded": "SQS moved the message of a job that still waits; `quarry dlq redrive --all` sends it again",
    "no_record": "the job of the message is gone; it can only be discarded",
    "unreadable_record": "this version cannot read the record of the job: it is damaged, or of a newer version",
    "malformed_envelope": "not a message of Quarry; it can only be discarded",
    "unsupported_envelope": "of a newer version of Quarry; redrive it with that",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    add_filters(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each reason."""
    from quarry.settings import load_settings

    groups = list(asyncio.run(_summed_up(load_settings(), selection_of(arguments), arguments.limit)))
    if arguments.json:
        for group in groups:
            print(json.dumps(asdict(group), default=_instant))
    else:
        print(as_table(groups))
    return exits.DONE


async def _summed_up(settings: "Settings", selection: "Selection", limit: int | None) -> "Summary":
    from quarry.cli.dlq.office import office
    from quarry.deadletters.reading import failed_jobs, looking
    from quarry.deadletters.selection import Summary
    from quarry.errors import RecordUnreadable

    summary = Summary()
    async with office(settings) as here:
        async with looking(here.dead, here.store) as look:
            while letters := await look.more():
                summary.add_letters(filter(selection.takes_letter, letters))
        async with aclosing(failed_jobs(here.store, selection, here.clock)) as jobs:
            seen = 0
            async for job in jobs:
                if isinstance(job, RecordUnreadable):
                    summary.add_unreadable(job.request_id)
                else:
                    summary.add_job(job)
                seen += 1
                if seen == limit:
                    break
    return summary


def as_table(groups: Sequence["Group"]) -> str:
    """Aligned columns, and a word on each reason that is not a job's."""
    notes = [
        f"{group.reason}: {_EXPLAINED[group.reason]}" + (f": {' '.join(group.request_ids)}" if group.request_ids else "")
        for group in groups
        if group.reason in _EXPLAINED
    ]
    return "\n".join([columns([_HEAD, *map(_row, groups)]), *([""] if notes else []), *notes])


def _row(group: "Group") -> tuple[str, ...]:
    counts = (group.both, group.records_only, group.queue_only)
    return (group.reason, *map(str, counts), *(_instant(at) if at else "" for at in (group.oldest, group.newest)))


def _instant(value: datetime) -> str:
    return value.isoformat(timespec="seconds").replace("+00:00", "Z")
