"""The key of a provider: when it is read, and what is done while it cannot be."""

import asyncio
import logging

import pytest
from pydantic import SecretStr

from quarry.errors import ConfigurationError, CredentialsExpired
from quarry.inference.provider_key import ProviderKey, key_in
from quarry.testing import FakeClock


class Vault:
    """Where keys are; None: it does not answer."""

    def __init__(self, key: str | None) -> None:
        self.key = key
        self.reads = 0

    async def read(self) -> SecretStr:
        self.reads += 1
        # As a network would, so that readers meet.
        await asyncio.sleep(0)
        if self.key is None:
            raise ConfigurationError("the secret quarry/key cannot be read")
        return SecretStr(self.key)


@pytest.fixture
def clock() -> FakeClock:
    """One that a test moves."""
    return FakeClock()


async def test_a_key_is_read_once_for_all_that_ask(clock: FakeClock) -> None:
    """Not once for each call: it costs, and takes time."""
    vault = Vault("sk-1")
    key = ProviderKey("gateway", vault.read, clock)
    assert await asyncio.gather(*(key.value() for _ in range(20))) == ["sk-1"] * 20
    await clock.advance(299)
    assert (await key.value(), vault.reads) == ("sk-1", 1)


async def test_a_rotated_key_is_noticed_within_minutes(clock: FakeClock) -> None:
    """Though the old one is still taken, so that it can be revoked then."""
    vault = Vault("old")
    key = ProviderKey("gateway", vault.read, clock)
    await key.load()
    vault.key = "new"
    await clock.advance(300)
    assert await key.value() == "new"


async def test_a_refused_key_is_read_again_but_not_for_every_refusal(clock: FakeClock) -> None:
    """A hundred slots with a wrong key do not become a hundred reads a second."""
    vault = Vault("wrong")
    key = ProviderKey("gateway", vault.read, clock)
    await key.load()
    await clock.advance(9)
    for _ in range(100):
        key.refused()
        await key.value()
    assert vault.reads == 1
    vault.key = "right"
    await clock.advance(1)
    assert (await key.value(), vault.reads) == ("right", 2)


async def test_while_it_cannot_be_read_the_last_one_is_used(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """An outage of Secrets Manager is not one of ours; it is asked again soon."""
    vault = Vault("sk-1")
    key = ProviderKey("gateway", vault.read, clock)
    await key.load()
    vault.key = None
    await clock.advance(300)
    with caplog.at_level(logging.WARNING):
        assert [await key.value(), await key.value()] == ["sk-1"] * 2
    assert vault.reads == 2
    vault.key = "sk-2"
    await clock.advance(10)
    assert await key.value() == "sk-2"


async def test_a_key_that_never_was_is_missed_at_the_start(clock: FakeClock) -> None:
    """Loading tells; a call after that is blocked, and costs its job nothing."""
    key = ProviderKey("gateway", Vault(None).read, clock)
    with pytest.raises(ConfigurationError, match="quarry/key"):
        await key.load()
    with pytest.raises(CredentialsExpired):
        await key.value()


async def test_a_key_is_in_no_repr(clock: FakeClock) -> None:
    """Tracebacks and logs show objects."""
    key = ProviderKey("gateway", Vault("sk-secret").read, clock)
    await key.load()
    assert "sk-secret" not in f"{key!r} {vars(key)!r}"


@pytest.mark.parametrize("secret", ["sk-1", " sk-1\n", '{"api_key": "sk-1"}', '\n{"api_key": "sk-1", "user": "us"}'])
def test_a_secret_is_the_key_or_holds_it(secret: str) -> None:
    """As the console of Secrets Manager writes them, and as files end."""
    assert key_in(secret, "there").get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    "secret", ["", "  ", "s k", "sk\r\nX-Evil: 1", "schlüssel", "{", '{"key": "sk-1"}', '{"api_key": 1}', '{"api_key": "s k"}']
)
def test_what_cannot_be_a_key_is_refused_and_not_quoted(secret: str) -> None:
    """Nor can it bring a header of its own along."""
    with pytest.raises(ConfigurationError, match="there") as caught:
        key_in(secret, "there")
    assert len(secret) < 3 or secret not in str(caught.value)
