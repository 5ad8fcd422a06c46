"""`quarry erase`: erase jobs of a tenant."""

import argparse
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from quarry.cli import exits
from quarry.cli.values import instant, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quarry.cli.dlq.office import Office
    from quarry.deadletters.redrive import Report
    from quarry.erasure.many import Choice
    from quarry.errors import RecordUnreadable
    from quarry.settings import Settings

HELP = "Erase jobs of a tenant, or of one person by metadata: all that was asked and answered, wherever it lies; running ones too."
EXAMPLES = """\
  quarry erase --tenant acme --metadata user=4711 --dry-run
  quarry erase --tenant acme --metadata user=4711 --yes
  quarry erase --tenant acme --before 30d --yes
  quarry erase --tenant acme --request-id 0199a0c0d1e27c3fa4b5c6d7e8f90a1b"""

_PATIENCE_SECONDS: Final = 120.0


def pair(text: str) -> tuple[str, str]:
    """A pair of metadata."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    return key, value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--tenant", required=True, metavar="TENANT", help="whose jobs")
    parser.add_argument("--request-id", action="append", metavar="ID", help="this job; may be repeated")
    parser.add_argument(
        "--metadata", action="append", type=pair, metavar="KEY=VALUE", help="only jobs with this; may be repeated: with all of them"
    )
    parser.add_argument(
        "--before",
        type=instant,
        metavar="WHEN",
        help="only jobs submitted before this INSTANT (RFC 3339) or AGE (such as 90m, 2h, 7d); default: before now",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--patience",
        type=seconds,
        default=_PATIENCE_SECONDS,
        metavar="SECONDS",
        help="how long to wait for workers that have to stop first (default: %(default)s); what they hold is erased all the same",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def run(arguments: argparse.Namespace) -> int:
    """Erase; 1 where something is left, or only promised, or was not there."""
    from quarry.cli.audit import operator_audit
    from quarry.cli.dlq.office import Deed, carry_out, printing
    from quarry.settings import load_settings
    from quarry.telemetry.acts import Act

    _check(arguments)
    settings, report = load_settings(), printing(arguments.json)
    deed = Deed(Act.JOBS_ERASED, "erased", "erasing", "promised")
    code = carry_out(operator_audit(settings), arguments, deed, report, _erase(settings, arguments, report))
    return code or (exits.FAILED if report.counts["erasing"] or report.counts["left"] else exits.DONE)


def _check(arguments: argparse.Namespace) -> None:
    """Ids, or else what chooses; and a person, or `--yes`, that means it.

    Raises:
        WrongUsage: not so.
    """
    from quarry.ids import is_request_id

    if arguments.request_id and (arguments.metadata or arguments.before):
        raise exits.WrongUsage("name jobs by --request-id, or choose them by --metadata and --before")
    for each in arguments.request_id or ():
        if not is_request_id(each):
            raise exits.WrongUsage(f"{each!r} is no request id")
    if arguments.dry_run or arguments.yes:
        return
    if not sys.stdin.isatty():
        raise exits.WrongUsage("nobody is there to ask; --dry-run shows what would be erased, --yes does it")
    what = "these jobs" if arguments.request_id else f"all chosen jobs of {arguments.tenant}"
    print(f"Erase {what}, for good? --dry-run shows them first. [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise exits.CommandFailed("nothing was done")


async def _erase(settings: "Settings", arguments: argparse.Namespace, report: "Report") -> None:
    from datetime import timedelta

    from quarry.cli.dlq.office import office
    from quarry.erasure.eraser import Eraser
    from quarry.erasure.many import Choice, ManyEraser

    choice = Choice(arguments.tenant, arguments.before or datetime.now(UTC), dict(arguments.metadata or ()))
    async with office(settings) as here, aclosing(_ids(here, arguments, choice)) as ids:
        eraser = Eraser(here.store, here.erasures, here.payloads, here.clock)
        many = ManyEraser(eraser, report, arguments.tenant, dry_run=arguments.dry_run)
        await many.run(ids)
        await many.wait(timedelta(seconds=arguments.patience))
        if not arguments.request_id:
            await many.verify(choice)


async def _ids(here: "Office", arguments: argparse.Namespace, choice: "Choice") -> "AsyncGenerator[str | RecordUnreadable]":
    from quarry.erasure.many import chosen

    if arguments.request_id:
        for each in dict.fromkeys(arguments.request_id):
            yield each
        return
    async for each in chosen(here.store, choice, here.clock):
        yield each
