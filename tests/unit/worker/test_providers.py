"""Opening providers: what is refused at the start, and what they are called."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from quarry.aws import new_session
from quarry.errors import ConfigurationError, GuardrailUnusable, InvocationTimedOut
from quarry.inference.providers.openai import OpenAIProvider
from quarry.inference.providers.sagemaker import SageMakerProvider
from quarry.inference.routes import ProviderSpec, Route, Routes
from quarry.invocation import Guardrail, Invocation, Target
from quarry.settings import Environment, load_settings
from quarry.telemetry.metrics import FilesMetrics
from quarry.tenants.guard import Guard
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.reload import TenantsFile
from quarry.testing import FakeClock
from worker.providers import check_address, opened_providers


def spec(base_url: str = "https://llm.example/v1", **more: Any) -> ProviderSpec:
    """A server of chat completions."""
    return ProviderSpec("gateway", "openai", base_url, **more)


def opened(*specs: ProviderSpec) -> AbstractAsyncContextManager[Any]:
    """The providers of a route with a target at each."""
    targets = [Target(each.name, each.region, "m") for each in specs]
    routes = Routes([Route.of("default", *targets)], [*specs, ProviderSpec("unused", "openai", "ftp://nowhere")])
    return opened_providers(routes, load_settings(), new_session(), FakeClock())


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "QUARRY_API__AUTH": "api_key",
        "GATEWAY_KEY": "sk-secret",
    }.items():
        monkeypatch.setenv(name, value)


async def test_each_is_known_by_the_name_that_targets_have_for_it() -> None:
    """One that no target names is not opened, and so is not at fault."""
    endpoints = ProviderSpec("endpoints", "sagemaker", region="eu-west-3")
    async with opened(spec(api_key_env="GATEWAY_KEY"), endpoints) as providers:
        assert {name: type(each.provider) for name, each in providers.items() if name not in ("echo", "bedrock")} == {
            "gateway": OpenAIProvider,
            "endpoints": SageMakerProvider,
        }


async def test_a_key_that_is_missing_stops_the_start() -> None:
    """By the name of its variable."""
    with pytest.raises(ConfigurationError, match=r"\[providers\.gateway\]: the variable NO_SUCH_KEY is not set"):
        async with opened(spec(api_key_env="NO_SUCH_KEY")):
            pass


async def test_a_key_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not quoted."""
    monkeypatch.setenv("GATEWAY_KEY", "sk secret")
    with pytest.raises(ConfigurationError, match="GATEWAY_KEY holds no key") as caught:
        async with opened(spec(api_key_env="GATEWAY_KEY")):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "environment", "plaintext"),
    [
        ("https://llm.example/v1", Environment.PRODUCTION, False),
        ("http://127.0.0.1:4000", Environment.PRODUCTION, False),
        ("http://[::1]:4000/v1", Environment.PRODUCTION, False),
        ("http://localhost:11434/v1", Environment.PRODUCTION, False),
        ("http://vllm.internal:8000/v1", Environment.PRODUCTION, True),
        ("http://vllm:8000/v1", Environment.LOCAL, False),
    ],
)
def test_addresses(base_url: str, environment: Environment, plaintext: bool) -> None:
    """TLS; or nobody is in between; or it is said that nobody listens there."""
    check_address(spec(base_url, plaintext=plaintext), environment)


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("http://vllm.internal:8000/v1", "in clear"),
        ("http://10.0.0.7:8000/v1", "in clear"),
        ("http://localhost.evil.example/v1", "in clear"),
    ],
)
def test_addresses_that_are_refused(base_url: str, reason: str) -> None:
    """At the start, with the provider's name."""
    with pytest.raises(ConfigurationError, match=rf"\[providers\.gateway\] base_url .*{reason}"):
        check_address(spec(base_url), Environment.PRODUCTION)


def routed(*targets: Target, specs: tuple[ProviderSpec, ...] = ()) -> Routes:
    """Routes over these targets."""
    return Routes([Route.of("default", *targets)], specs)


