"""The command line: one file per verb, found through the COMMANDS table.

Data goes to stdout, talk to stderr, and nobody sees a stack trace who did not ask for one.
"""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from textwrap import fill
from typing import Any, Final, Protocol

from quarry import __version__
from quarry.cli import (
    api,
    cancel,
    dlq,
    doctor,
    erase,
    exits,
    explain,
    jobs,
    keys,
    local,
    plan,
    provision,
    routes,
    run,
    simulator,
    status,
    submit,
    tenants,
    worker,
)
from quarry.errors import ApiRefused, ConfigurationError, QuarryError, TransportError

#: Of a terminal. What stands raw beside the examples is not wrapped by the parser.
_WIDTH: Final = 80
#: The one option that is of no verb.
_DEBUG: Final = "--debug"


class Command(Protocol):
    """What the file of a verb holds. It imports at its head only what is quick: the rest inside `run`."""

    #: One sentence.
    HELP: str
    #: Command lines to copy, shown below the options.
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's options."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; returns the exit code."""


#: Verb → its file.
COMMANDS: dict[str, Command] = {
    "api": api,
    "worker": worker,
    "provision": provision,
    "local": local,
    "simulator": simulator,
    "submit": submit,
    "run": run,
    "status": status,
    "explain": explain,
    "jobs": jobs,
    "cancel": cancel,
    "dlq": dlq,
    "erase": erase,
    "keys": keys,
    "routes": routes,
    "tenants": tenants,
    "plan": plan,
    "doctor": doctor,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            # Closed by the caller. `print` would take the other one, or whatever file is opened next.
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An answer that was paid for is printed, whatever it has that the terminal has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    try:
        code = COMMANDS[arguments.verb].run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has read enough.
        _let_go_of_stdout()
        return exits.CLOSED_PIPE
    except Exception as error:
        if arguments.debug:
            raise
        _let_go_of_stdout()
        return _explained(error)
    return code


class _Parser(argparse.ArgumentParser):
    """Of `quarry` and of each verb: what it does not know, it refuses itself, with its own usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def _meant(self, unknown: Sequence[str]) -> str:
        """What was perhaps meant, where an option is not known."""
        mine = [name for action in self._actions for name in action.option_strings]
        for word in (word.partition("=")[0] for word in unknown if word.startswith("--")):
            if word == _DEBUG:
                name, _, verb = self.prog.partition(" ")
                return f"; {_DEBUG} goes before the verb: `{name} {_DEBUG} {verb} ...`"
            if near := get_close_matches(word, mine, n=1):
                return f"; did you mean {near[0]}?"
        return ""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = _Parser(
        prog="quarry",
        description="A durable job queue for Amazon Bedrock.",
        epilog="`quarry VERB --help` shows a verb's options and examples. Exit codes: 0 done, 1 failed, 2 usage, 78 configuration.",
    )
    whole.add_argument("--version", action="version", version=f"quarry {__version__}")
    whole.add_argument(_DEBUG, action="store_true", help="show the stack trace of an error")
    verbs = whole.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, command in COMMANDS.items():
        verb = verbs.add_parser(
            name,
            help=command.HELP,
            description=fill(command.HELP, _WIDTH),
            epilog=f"examples:\n{command.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(verb)
    return whole


def _explained(error: Exception) -> int:
    """Say what went wrong, in a sentence; returns the exit code that says the same."""
    match error:
        case ConfigurationError():
            text, code = str(error), exits.CONFIGURATION
        case exits.WrongUsage():
            text, code = str(error), exits.USAGE
        case ApiRefused():
            key = "; QUARRY_CLIENT__API_KEY is where this command has it from" if error.code == "unauthenticated" else ""
            faults = key + "".join(f"\n  {fault.path}: {fault.message}" for fault in error.faults)
            text, code = f"{error} ({error.code}){faults}", exits.FAILED
        case TransportError():
            text, code = f"{error}; `quarry doctor` looks at each part, and says what to do", exits.FAILED
        case QuarryError():
            text, code = str(error), exits.FAILED
        case OSError(strerror=str(why)):
            text, code = f"{why}: {error.filename}" if error.filename else why, exits.FAILED
        case _:
            # Its words may quote what it was about, and a service's stderr is its log.
            text, code = f"a bug of Quarry: {type(error).__name__} at {_place(error)}; --debug says more", exits.FAILED
    print(f"quarry: {text}", file=sys.stderr)
    return code


def _let_go_of_stdout() -> None:
    """What is still buffered must not fail at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _place(error: Exception) -> str:
    *_, frame = traceback.extract_tb(error.__traceback__)
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
