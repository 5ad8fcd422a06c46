"""Callers with an API key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from producer.auth.keyring import Keyring
from producer.auth.last_uses import LastUses
from producer.auth.principal import Principal
from producer.between import Between
from quarry.access import Roles, permitted
from quarry.clock import Clock
from quarry.errors import Unauthenticated
from quarry.keys.base import KeyStore
from quarry.keys.key import ApiKey, taken_apart

_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)
#: What a secret is compared with where there is no key: that costs the same then, and opens nothing.
_NO_KEY: Final = ApiKey("", "", "", (), salt="0" * 32, digest="0" * 64, created_at=_LONG_AGO, revoked_at=_LONG_AGO)


class ApiKeys:
    """Knows the holders of keys."""

    def __init__(self, keyring: Keyring, uses: LastUses, clock: Clock, roles: Roles) -> None:
        self._keyring = keyring
        self._uses = uses
        self._clock = clock
        self._roles = roles

    async def authenticate(self, credential: str) -> Principal | None:
        parts = taken_apart(credential)
        if parts is None:
            return None
        key_id, secret = parts
        key = await self._keyring.find(key_id) or _NO_KEY
        now = self._clock.now()
        # The comparison first: whoever has no secret learns nothing of the key, by time either.
        if not key.is_opened_by(secret) or not key.is_live(now):
            raise Unauthenticated("no valid credential came with the request", claimed=key_id)
        self._uses.note(key, now)
        return Principal(key.tenant, key.key_id, "api_key", permitted(key.scopes, self._roles))


@asynccontextmanager
async def api_keys(
    keys: KeyStore, clock: Clock, cache_seconds: float, roles: Roles, between: Between | None = None
) -> AsyncIterator[ApiKeys]:
    """The scheme, over the keys in a store. Uses are written within the block; or by `between`, after each request."""
    uses = LastUses(keys, clock)
    scheme = ApiKeys(Keyring(keys, clock, cache_seconds), uses, clock, roles)
    if between:
        between.after.append(uses.write)
        yield scheme
        return
    async with uses.kept():
        yield scheme
