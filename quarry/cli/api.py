"""`quarry api`: serve the REST API."""

import argparse
from importlib import import_module

from quarry.cli.exits import stop_at_once
from quarry.cli.values import port

HELP = "Serve the REST API."
EXAMPLES = """\
  quarry api
  quarry api --host 0.0.0.0 --port 8080"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=8000, help="port to listen on (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    from quarry.settings import load_settings

    stop_at_once()
    # Named, not imported: the command line is below the services.
    code: int = import_module("producer.app").main(load_settings(), arguments.host, arguments.port)
    return code
