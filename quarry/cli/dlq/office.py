"""The composition root of the dead-letter verbs."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quarry.aws import new_session
from quarry.cli import exits
from quarry.cli.audit import OperatorAudit
from quarry.cli.dlq.options import first, request_ids
from quarry.clock import CorrectedClock
from quarry.deadletters.reading import failed_jobs
from quarry.deadletters.redrive import CHUNK, Done, Report
from quarry.erasure.dynamodb import DynamoErasures
from quarry.opening import Connections, opened
from quarry.queue.base import Lanes
from quarry.queue.sqs import SqsDeadLetters
from quarry.store.dynamodb import DynamoStore
from quarry.store.payloads import S3Payloads
from quarry.telemetry.acts import Act
from quarry.tenants.keeping import Keeping

if TYPE_CHECKING:
    from quarry.deadletters.selection import Selection
    from quarry.settings import Settings


@dataclass(frozen=True, slots=True)
class Office:
    """Everything a verb works with."""

    store: DynamoStore
    keeping: Keeping
    erasures: DynamoErasures
    payloads: S3Payloads
    lanes: Lanes
    dead: SqsDeadLetters
    clock: CorrectedClock

    async def chosen(self, arguments: argparse.Namespace, selection: "Selection") -> AsyncGenerator[str]:
        """The request ids that were typed, or those of the failed jobs that the filters let through."""
        if arguments.ids:
            for request_id in request_ids(arguments):
                yield request_id
            return
        async for request_id in first(self._failed(selection), arguments.limit):
            yield request_id

    async def _failed(self, selection: "Selection") -> AsyncGenerator[str]:
        async for job in failed_jobs(self.store, selection, self.clock):
            yield job.request_id


@asynccontextmanager
async def office(settings: "Settings") -> AsyncIterator[Office]:
    """Clients of the table, the bucket and the queues that the settings name.

    Raises:
        ConfigurationError: they are not there.
    """
    clock = CorrectedClock()
    # Reading a page asks all shards at once.
    async with opened(
        settings, clock, new_session(), Connections(table=2 * CHUNK, bucket=CHUNK, queues=CHUNK), telling=False
    ) as backing:
        yield Office(backing.store, backing.keeping, backing.erasures, backing.payloads, backing.lanes, backing.dead_letters, clock)


def printing(as_json: bool) -> Report:
    """A report whose steps go to stdout as they are made."""

    def tell(done: Done) -> None:
        row = f"{done.request_id}  {done.what:<9}  {done.note}".rstrip()
        print(json.dumps(asdict(done)) if as_json else row, flush=True)

    return Report(tell)


@dataclass(frozen=True, slots=True)
class Deed:
    """What a verb does, as the audit log has it: which of a report's counts are its jobs, and which its messages."""

    act: Act
    jobs: str
    messages: str
    #: What the second count is called there.
    beside: str = "messages"

    def record(self, audit: OperatorAudit, tenant: str, report: Report) -> None:
        """Write what was done, as far as it came; nothing, where nothing was."""
        count, messages = report.counts[self.jobs], report.counts[self.messages]
        if count or messages:
            ends = dict(zip(("first_request_id", "last_request_id"), report.ends.get(self.jobs, ()), strict=False))
            audit.record(self.act, tenant, count=count, **{self.beside: messages}, **ends)


def carry_out(
    audit: OperatorAudit, arguments: argparse.Namespace, deed: Deed, report: Report, work: Coroutine[Any, Any, None]
) -> int:
    """Run a verb's work to its end, or until it is told to stop, and say the counts to stderr. Returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was done is recorded then too
    nothing = "nothing was done"
    try:
        asyncio.run(work)
        # By itself that would be taken for good news where a tenant's name is misspelt.
        nothing = f"nothing found of the tenant {arguments.tenant}; {nothing}"
    except KeyboardInterrupt:
        print("quarry: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return exits.INTERRUPTED
    finally:
        counts = ", ".join(f"{count} {what}" for what, count in report.counts.items() if count)
        print(f"quarry: {'would be: ' if arguments.dry_run and counts else ''}{counts or nothing}", file=sys.stderr)
        if not arguments.dry_run:
            deed.record(audit, arguments.tenant, report)
    return exits.FAILED if report.counts["unknown"] else exits.DONE
