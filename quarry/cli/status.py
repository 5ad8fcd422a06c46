"""`quarry status`: show one job."""

import argparse

from quarry.cli import exits
from quarry.cli.connect import add_client_arguments, connect
from quarry.cli.following import follow
from quarry.cli.show import as_json, as_text
from quarry.cli.submit import verdict
from quarry.cli.values import seconds

HELP = "Show one job: where it stands, its attempts, its answer."
EXAMPLES = """\
  quarry status 0199a0c0d1e27c3fa4b5c6d7e8f90a1b
  quarry status 0199a0c0d1e27c3fa4b5c6d7e8f90a1b --wait 60
  quarry status 0199a0c0d1e27c3fa4b5c6d7e8f90a1b --json | jq .usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("request_id", metavar="REQUEST_ID", help="the job's id, as `quarry submit` printed it")
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--wait", nargs="?", type=seconds, const=float("inf"), metavar="SECONDS",
        help="wait for the job to finish (without SECONDS: however long that takes); exit code 1 where it did not complete",
    )  # fmt: skip
    end.add_argument(
        "--follow", action="store_true",
        help="print its answer as it is generated, where it was submitted with --stream, else when it is there (with --json: its "
        "events, one a line)",
    )  # fmt: skip
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the job."""
    with connect(arguments) as client:
        if arguments.follow:
            return verdict(follow(client, arguments.request_id, as_json=arguments.json))
        if arguments.wait is None:
            job = client.get(arguments.request_id)
        else:
            job = client.wait(arguments.request_id, None if arguments.wait == float("inf") else arguments.wait)
    print(as_json(job) if arguments.json else as_text(job))
    return exits.DONE if arguments.wait is None else verdict(job)
