"""`quarry worker`: work jobs."""

import argparse
from importlib import import_module

from quarry.cli.exits import stop_at_once

HELP = "Work jobs: receive, claim, invoke, record, settle. SIGTERM drains and stops."
EXAMPLES = """\
  quarry worker
  QUARRY_WORKER__SLOTS=20 quarry worker"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no options: see the settings."""


def run(arguments: argparse.Namespace) -> int:
    """Work until stopped."""
    from quarry.settings import load_settings

    stop_at_once()
    # Named, not imported: the command line is below the services.
    code: int = import_module("worker.app").main(load_settings())
    return code
