"""`quarry provision`: make queues, table and bucket at a local endpoint."""

import argparse

HELP = "Make queues, table and bucket at a local endpoint; refuses a real account."
EXAMPLES = """\
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 QUARRY_ENVIRONMENT=local quarry provision"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no options: see the settings."""


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing and say so."""
    from quarry.provision import provision
    from quarry.settings import load_settings

    for line in provision(load_settings()):
        print(line)
    return 0
