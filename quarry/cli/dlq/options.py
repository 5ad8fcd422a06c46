"""What the verbs share: which jobs are meant, and whether a person means it."""

import argparse
import sys
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from quarry.cli import exits
from quarry.cli.values import count, instant
from quarry.ids import is_request_id

if TYPE_CHECKING:
    from quarry.deadletters.selection import Selection

_FILTERS: Final = ("reason", "model", "since", "until")


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Filters; what is meant passes all of them."""
    parser.add_argument(
        "--reason", action="append", metavar="REASON", help="only these reasons, as `quarry dlq list` shows them; may be repeated"
    )
    parser.add_argument("--model", metavar="MODEL", help="only jobs that asked for this route or model id")
    when = "INSTANT (RFC 3339) or AGE (such as 90m, 2h, 7d)"
    parser.add_argument("--since", type=instant, metavar="WHEN", help=f"only what failed at or after this {when}")
    parser.add_argument("--until", type=instant, metavar="WHEN", help=f"only what failed before this {when}")
    parser.add_argument("--tenant", default="default", metavar="TENANT", help="whose jobs (default: %(default)s)")
    parser.add_argument("--limit", type=count, metavar="N", help="at most so many jobs, the newest (default: all)")


def add_choice(parser: argparse.ArgumentParser, what: str) -> None:
    """Ids, filters, or everything; and what else a verb that changes things needs."""
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"request ids{what}")
    parser.add_argument(
        "--all",
        action="store_true",
        help="every job that was buried: attempts spent, workers died on it, payload lost, answer not recordable",
    )
    add_filters(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def selection_of(arguments: argparse.Namespace, all_reasons: frozenset[str] | None = None) -> "Selection":
    """What the filters mean; `all_reasons` are those of `--all`.

    Raises:
        WrongUsage: there is no such reason.
    """
    from quarry.deadletters.selection import REASONS, Selection

    for reason in sorted(set(arguments.reason or ()) - REASONS):
        raise exits.WrongUsage(f"there is no reason {reason!r}; there are {', '.join(sorted(REASONS))}")
    given = frozenset(arguments.reason) if arguments.reason else None
    reasons = all_reasons if getattr(arguments, "all", False) and given is None else given
    return Selection(arguments.tenant, reasons, arguments.model, arguments.since, arguments.until)


def check_choice(arguments: argparse.Namespace, verb: str) -> None:
    """Ids, or else filters or `--all`; and a person, or `--yes`, that means more than the ids that were typed.

    Raises:
        WrongUsage: not so.
    """
    filtered = arguments.all or any(getattr(arguments, name) for name in _FILTERS)
    if bool(arguments.ids) is filtered:
        raise exits.WrongUsage("name jobs by their ids, or choose them by filters, or take --all")
    if arguments.ids or arguments.dry_run or arguments.yes:
        return
    if not sys.stdin.isatty():
        raise exits.WrongUsage("nobody is there to ask; --dry-run shows what would be done, --yes does it")
    print(f"{verb} everything that was chosen? --dry-run shows it first. [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise exits.CommandFailed("nothing was done")


def request_ids(arguments: argparse.Namespace) -> list[str]:
    """The request ids among the ids, each once."""
    return [each for each in dict.fromkeys(arguments.ids) if is_request_id(each)]


async def first(ids: AsyncGenerator[str], limit: int | None) -> AsyncGenerator[str]:
    """Not more than `limit` of them."""
    left = limit
    async for each in ids:
        yield each
        left = None if left is None else left - 1
        if left == 0:
            return
