"""`quarry keys create`."""

import argparse
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from quarry.cli import exits
from quarry.cli.keys import words

if TYPE_CHECKING:
    from quarry.clock import Clock
    from quarry.keys.base import KeyStore
    from quarry.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--tenant", required=True, type=words.tenant, help="whose jobs the key submits and sees; letters, digits, - and _"
    )
    parser.add_argument("--name", type=words.name, default="", help="what it is for, for people")
    parser.add_argument(
        "--scope", type=words.scope, action="append", metavar="SCOPE", help="a role or a permission, repeatable (default: member)"
    )
    parser.add_argument(
        "--expires-in", type=words.days, default=365, metavar="DAYS", help="days until it ends; 0: never (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Create, and print."""
    from quarry.cli.keys.office import carry_out

    async def work(keys: "KeyStore", clock: "Clock", _: "Settings") -> int:
        return await create(keys, clock, arguments)

    return carry_out(work)


async def create(keys: "KeyStore", clock: "Clock", arguments: argparse.Namespace) -> int:
    """The key to stdout, and the rest to stderr."""
    import secrets

    from quarry.keys.key import minted

    scopes = tuple(dict.fromkeys(arguments.scope or ("member",)))
    lifetime = timedelta(days=arguments.expires_in) if arguments.expires_in else None
    key, text = minted(arguments.tenant, arguments.name, scopes, lifetime, now=clock.now(), random=secrets.token_bytes)
    await keys.create(key)
    print(text, flush=True)
    print(f"quarry: key {key.key_id} of {key.tenant}; it will not be shown again", file=sys.stderr)
    return exits.DONE
