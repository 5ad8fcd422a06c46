"""Callers with an API key."""

from producer.auth.principal import Principal
from quarry.access import Roles, permitted
from quarry.clock import Clock
from quarry.errors import Unauthenticated
from quarry.keys.base import KeyStore
from quarry.keys.key import taken_apart


class ApiKeys:
    """Knows the holders of keys."""

    def __init__(self, keys: KeyStore, clock: Clock, roles: Roles) -> None:
        self._keys = keys
        self._clock = clock
        self._roles = roles

    async def authenticate(self, credential: str) -> Principal | None:
        parts = taken_apart(credential)
        if parts is None:
            return None
        key_id, secret = parts
        key = (await self._keys.get_many([key_id])).get(key_id)
        if key is None or not key.is_opened_by(secret) or not key.is_live(self._clock.now()):
            raise Unauthenticated("no valid credential came with the request", claimed=key_id)
        return Principal(key.tenant, key.key_id, "api_key", permitted(key.scopes, self._roles))
