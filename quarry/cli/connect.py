"""What the client verbs share: `--api`, `--json`, and the client they make of it."""

import argparse
from typing import TYPE_CHECKING

from quarry.cli.values import url

if TYPE_CHECKING:
    from quarry.client import ApiClient


def add_client_arguments(parser: argparse.ArgumentParser) -> None:
    """`--api` and `--json`."""
    add_api_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON as the API gives it, one object a line")


def add_api_argument(parser: argparse.ArgumentParser) -> None:
    """`--api` alone, for a verb that prints no jobs."""
    parser.add_argument(
        "--api", metavar="URL", type=url, help="base URL of the API (default: QUARRY_CLIENT__API_URL, else http://127.0.0.1:8000)"
    )


def connect(arguments: argparse.Namespace) -> "ApiClient":
    """A client of the API that the options or the environment name."""
    from quarry.client import ApiClient
    from quarry.settings import load_client_settings

    settings = load_client_settings()
    return ApiClient(arguments.api or settings.api_url, settings.api_key.get_secret_value() if settings.api_key else None)