async def test_new_routes_get_what_they_need_and_old_ones_keep_it() -> None:
    """A region that comes is called there; one that goes stays open, for jobs in flight. A provider that moves is another one."""
    here, there = (Target("bedrock", region, "amazon.nova-lite-v1:0") for region in ("eu-west-1", "eu-west-3"))
    moved = spec("https://elsewhere.example/v1")
    async with opened(spec()) as providers:
        first, bedrock = providers["gateway"], providers["bedrock"]
        await providers.follow(routed(here))
        await providers.follow(routed(there, Target("gateway", "", "m"), specs=(moved,)))
        assert providers["bedrock"] is bedrock
        for target in (here, there):
            # There is a client, and no time to send anything.
            with pytest.raises(InvocationTimedOut):
                await bedrock.invoke(target, Invocation(native={}), timeout=timedelta(0), labels={})
        assert providers["gateway"] is not first
        await providers.follow(routed(Target("gateway", "", "m"), specs=(spec(),)))
        assert providers["gateway"] is first


class Ruling:
    """Bedrock Runtime, as far as guardrails go: nothing is forbidden."""

    def __init__(self, asked: list[str], region: str) -> None:
        self._asked = asked
        self._region = region

    async def apply_guardrail(self, **request: Any) -> dict[str, Any]:
        self._asked.append(f"{self._region} {request['source']}")
        return {"action": "NONE", "outputs": []}


class Hasty(FakeClock):
    """Nobody waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


GUARDRAIL = Guardrail("eu-west-3", "gr1abc2def3g", "3")
GUARDED = Tenants(Policy(guard=Guard(guardrails={"eu-west-3": GUARDRAIL})))


async def test_a_guardrail_that_comes_while_the_worker_runs_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its region is opened before the policy holds. Until it is, nothing is asked without the guardrail."""
    asked: list[str] = []

    @asynccontextmanager
    async def bedrock(region: str, *_: Any) -> AsyncIterator[Ruling]:
        yield Ruling(asked, region)

    monkeypatch.setattr("worker.providers.bedrock_client", bedrock)
    question = Invocation(messages=({"role": "user", "content": [{"text": "Hi"}]},), guardrail=GUARDRAIL)
    async with opened() as providers:
        call = partial(providers["echo"].invoke, Target("echo", "", "echo"), question, timeout=timedelta(1), labels={})
        with pytest.raises(GuardrailUnusable):
            await call()
        assert asked == []
        await providers.follow_tenants(GUARDED)
        assert "Hi" in (await call()).text
        assert asked == ["eu-west-3 INPUT", "eu-west-3 OUTPUT"]


async def test_a_guardrail_whose_region_cannot_be_opened_refuses_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loudly, and what held before goes on holding: the policy that wants the guardrail never holds without it."""

    @asynccontextmanager
    async def bedrock(region: str, *_: Any) -> AsyncIterator[Ruling]:
        raise ConfigurationError(f"{region} is nowhere")
        yield

    monkeypatch.setattr("worker.providers.bedrock_client", bedrock)
    path = tmp_path / "tenants.toml"
    path.write_text("")
    file = TenantsFile(str(path), FilesMetrics(CollectorRegistry()), Hasty())
    async with opened() as providers:
        file.prepare = providers.follow_tenants
        path.write_text('[default.guard.guardrails.eu-west-3]\nid = "gr1abc2def3g"\nversion = "3"\n')
        with capture_logs() as logs:
            await file.look()
    assert [(each["event"], each["error"]) for each in logs] == [("tenants.refused", "eu-west-3 is nowhere")]
    assert file.tenants.of("acme").guard.guardrails == {}


async def test_what_cannot_be_opened_changes_nothing_and_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again and again while the file says so."""
    open_now: list[str] = []

    @asynccontextmanager
    async def secrets(region: str, _session: Any) -> AsyncIterator[None]:
        open_now.append(region)
        try:
            yield
        finally:
            open_now.remove(region)

    monkeypatch.setattr("worker.providers.secrets_client", secrets)
    async with opened(spec()) as providers:
        before = dict(providers)
        with pytest.raises(ConfigurationError):
            await providers.follow(routed(Target("gateway", "", "m"), specs=(spec(api_key_env="NO_SUCH_KEY"),)))
        assert (dict(providers), open_now) == (before, [])
        await providers.follow(routed(Target("gateway", "", "m"), specs=(spec(api_key_env="GATEWAY_KEY"),)))
        assert open_now == ["eu-west-1"]
    assert open_now == []
