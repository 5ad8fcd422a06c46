"""`quarry keys create`."""

import argparse
import asyncio
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
    from quarry.access import load_roles, unknown_scopes
    from quarry.settings import load_settings

    settings = load_settings()
    if unknown := unknown_scopes(arguments.scope or (), load_roles(settings.api.roles_file)):
        raise exits.WrongUsage(f"--scope {unknown[0]}: neither a role nor a permission has that name")
    asyncio.run(_create(settings, arguments))
    return exits.DONE


async def _create(settings: "Settings", arguments: argparse.Namespace) -> None:
    from quarry.access import DEFAULT_ROLE
    from quarry.aws import dynamodb_client
    from quarry.cli.audit import operator_audit
    from quarry.clock import SystemClock, to_rfc3339
    from quarry.keys.dynamodb import DynamoKeys
    from quarry.keys.key import ID_BYTES, SALT_BYTES, SECRET_BYTES, ApiKey, carried, digest_of
    from quarry.telemetry.acts import Act

    audit = operator_audit(settings)
    now = SystemClock().now()
    salt, secret = secrets.token_hex(SALT_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        key_id=secrets.token_hex(ID_BYTES),
        tenant=arguments.tenant,
        name=arguments.name,
        scopes=tuple(arguments.scope or (DEFAULT_ROLE,)),
        salt=salt,
        digest=digest_of(salt, secret),
        created_at=now,
        ends_at=now + timedelta(days=arguments.expires_in) if arguments.expires_in else None,
    )
    async with dynamodb_client(settings.region, 2) as client:
        await DynamoKeys(client, settings.store.table).create(key)
    # Before it is handed out: a key that nobody knows of opens nothing.
    facts = {"name": key.name, "scopes": key.scopes, "ends_at": key.ends_at and to_rfc3339(key.ends_at)}
    audit.record(Act.KEY_CREATED, key.tenant, key_id=key.key_id, **facts)
    print(carried(key.key_id, secret))
    print(f"quarry: key {key.key_id} of {key.tenant}; it will not be shown again", file=sys.stderr)


def _tenant(text: str) -> str:
    from quarry.access import is_tenant

    if not is_tenant(text):
        raise ValueError(text)
    return text
