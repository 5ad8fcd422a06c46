"""`quarry keys create`."""

import argparse
import asyncio
import re
import secrets
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from quarry.cli import exits

if TYPE_CHECKING:
    from quarry.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--tenant", required=True, type=_tenant, help="whose jobs the key submits and sees; letters, digits, - and _"
    )
    parser.add_argument("--name", default="", help="what it is for, for people")
    parser.add_argument("--scope", action="append", metavar="SCOPE", help="a role or a permission, repeatable (default: member)")
    parser.add_argument("--expires-in", type=int, default=365, metavar="DAYS", help="days until it ends; 0: never (default: 365)")


def run(arguments: argparse.Namespace) -> int:
    """Create, and print."""
    from quarry.settings import load_settings

    asyncio.run(_create(load_settings(), arguments))
    return exits.DONE


async def _create(settings: "Settings", arguments: argparse.Namespace) -> None:
    from quarry.aws import dynamodb_client
    from quarry.clock import SystemClock
    from quarry.keys.dynamodb import DynamoKeys
    from quarry.keys.key import ID_BYTES, SALT_BYTES, SECRET_BYTES, ApiKey, carried, digest_of

    now = SystemClock().now()
    salt, secret = secrets.token_hex(SALT_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        key_id=secrets.token_hex(ID_BYTES),
        tenant=arguments.tenant,
        name=arguments.name,
        scopes=tuple(arguments.scope or ("member",)),
        salt=salt,
        digest=digest_of(salt, secret),
        created_at=now,
        ends_at=now + timedelta(days=arguments.expires_in) if arguments.expires_in else None,
    )
    async with dynamodb_client(settings.region, 2) as client:
        await DynamoKeys(client, settings.store.table).create(key)
    print(carried(key.key_id, secret))
    print(f"quarry: key {key.key_id} of {key.tenant}; it will not be shown again", file=sys.stderr)


def _tenant(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        raise ValueError(text)
    return text
