"""`quarry jobs`: list jobs."""

import argparse

from quarry.cli import exits
from quarry.cli.connect import add_client_arguments, connect
from quarry.cli.show import as_json, as_row
from quarry.cli.values import count
from quarry.job import JobStatus

HELP = "List jobs, newest first."
EXAMPLES = """\
  quarry jobs
  quarry jobs --status failed --limit 100
  quarry jobs --all --created-after 2026-11-01T00:00:00Z --json > jobs.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--status", choices=[each.value for each in JobStatus], help="only jobs of this status")
    parser.add_argument("--created-after", metavar="INSTANT", help="only jobs made after this instant (RFC 3339)")
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--limit", type=count, default=20, metavar="N", help="how many (default: %(default)s)")
    how_many.add_argument("--all", action="store_true", help="every job, however many")
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them as they come."""
    form = as_json if arguments.json else as_row
    limit = None if arguments.all else arguments.limit
    with connect(arguments) as client:
        for job in client.list(status=arguments.status, created_after=arguments.created_after, limit=limit):
            print(form(job))
    return exits.DONE
