"""`quarry explain`: the story of one job."""

import argparse

from quarry.cli import exits
from quarry.cli.connect import add_client_arguments, connect
from quarry.cli.show import as_json

HELP = "Tell the story of one job: every target tried or skipped and why, every wait, where the time went, what was paid."
EXAMPLES = """\
  quarry explain 0199a0c0d1e27c3fa4b5c6d7e8f90a1b
  quarry explain 0199a0c0d1e27c3fa4b5c6d7e8f90a1b --json | jq .time"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("request_id", metavar="REQUEST_ID", help="the job's id, as `quarry submit` printed it")
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Tell it."""
    from quarry.cli.story import as_story

    with connect(arguments) as client:
        explanation = client.explain(arguments.request_id)
    print(as_json(explanation) if arguments.json else as_story(explanation))
    return exits.DONE
