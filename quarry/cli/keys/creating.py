"""`quarry keys create`."""

import argparse
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from quarry.access import DEFAULT_ROLE
from quarry.cli import exits
from quarry.cli.keys import words

if TYPE_CHECKING:
    from quarry.cli.audit import OperatorAudit
    from quarry.clock import Clock
    from quarry.keys.base import KeyStore
    from quarry.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--tenant", required=True, type=words.tenant, help="whose jobs the key submits and sees; letters, digits, - and _"
    )
    parser.add_argument("--name", type=words.name, default="", help="what it is for, for people")
    parser.add_argument("--scope", action="append", metavar="SCOPE", help="a role or a permission, repeatable (default: member)")
    parser.add_argument(
        "--expires-in", type=words.days, default=365, metavar="DAYS", help="days until it ends; 0: never (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Create, and print."""
    from quarry.cli.keys.office import carry_out

    async def work(keys: "KeyStore", clock: "Clock", settings: "Settings", audit: "OperatorAudit") -> int:
        words.check_scopes(arguments.scope or (), settings)
        return await create(keys, clock, audit, arguments)

    return carry_out(work)


async def create(keys: "KeyStore", clock: "Clock", audit: "OperatorAudit", arguments: argparse.Namespace) -> int:
    """The key to stdout, once it is kept and recorded, and the rest to stderr."""
    import secrets

    from quarry.clock import to_rfc3339
    from quarry.keys.key import minted
    from quarry.telemetry.acts import Act

    scopes = tuple(dict.fromkeys(arguments.scope or (DEFAULT_ROLE,)))
    lifetime = timedelta(days=arguments.expires_in) if arguments.expires_in else None
    key, text = minted(arguments.tenant, arguments.name, scopes, lifetime, now=clock.now(), random=secrets.token_bytes)
    await keys.create(key)
    facts = {"name": key.name, "scopes": key.scopes, "ends_at": key.ends_at and to_rfc3339(key.ends_at)}
    audit.record(Act.KEY_CREATED, key.tenant, key_id=key.key_id, **facts)
    print(text, flush=True)
    print(f"quarry: key {key.key_id} of {key.tenant}; it will not be shown again", file=sys.stderr)
    return exits.DONE
