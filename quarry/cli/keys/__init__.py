"""`quarry keys`: who may call. For operators: works on the job table directly, with the settings of the API."""

import argparse
from importlib import import_module
from typing import Final

HELP = "API keys: create, list, rotate and revoke them. Works on AWS directly."
EXAMPLES = """\
  quarry keys create --tenant acme --name ci
  quarry keys create --tenant acme --scope read:jobs --expires-in 30
  quarry keys list --tenant acme
  quarry keys rotate 51c0ffee51c0ffee --overlap 48
  quarry keys revoke 51c0ffee51c0ffee"""

#: Verb → its file, imported when it is used, and its sentence.
_VERBS: Final = {
    "create": ("quarry.cli.keys.creating", "Make a key, and print it: once, for only a digest of it is kept."),
    "list": ("quarry.cli.keys.listing", "List keys, the oldest first: whose, what they may do, until when. Never a secret."),
    "rotate": ("quarry.cli.keys.rotating", "Make a second key like a first one, which ends when the callers have changed over."),
    "revoke": ("quarry.cli.keys.revoking", "End a key at once, and for good."),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's verbs."""
    verbs = parser.add_subparsers(
        dest="keys_verb", metavar="VERB", required=True, help="`quarry keys VERB --help` shows its options"
    )
    for name, (module, text) in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        import_module(module).add_arguments(verb)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    code: int = import_module(_VERBS[arguments.keys_verb][0]).run(arguments)
    return code
