"""Opening the providers that the routes use: one of each kind, and one for each endpoint that `[providers.NAME]` declares."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from quarry.aws import bedrock_client, read_secret, sagemaker_client, secrets_client
from quarry.clock import Clock
from quarry.errors import ConfigurationError
from quarry.inference.provider_key import ProviderKey, key_in
from quarry.inference.providers.base import Provider
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.providers.openai import OpenAIProvider, chat_session
from quarry.inference.providers.sagemaker import SageMakerProvider
from quarry.inference.routes import ProviderSpec, Routes
from quarry.settings import Environment, Settings, environment_secret

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_LOOPBACK_NAME: Final = "localhost"


@asynccontextmanager
async def opened_providers(
    routes: Routes, settings: Settings, session: "AioSession", clock: Clock
) -> AsyncIterator[Mapping[str, Provider]]:
    """They are open while the block runs, by the name that targets have for them.

    Raises:
        ConfigurationError: an address or a key that is missing or cannot be used; the message names the provider.
    """
    async with AsyncExitStack() as stack:
        opening = _Opening(stack, routes, settings, session, clock)
        providers: dict[str, Provider] = {"echo": EchoProvider()}
        for name in sorted({each.target.provider for route in routes for each in route.targets} - providers.keys()):
            providers[name] = await opening.bedrock() if name == "bedrock" else await opening.declared(routes.providers[name])
        yield providers


class _Opening:
    """What opening them needs, and how each kind is opened."""

    def __init__(self, stack: AsyncExitStack, routes: Routes, settings: Settings, session: "AioSession", clock: Clock) -> None:
        self._stack = stack
        self._routes = routes
        self._settings = settings
        self._session = session
        self._clock = clock

    async def bedrock(self) -> Provider:
        """A client for each region of its targets."""
        targets = [each.target for route in self._routes for each in route.targets]
        regions = sorted({target.region for target in targets if target.provider == "bedrock"})
        slots, session = self._settings.worker.slots, self._session
        return BedrockProvider(
            {each: await self._stack.enter_async_context(bedrock_client(each, slots, session)) for each in regions}
        )

    async def declared(self, spec: ProviderSpec) -> Provider:
        """An endpoint."""
        slots = self._settings.worker.slots
        if spec.kind == "sagemaker":
            return SageMakerProvider(await self._stack.enter_async_context(sagemaker_client(spec.region, slots, self._session)))
        check_address(spec, self._settings.environment)
        key = await self._key(spec)
        return OpenAIProvider(spec.base_url, key, await self._stack.enter_async_context(chat_session(slots)))

    async def _key(self, spec: ProviderSpec) -> ProviderKey | None:
        if spec.api_key_env is None and spec.api_key_secret is None:
            return None
        client = await self._stack.enter_async_context(secrets_client(self._settings.region, self._session))

        async def read() -> SecretStr:
            if spec.api_key_secret is not None:
                return key_in(await read_secret(client, spec.api_key_secret), f"the secret {spec.api_key_secret}")
            secret = environment_secret(spec.api_key_env or "")
            if secret is None:
                raise ConfigurationError(f"the variable {spec.api_key_env} is not set")
            return key_in(secret.get_secret_value(), f"the variable {spec.api_key_env}")

        key = ProviderKey(spec.name, read, self._clock)
        try:
            await key.load()
        except ConfigurationError as error:
            raise ConfigurationError(f"[providers.{spec.name}]: {error}") from error
        return key


def check_address(spec: ProviderSpec, environment: Environment) -> None:
    """See that nothing goes over a network in clear unless that is declared.

    Raises:
        ConfigurationError: it would; the message names the provider.
    """
    url = urlsplit(spec.base_url)
    near = environment is Environment.LOCAL or _is_loopback(url.hostname or "")
    if url.scheme == "http" and not near and not spec.plaintext:
        raise ConfigurationError(
            f"[providers.{spec.name}] base_url sends prompts in clear to another host; use https, or declare `plaintext = true`"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == _LOOPBACK_NAME
