"""`quarry routes check`."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from quarry.cli import exits
from quarry.cli.values import listed

if TYPE_CHECKING:
    from quarry.inference.routes import Route, Routes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="the routes file (default: QUARRY_ROUTES_FILE, else what is built in)"
    )
    parser.add_argument(
        "route", metavar="ROUTE", nargs="?", help="a route's name, or a model id that a target serves (default: all)"
    )
    parser.add_argument(
        "--allowed-regions",
        metavar="REGIONS",
        type=listed,
        default=[],
        help="AWS regions with commas between: who would serve a job that is processed nowhere else (default: any)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one route a line")


def run(arguments: argparse.Namespace) -> int:
    """Explain each route; what is wrong with the file is raised."""
    from quarry.cli.routes.explaining import as_text, explained
    from quarry.settings import is_set

    routes, source = _read(arguments.file)
    asked = list(routes) if arguments.route is None else [_named(routes, arguments.route)]
    shown = [explained(route, routes.providers, is_set, tuple(arguments.allowed_regions)) for route in asked]
    print(*(map(json.dumps, shown) if arguments.json else ["\n\n".join(map(as_text, shown))]), sep="\n")
    notes = sum(len(route["notes"]) + sum(len(each["notes"]) for each in route["targets"]) for route in shown)
    unusual = {0: "nothing is unusual", 1: "one thing is unusual"}.get(notes, f"{notes} things are unusual")
    print(f"{source} can be used; {unusual}.", file=sys.stderr)
    return exits.DONE


def _read(path: str | None) -> "tuple[Routes, str]":
    """The routes, and what to call where they come from."""
    from quarry.inference.routes_file import load_routes
    from quarry.settings import load_settings

    if path is not None:
        return load_routes(path, "", variable=None), path
    settings = load_settings()
    return load_routes(settings.routes_file, settings.region), settings.routes_file or "The built-in route"


def _named(routes: "Routes", name: str) -> "Route":
    from quarry.errors import ModelNotAllowed

    try:
        return routes.resolve(name)
    except ModelNotAllowed as error:
        raise exits.WrongUsage(f"ROUTE {name!r}: {error}") from error
