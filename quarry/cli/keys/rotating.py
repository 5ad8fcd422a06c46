"""`quarry keys rotate`."""

import argparse
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from quarry.cli import exits
from quarry.cli.keys import words
from quarry.clock import to_rfc3339
from quarry.errors import StoreUnavailable

if TYPE_CHECKING:
    from quarry.cli.audit import OperatorAudit
    from quarry.clock import Clock
    from quarry.keys.base import KeyStore
    from quarry.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("key_id", metavar="KEY_ID", help="the id of the key that is to be replaced")
    parser.add_argument(
        "--overlap",
        type=words.hours,
        default=24.0,
        metavar="HOURS",
        help="how long the old key is good beside the new one, at most (default: 24)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the new one, and let the old one end."""
    from quarry.cli.keys.office import carry_out

    async def work(keys: "KeyStore", clock: "Clock", _: "Settings", audit: "OperatorAudit") -> int:
        return await rotate(keys, clock, audit, arguments.key_id, timedelta(hours=arguments.overlap))

    return carry_out(work)


async def rotate(keys: "KeyStore", clock: "Clock", audit: "OperatorAudit", key_id: str, overlap: timedelta) -> int:
    """The new key to stdout before the old one is told to end: at no instant nobody has a key that is good."""
    import secrets

    from quarry.keys.key import minted
    from quarry.telemetry.acts import Act

    old, now = (await keys.get_many([key_id])).get(key_id), clock.now()
    if old is None:
        raise words.no_such_key()
    if not old.is_live(now):
        raise exits.CommandFailed(f"key {key_id} is {old.state(now)}; make another one by `quarry keys create`")
    new, text = minted(old.tenant, old.name, old.scopes, old.lifetime, now=now, random=secrets.token_bytes)
    await keys.create(new)
    end = min(now + overlap, old.ends_at or now + overlap)
    audit.record(Act.KEY_ROTATED, old.tenant, key_id=key_id, successor_id=new.key_id, ends_at=to_rfc3339(end))
    print(text, flush=True)
    print(f"quarry: key {new.key_id} of {new.tenant}; it will not be shown again", file=sys.stderr)
    try:
        await keys.end(key_id, at=now + overlap, revoked=False)
    except StoreUnavailable as error:
        again = f"`quarry keys revoke {key_id}` when the callers have changed over"
        raise exits.CommandFailed(f"the new key is good, but the old one may not end by itself ({error}): {again}") from error
    print(f"quarry: key {key_id} ends at {to_rfc3339(end)}", file=sys.stderr)
    return exits.DONE
