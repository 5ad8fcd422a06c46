"""`quarry provision`: make queues, table and bucket at a local endpoint."""

import argparse

from quarry.provision import provision
from quarry.settings import load_settings

HELP = "Make queues, table and bucket at a local endpoint; refuses a real account."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no options: see the settings."""


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing and say so."""
    for line in provision(load_settings()):
        print(line)
    return 0
