"""`quarry keys revoke`."""

import argparse
import sys
from typing import TYPE_CHECKING

from quarry.cli import exits
from quarry.cli.keys import words

if TYPE_CHECKING:
    from quarry.cli.audit import OperatorAudit
    from quarry.clock import Clock
    from quarry.keys.base import KeyStore
    from quarry.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("key_id", metavar="KEY_ID", help="the id of the key")


def run(arguments: argparse.Namespace) -> int:
    """Revoke, and say since when nobody is let in with it."""
    from quarry.cli.keys.office import carry_out

    async def work(keys: "KeyStore", clock: "Clock", settings: "Settings", audit: "OperatorAudit") -> int:
        return await revoke(keys, clock, audit, arguments.key_id, settings.api.key_cache_seconds)

    return carry_out(work)


async def revoke(keys: "KeyStore", clock: "Clock", audit: "OperatorAudit", key_id: str, cache_seconds: int) -> int:
    """For good; doing it again changes nothing."""
    from quarry.telemetry.acts import Act

    key = (await keys.get_many([key_id])).get(key_id)
    if key is None or not await keys.end(key_id, at=clock.now(), revoked=True):
        raise words.no_such_key()
    audit.record(Act.KEY_REVOKED, key.tenant, key_id=key_id)
    print(
        f"quarry: key {key_id} is revoked; within {cache_seconds} s (QUARRY_API__KEY_CACHE_SECONDS) no API lets anybody in with it",
        file=sys.stderr,
    )
    return exits.DONE
