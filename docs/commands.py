"""The generated parts on the command line: from its parser."""  # noqa: INP001 - beside a script, no package

import argparse
import inspect
from collections.abc import Iterator
from typing import Final

from docs.markdown import table
from quarry.cli import parser

_SUBPARSERS: Final = argparse._SubParsersAction  # noqa: SLF001 - no other way


def verbs_and_options() -> str:
    """Each verb: its sentence, its options, its examples."""
    parts = []
    for name, verb in verbs(parser()):
        examples = inspect.cleandoc("\n" + (verb.epilog or "").removeprefix("examples:\n"))
        parts.append(f"## quarry {name}\n\n{verb.description}\n{_options(verb)}\n```\n{examples}\n```\n")
        parts += [f"### quarry {name} {each}\n\n{below.description}\n{_options(below)}" for each, below in verbs(verb)]
    return "\n".join(parts)


def verbs(of: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The verbs below a parser; there may be none."""
    for each in of._actions:  # noqa: SLF001 - no other way
        if isinstance(each, _SUBPARSERS):
            yield from each.choices.items()


def _options(verb: argparse.ArgumentParser) -> str:
    if any(verbs(verb)):
        return ""
    rows = [(_option(each), _option_help(each)) for each in verb._actions if each.dest != "help"]  # noqa: SLF001
    return f"\n{table(('option', 'meaning'), rows)}" if rows else "\nIt has no options.\n"


def _option(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper().replace("_", "-")
    if action.choices:
        metavar = "{" + ",".join(str(each) for each in action.choices) + "}"
    if not action.option_strings:
        return f"`{metavar}`"
    value = "" if action.nargs == 0 else f" [{metavar}]" if action.nargs == "?" else f" {metavar}"
    return f"`{', '.join(action.option_strings)}{value}`"


def _option_help(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default}
