"""The command line: one file per verb, found through the COMMANDS table."""

import argparse
import sys
from collections.abc import Sequence

from quarry import __version__
from quarry.cli import api, provision, worker
from quarry.errors import ConfigurationError

#: Verb → its file. Each has `HELP`, `add_arguments(parser)` and `run(arguments) -> exit code`.
COMMANDS = {"api": api, "worker": worker, "provision": provision}

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_CONFIGURATION = 0, 1, 2, 78


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    parser = argparse.ArgumentParser(prog="quarry", description="A durable job queue for Amazon Bedrock.")
    parser.add_argument("--version", action="version", version=f"quarry {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(verbs.add_parser(name, help=command.HELP, description=command.HELP))
    arguments = parser.parse_args(argv)
    try:
        code: int = COMMANDS[arguments.verb].run(arguments)
    except ConfigurationError as error:
        print(f"quarry: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    return code
