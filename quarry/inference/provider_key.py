"""The key of a provider: where it is read, and when anew. It is in no log, no repr and no error."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from pydantic import SecretStr

from quarry.clock import Clock
from quarry.errors import ConfigurationError, CredentialsExpired, InvocationError
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

#: Reads a secret, each time anew. Raises ConfigurationError where it cannot be had.
Read: TypeAlias = Callable[[], Awaitable[SecretStr]]

#: Our own choices: a rotated key is noticed within minutes, or by the first call that is refused; and a wrong one is not read again
#: for every call that it fails.
_FRESH_SECONDS: Final = 300.0
_REFUSED_SECONDS: Final = 10.0


class ProviderKey:
    """A key that is read again now and then, and soon after it was refused. While it cannot be read, the last one is used."""

    def __init__(self, name: str, read: Read, clock: Clock) -> None:
        self._name = name
        self._read = read
        self._clock = clock
        self._lock = asyncio.Lock()
        self._key: SecretStr | None = None
        self._read_at = -math.inf
        self._fresh_seconds = _REFUSED_SECONDS

    async def load(self) -> None:
        """Read it.

        Raises:
            ConfigurationError: there is none; the message says where it was looked for.
        """
        self._read_at, self._fresh_seconds = self._clock.monotonic(), _REFUSED_SECONDS
        self._key = await self._read()
        self._fresh_seconds = _FRESH_SECONDS

    async def value(self) -> str:
        """The key, from memory while it is fresh.

        Raises:
            CredentialsExpired: it cannot be had.
        """
        # While one reads it anew, the others go on with the one that there is; the first one they await.
        if self._is_old() or self._key is None:
            async with self._lock:
                if self._is_old():
                    try:
                        await self.load()
                    except ConfigurationError as error:
                        _log.warning(Event.READ_OF_KEY_FAILED, provider=self._name, error=str(error))
        if self._key is None:
            raise CredentialsExpired(f"the key of {self._name} cannot be read")
        return self._key.get_secret_value()

    def hide(self, error: InvocationError) -> None:
        """Take it out of what the provider said: some quote what they were sent."""
        if self._key is not None:
            error.args = (str(error).replace(self._key.get_secret_value(), "[key]"),)

    def refused(self) -> None:
        """The provider does not take it (any more): it is read again, if that was not done a moment ago."""
        self._fresh_seconds = _REFUSED_SECONDS

    def _is_old(self) -> bool:
        return self._clock.monotonic() >= self._read_at + self._fresh_seconds


def key_in(secret: str, place: str) -> SecretStr:
    """The key in a secret: the whole of it, or the `api_key` of a JSON object. `place` says where it is.

    Raises:
        ConfigurationError: there is none, or it cannot stand in a header. It is not quoted.
    """
    key: object = secret.strip()
    if secret.lstrip().startswith("{"):
        try:
            key = json.loads(secret).get("api_key")
        except (ValueError, RecursionError):
            key = None
    if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            f"{place} holds no key: it must be one text without spaces, or a JSON object with that as `api_key`"
        )
    return SecretStr(key)
