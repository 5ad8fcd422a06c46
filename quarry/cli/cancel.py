"""`quarry cancel`: stop a job."""

import argparse

from quarry.cli import exits
from quarry.cli.connect import add_client_arguments, connect
from quarry.cli.show import as_json

HELP = "Cancel one job: at once where it waits; where a worker has it, as soon as that worker sees the request."
EXAMPLES = """\
  quarry cancel 0199a0c0d1e27c3fa4b5c6d7e8f90a1b"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("request_id", metavar="REQUEST_ID", help="the job's id, as `quarry submit` printed it")
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Cancel the job."""
    with connect(arguments) as client:
        job = client.cancel(arguments.request_id)
    if arguments.json:
        print(as_json(job))
    else:
        requested = "" if job["status"] == "cancelled" else ", cancel requested"
        print(f"{job['request_id']} {job['status']}{requested}")
    return exits.DONE
