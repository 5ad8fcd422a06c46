"""The ways in which callers can prove who they are, as the settings name them. One file for each; this is their table."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from producer.auth.api_key import ApiKeys
from producer.auth.jwt import tokens
from producer.auth.principal import Scheme
from quarry.clock import Clock
from quarry.keys.base import KeyStore
from quarry.settings import Settings


@dataclass(frozen=True, slots=True)
class Means:
    """What schemes are built from."""

    settings: Settings
    keys: KeyStore
    clock: Clock


@asynccontextmanager
async def schemes(means: Means) -> AsyncIterator[tuple[Scheme, ...]]:
    """The schemes of QUARRY_API__AUTH, in that order, for the length of the block."""
    async with AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(_SCHEMES[name](means)) for name in means.settings.api.schemes])


@asynccontextmanager
async def _api_keys(means: Means) -> AsyncIterator[Scheme]:
    yield ApiKeys(means.keys, means.clock)


_SCHEMES: Final[Mapping[str, Callable[[Means], AbstractAsyncContextManager[Scheme]]]] = {
    "api_key": _api_keys,
    "jwt": lambda means: tokens(means.settings.jwt, means.clock),
}
