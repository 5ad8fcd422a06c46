"""Opening the providers that the routes use: one of each kind, and one for each endpoint that `[providers.NAME]` declares."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from quarry.aws import bedrock_client, read_secret, sagemaker_client, secrets_client
from quarry.clock import Clock
from quarry.errors import ConfigurationError
from quarry.inference.guardrails import GuardedProvider
from quarry.inference.provider_key import ProviderKey, key_in
from quarry.inference.providers.base import Provider
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.providers.openai import OpenAIProvider, chat_session
from quarry.inference.providers.sagemaker import SageMakerProvider
from quarry.inference.routes import ProviderSpec, Routes
from quarry.settings import Environment, Settings, environment_secret
from quarry.tenants.policy import Tenants

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_bedrock_runtime import BedrockRuntimeClient

_T = TypeVar("_T")


@asynccontextmanager
async def opened_providers(
    routes: Routes, settings: Settings, session: "AioSession", clock: Clock, tenants: Tenants | None = None
) -> AsyncIterator["OpenProviders"]:
    """They are open while the block runs.

    Raises:
        ConfigurationError: an address or a key that is missing or cannot be used; the message names the provider.
    """
    async with AsyncExitStack() as stack:
        providers = OpenProviders(stack, settings, session, clock, tenants or Tenants())
        await providers.follow(routes)
        yield providers


class OpenProviders(Mapping[str, Provider]):
    """By the name that targets have for them.

    What was opened stays open to the end: a job in flight may call what no route names any more.
    """

    def __init__(self, stack: AsyncExitStack, settings: Settings, session: "AioSession", clock: Clock, tenants: Tenants) -> None:
        self._stack = stack
        self._tenants = tenants
        self._opening = _Opening(settings, session, clock)
        #: Bedrock's clients, by region.
        self._clients: dict[str, Any] = {}
        self._declared: dict[ProviderSpec, Provider] = {}
        self._guarded = partial(GuardedProvider, clients=self._clients, clock=clock)
        self._by_name: dict[str, Provider] = {
            "echo": self._guarded(EchoProvider()),
            "bedrock": BedrockProvider(self._clients),
        }

    def __getitem__(self, name: str) -> Provider:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    async def follow(self, routes: Routes) -> None:
        """Open what these routes use and is not open yet, or is declared otherwise than it was.

        Raises:
            ConfigurationError: something cannot be opened; then every name leads where it led.
        """
        used = {each.target for route in routes for each in route.targets}
        await self._reach({target.region for target in used if target.provider == "bedrock"} | self._tenants.guardrail_regions)
        specs = {name: routes.providers[name] for name in sorted({target.provider for target in used} & routes.providers.keys())}
        for spec in specs.values():
            if spec not in self._declared:
                self._declared[spec] = self._guarded(await self._kept(partial(self._opening.declared, spec)))
        self._by_name |= {name: self._declared[spec] for name, spec in specs.items()}

    async def follow_tenants(self, tenants: Tenants) -> None:
        """Open the regions of these tenants' guardrails, before what is said of them holds.

        Raises:
            ConfigurationError: one cannot be opened.
        """
        await self._reach(tenants.guardrail_regions)

    async def _reach(self, regions: AbstractSet[str]) -> None:
        for region in sorted(regions - self._clients.keys()):
            self._clients[region] = await self._kept(partial(self._opening.bedrock, region))

    async def _kept(self, opening: Callable[[AsyncExitStack], Awaitable[_T]]) -> _T:
        """What an opening gives. What it had opened until it failed is closed: it may be tried again and again."""
        async with AsyncExitStack() as stack:
            opened = await opening(stack)
            self._stack.push_async_callback(stack.pop_all().aclose)
        return opened


class _Opening:
    """What opening them needs, and how each kind is opened."""

    def __init__(self, settings: Settings, session: "AioSession", clock: Clock) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock

    async def bedrock(self, region: str, stack: AsyncExitStack) -> "BedrockRuntimeClient":
        """A client of one region."""
        return await stack.enter_async_context(bedrock_client(region, self._settings.worker.slots, self._session))

    async def declared(self, spec: ProviderSpec, stack: AsyncExitStack) -> Provider:
        """An endpoint."""
        slots = self._settings.worker.slots
        if spec.kind == "sagemaker":
            return SageMakerProvider(await stack.enter_async_context(sagemaker_client(spec.region, slots, self._session)))
        check_address(spec, self._settings.environment)
        key = await self._key(spec, stack)
        return OpenAIProvider(spec.base_url, key, await stack.enter_async_context(chat_session(slots)))

    async def _key(self, spec: ProviderSpec, stack: AsyncExitStack) -> ProviderKey | None:
        if spec.api_key_env is None and spec.api_key_secret is None:
            return None
        client = await stack.enter_async_context(secrets_client(self._settings.region, self._session))

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
            raise ConfigurationError(f"{spec.place}: {error}") from error
        return key


def check_address(spec: ProviderSpec, environment: Environment) -> None:
    """See that nothing goes over a network in clear unless that is declared.

    Raises:
        ConfigurationError: it would; the message names the provider.
    """
    if spec.in_clear and environment is not Environment.LOCAL:
        raise ConfigurationError(
            f"{spec.place} base_url sends prompts in clear to another host; use https, or declare `plaintext = true`"
        )
