"""The signing secrets of tenants: where they are read, and when anew. They are in no log, no repr and no error."""

import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import SecretStr

from quarry.clock import Clock
from quarry.errors import ConfigurationError
from quarry.tenants.webhooks import Webhooks
from quarry.webhooks.signing import signing_key

#: Reads what a place holds. Raises ConfigurationError where it cannot be had.
ReadPlace: TypeAlias = Callable[[str], Awaitable[SecretStr]]

#: Our own choices: a rotated secret is used within minutes; one that cannot be read is not asked for by every delivery.
_FRESH_SECONDS: Final = 300.0
_FAILED_SECONDS: Final = 15.0


@dataclass(slots=True)
class _Known:
    """What was last read of a place, and from when on it is read again."""

    keys: tuple[bytes, ...] = field(default=(), repr=False)
    again_at: float = -math.inf
    error: str | None = None


class SigningSecrets:
    """The keys that deliveries are signed with. While a place cannot be read, what was read before is used."""

    def __init__(self, variable: ReadPlace, secret: ReadPlace, clock: Clock) -> None:
        """`variable` reads one of the environment, `secret` one of Secrets Manager."""
        self._read = {"env": variable, "arn": secret}
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}

    async def keys(self, webhooks: Webhooks) -> list[bytes]:
        """Every key of a tenant, each once.

        Raises:
            ConfigurationError: one of its places cannot be read, or holds no secret; the message names it.
        """
        places = [("env", each) for each in webhooks.secret_env] + [("arn", each) for each in webhooks.secret_arn]
        return list(dict.fromkeys([key for place in places for key in await self._of(place)]))

    async def _of(self, place: tuple[str, str]) -> Iterable[bytes]:
        known = self._known.setdefault(place, _Known())
        now = self._clock.monotonic()
        if now >= known.again_at:
            kind, name = place
            try:
                known.keys = _keys_in(await self._read[kind](name), name)
                known.again_at, known.error = now + _FRESH_SECONDS, None
            except ConfigurationError as error:
                known.again_at, known.error = now + _FAILED_SECONDS, str(error)
        if not known.keys:
            raise ConfigurationError(known.error or f"{place[1]} holds no secret")
        return known.keys


def _keys_in(text: SecretStr, name: str) -> tuple[bytes, ...]:
    """The keys of a place: of one secret, or of several, separated by spaces or lines."""
    try:
        keys = tuple(signing_key(each) for each in text.get_secret_value().split())
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    if not keys:
        raise ConfigurationError(f"{name} holds no secret")
    return keys
