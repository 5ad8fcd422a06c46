"""`quarry tenants`: what the tenants file means. Reads the file, asks nobody."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from quarry.cli import exits

HELP = "Tenants: check tenants.toml, and show what holds for each. Asks nobody and changes nothing."
EXAMPLES = """\
  quarry tenants check
  quarry tenants check tenants.toml
  quarry tenants check tenants.toml acme
  quarry tenants check tenants.toml --json | jq .limits"""

_CHECK: Final = (
    "Read a tenants file as the services do; show what holds for each tenant that it names, or for one. Exit code 78, and every "
    "fault with its line, where the file is wrong."
)
#: What holds for tenants of whom nothing is said, in what is shown.
_OTHERS: Final = "(others)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's verbs."""
    verbs = parser.add_subparsers(
        dest="tenants_verb", metavar="VERB", required=True, help="`quarry tenants VERB --help` shows its options"
    )
    check = verbs.add_parser("check", help=_CHECK, description=_CHECK)
    check.add_argument("file", metavar="FILE", nargs="?", help="the tenants file (default: QUARRY_TENANTS_FILE)")
    check.add_argument("tenant", metavar="TENANT", nargs="?", help="a tenant's name (default: all that are named, and the others)")
    check.add_argument("--json", action="store_true", help="print JSON, one tenant a line")


def run(arguments: argparse.Namespace) -> int:
    """Show each policy; what is wrong with the file is raised."""
    from quarry.settings import load_settings
    from quarry.tenants.tenants_file import load_tenants

    path = arguments.file or load_settings().tenants_file
    tenants = load_tenants(path, variable=None if arguments.file else "QUARRY_TENANTS_FILE")
    asked = [arguments.tenant] if arguments.tenant else [*sorted(tenants.named), _OTHERS]
    for tenant in asked:
        said = _said(asdict(tenants.of(tenant)))
        print(json.dumps({"tenant": tenant} | said, default=str) if arguments.json else _text(tenant, said))
    if arguments.tenant and arguments.tenant not in tenants.named:
        print(f"{arguments.tenant} is named nowhere: this is what holds for every tenant that is not.", file=sys.stderr)
    print(f"{path or 'No file is named, which'} can be used.", file=sys.stderr)
    return exits.DONE


def _said(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy without what is left out."""
    found = {name: _said(value) if isinstance(value, Mapping) else value for name, value in policy.items()}
    return {name: value for name, value in found.items() if value not in (None, {}, (), [])}


def _text(tenant: str, said: Mapping[str, Any]) -> str:
    return "\n".join([tenant, *(f"  {line}" for line in _lines(said))]) if said else f"{tenant}\n  nothing is said"


def _lines(said: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """`limits.requests_per_minute = 600`, as the file could have it."""
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{above}{name}.")
        else:
            yield f"{above}{name} = {json.dumps(value, default=str)}"
