"""`quarry routes`: what the routes file means. Reads the file, asks nobody."""

import argparse
from importlib import import_module
from typing import Final

HELP = "Routes: check routes.toml, and show what it means for a job. Asks nobody and changes nothing."
EXAMPLES = """\
  quarry routes check
  quarry routes check routes.toml
  quarry routes check routes.toml batch
  quarry routes check routes.toml batch --allowed-regions eu-west-1,eu-central-1
  quarry routes check routes.toml --json | jq '.targets[].regions'"""

#: Verb → its file, imported when it is used, and its sentence.
_VERBS: Final = {
    "check": (
        "quarry.cli.routes.checking",
        (
            "Read a routes file as the services do; show each route's targets in the order in which they would be asked, and what "
            "is unusual. Exit code 78, and every fault with its line, where the file is wrong."
        ),
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's verbs."""
    verbs = parser.add_subparsers(
        dest="routes_verb", metavar="VERB", required=True, help="`quarry routes VERB --help` shows its options"
    )
    for name, (module, text) in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        import_module(module).add_arguments(verb)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    code: int = import_module(_VERBS[arguments.routes_verb][0]).run(arguments)
    return code
