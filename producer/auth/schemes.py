"""The ways in which callers can prove who they are, as the settings name them. One file for each; this is their table."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientSession

from producer.auth.api_key import ApiKeys
from producer.auth.issuer import Issuer
from producer.auth.jwks import SigningKeys
from producer.auth.jwt import Tokens
from producer.auth.principal import Scheme
from quarry.clock import Clock
from quarry.keys.base import KeyStore
from quarry.settings import Settings, listed


@dataclass(frozen=True, slots=True)
class Means:
    """What schemes are built from."""

    settings: Settings
    keys: KeyStore
    clock: Clock


@asynccontextmanager
async def schemes(means: Means) -> AsyncIterator[tuple[Scheme, ...]]:
    """The schemes of QUARRY_API__AUTH, in that order; they are kept fresh for the length of the block."""
    async with AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(_SCHEMES[name](means)) for name in means.settings.api.schemes])


@asynccontextmanager
async def _api_key(means: Means) -> AsyncIterator[Scheme]:
    yield ApiKeys(means.keys, means.clock)


@asynccontextmanager
async def _jwt(means: Means) -> AsyncIterator[Scheme]:
    settings = means.settings.jwt
    # As the AWS clients do, it goes through the proxy that the environment names.
    async with ClientSession(trust_env=True) as http:
        issuer = Issuer(http, settings.issuer or "", settings.jwks_url, listed(settings.algorithms))
        keys = SigningKeys(issuer.keys, means.clock, settings.keys_seconds)
        keeping = asyncio.create_task(keys.keep())
        try:
            yield Tokens(keys, settings, means.clock)
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})


_SCHEMES: Final[Mapping[str, Callable[[Means], AbstractAsyncContextManager[Scheme]]]] = {"api_key": _api_key, "jwt": _jwt}
