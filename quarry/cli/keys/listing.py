"""`quarry keys list`."""

import argparse
import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from quarry.cli import exits
from quarry.cli.keys import words
from quarry.cli.show import columns
from quarry.clock import to_rfc3339

if TYPE_CHECKING:
    from quarry.cli.audit import OperatorAudit
    from quarry.clock import Clock
    from quarry.keys.base import KeyStore
    from quarry.keys.key import ApiKey
    from quarry.settings import Settings

_HEAD: Final = ("id", "tenant", "name", "scopes", "created", "ends", "last used", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--tenant", type=words.tenant, help="only this tenant's (default: everybody's)")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each key."""
    from quarry.cli.keys.office import carry_out

    async def work(keys: "KeyStore", clock: "Clock", _settings: "Settings", _audit: "OperatorAudit") -> int:
        found = [shown(key, clock.now()) for key in await keys.list(arguments.tenant)]
        for line in map(json.dumps, found) if arguments.json else [as_table(found)]:
            print(line)
        return exits.DONE

    return carry_out(work)


def shown(key: "ApiKey", now: datetime) -> dict[str, Any]:
    """What anybody may know of a key."""
    instants = {
        "created_at": key.created_at, "ends_at": key.ends_at, "revoked_at": key.revoked_at, "last_used_at": key.last_used_at,
    }  # fmt: skip
    return {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": list(key.scopes),
        **{name: to_rfc3339(at) if at else None for name, at in instants.items()},
        "state": key.state(now),
    }


def as_table(keys: Sequence[dict[str, Any]]) -> str:
    """Aligned columns below a head."""
    return columns([_HEAD, *map(_row, keys)])


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    ends, used = key["ends_at"] or "never", key["last_used_at"] or "never"
    return (key["key_id"], key["tenant"], key["name"], ",".join(key["scopes"]), key["created_at"], ends, used, key["state"])
