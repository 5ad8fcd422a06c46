"""`quarry dlq`: what failed for good, and the way back. For operators: works on AWS directly, with the settings of a worker."""

import argparse
from importlib import import_module
from typing import Final

HELP = "Dead letters: list and show what failed for good, put it back to work, or give it up. Works on AWS directly."
EXAMPLES = """\
  quarry dlq list
  quarry dlq show 0199a0c0d1e27c3fa4b5c6d7e8f90a1b
  quarry dlq redrive --all --dry-run
  quarry dlq redrive --reason attempts_exhausted --since 2h --yes
  quarry dlq discard --reason malformed_envelope"""

#: Verb → its file, imported when it is used, and its sentence.
_VERBS: Final = {
    "list": ("quarry.cli.dlq.listing", "Sum up by reason what failed, from the records and from the dead-letter queue."),
    "show": ("quarry.cli.dlq.showing", "Show one failed job with its history, or one message that has no job."),
    "redrive": (
        "quarry.cli.dlq.redriving",
        "Put failed jobs back to work: first a few, and the others if those do not fail again.",
    ),
    "discard": ("quarry.cli.dlq.discarding", "Give failed jobs up and remove their dead letters. The jobs stay failed."),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's verbs."""
    verbs = parser.add_subparsers(dest="dlq_verb", metavar="VERB", required=True, help="`quarry dlq VERB --help` shows its options")
    for name, (module, text) in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        import_module(module).add_arguments(verb)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    code: int = import_module(_VERBS[arguments.dlq_verb][0]).run(arguments)
    return code
