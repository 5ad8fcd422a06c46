"""The ways in which callers can prove who they are, as the settings name them. One file for each; this is their table."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from producer.auth.api_key import api_keys
from producer.auth.jwt import tokens
from producer.auth.principal import Scheme
from producer.between import Between
from quarry.access import Roles
from quarry.clock import Clock
from quarry.keys.base import KeyStore
from quarry.settings import Settings


@dataclass(frozen=True, slots=True)
class Means:
    """What schemes are built from."""

    settings: Settings
    keys: KeyStore
    clock: Clock
    roles: Roles
    #: Where this process is stopped between requests.
    between: Between | None = None


@asynccontextmanager
async def schemes(means: Means) -> AsyncIterator[tuple[Scheme, ...]]:
    """The schemes of QUARRY_API__AUTH, in that order, for the length of the block."""
    async with AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(_SCHEMES[name](means)) for name in means.settings.api.schemes])


_SCHEMES: Final[Mapping[str, Callable[[Means], AbstractAsyncContextManager[Scheme]]]] = {
    "api_key": lambda means: api_keys(means.keys, means.clock, means.settings.api.key_cache_seconds, means.roles, means.between),
    "jwt": lambda means: tokens(means.settings.jwt, means.clock, means.roles, means.between),
}
