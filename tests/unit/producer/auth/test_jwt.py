"""Which tokens hold, whose they are, and what they permit."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.auth import jwt
from producer.auth.jwks import SigningKeys
from producer.auth.jwt import TOKEN_MAX_BYTES, Tokens
from producer.auth.principal import Principal
from quarry.access import BUILT_IN
from quarry.errors import Unauthenticated
from quarry.settings import ALGORITHMS, JwtSettings
from quarry.testing.clock import FakeClock
from tests.support.issuer import AUDIENCE, TestIssuer, a_key, b64

RSA, OTHER = a_key("RS256"), a_key("RS256", "other")
NOW = FakeClock().now().timestamp()


ALL = BUILT_IN["member"]


class World:
    """An issuer whose keys are known, and the scheme."""

    def __init__(self, **changed: Any) -> None:
        self.clock = FakeClock()
        self.issuer = TestIssuer(RSA, OTHER)
        chosen: dict[str, Any] = {"issuer": self.issuer.url, "audience": AUDIENCE, "algorithms": ",".join(ALGORITHMS)}
        self.keys = SigningKeys(self.issuer.keys, self.clock, 600)
        self.tokens = Tokens(self.keys, JwtSettings(**(chosen | changed)), self.clock, BUILT_IN)

    def token(self, **changed: Any) -> str:
        return self.issuer.token(self.issuer.claims(self.clock.now().timestamp(), **changed))

    async def caller(self, token: str) -> Principal | None:
        return await self.tokens.authenticate(token)

    async def holds(self, token: str) -> bool:
        try:
            return await self.caller(token) is not None
        except Unauthenticated:
            return False


@asynccontextmanager
async def knowing(world: World) -> AsyncIterator[World]:
    """The issuer's keys have been fetched."""
    async with world.keys.kept():
        await world.clock.settle()
        yield world


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with knowing(World()) as world:
        yield world


async def test_who_bears_a_sound_token_is_who_it_says(world: World) -> None:
    """Tenant, subject, and what the roles permit."""
    assert await world.caller(world.token()) == Principal("acme", "ada", "jwt", ALL)
    assert await world.caller(world.token(aud=["others", AUDIENCE], nbf=None, iat=None)) is not None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_each_algorithm_that_can_be_allowed_verifies(algorithm: str) -> None:
    """And a token altered after it was signed does not hold."""
    world = World(algorithms=algorithm)
    world.issuer.rotate(a_key(algorithm))
    async with knowing(world):
        token = world.token()
        assert await world.holds(token)
        assert not await world.holds(_altered(token))


def _pem() -> bytes:
    return RSA.as_pem(private=False)  # type: ignore[union-attr]


def _hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signing = f"{b64(header)}.{b64(claims)}"
    return f"{signing}.{b64(hmac.digest(secret, signing.encode(), hashlib.sha256))}"


def _altered(token: str) -> str:
    """Another payload under the same signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{b64(claims | {'tenant': 'other'})}.{signature}"


Making = Callable[[TestIssuer], str]


def _claims(**changed: Any) -> Making:
    return lambda issuer: issuer.token(issuer.claims(NOW, **changed))


def _payload(payload: Any) -> Making:
    return lambda issuer: issuer.token(payload)


def _header(**changed: Any) -> Making:
    return lambda issuer: issuer.token(issuer.claims(NOW), **changed)


def _signed(key: Any, **header: Any) -> Making:
    return lambda issuer: issuer.token(issuer.claims(NOW), key, **header)


def _raw(header: Any, signature: str = "") -> Making:
    return lambda issuer: f"{b64(header)}.{b64(issuer.claims(NOW))}.{signature}"


ATTACKERS = a_key("RS256", "attackers")
UNPUBLISHED = a_key("RS256", "first", alg="RS256", use="sig", of="somebody else")

BAD: dict[str, Making] = {
    "expired": _claims(exp=int(NOW) - 30),
    "without exp": _claims(exp=None),
    "exp is a string": _claims(exp=str(int(NOW) + 600)),
    "exp is true": _claims(exp=True),
    "exp is no number": _payload(b'{"exp": NaN}'),
    "exp is out of this world": _claims(exp=10**400),
    "not yet": _claims(nbf=int(NOW) + 31),
    "issued in the future": _claims(iat=int(NOW) + 31),
    "of another issuer": _claims(iss="http://issuer.example/"),
    "without issuer": _claims(iss=None),
    "issuers": _claims(iss=["http://issuer.example"]),
    "for another audience": _claims(aud="quarry2"),
    "for other audiences": _claims(aud=["a", "b"]),
    "for nobody": _claims(aud=[]),
    "without audience": _claims(aud=None),
    "audience is a mapping": _claims(aud={"quarry": 1}),
    "without subject": _claims(sub=None),
    "empty subject": _claims(sub=""),
    "subject is a number": _claims(sub=7),
    "long subject": _claims(sub="x" * 256),
    "without tenant": _claims(tenant=None),
    "tenant is a list": _claims(tenant=["acme"]),
    "tenant is a number": _claims(tenant=7),
    "empty tenant": _claims(tenant=""),
    "tenant of two": _claims(tenant="acme#other"),
    "tenant of two lines": _claims(tenant="acme\n"),
    "tenant of another alphabet": _claims(tenant="ácme"),
    "tenant with a path": _claims(tenant="../acme"),
    "long tenant": _claims(tenant="x" * 65),
    "alg none": _raw({"alg": "none"}),
    "alg None": _raw({"alg": "None", "kid": "first"}),
    "alg none, signed": _raw({"alg": "none", "kid": "first"}, "c2lnbmVk"),
    "alg is a list": _raw({"alg": ["RS256"], "kid": "first"}, "c2lnbmVk"),
    "no alg": _raw({"kid": "first"}, "c2lnbmVk"),
    "unsigned": _raw({"alg": "RS256", "kid": "first"}),
    "signed with the public key as a secret": lambda issuer: _hs256({"alg": "HS256", "kid": "first"}, issuer.claims(NOW), _pem()),
    "signed with the published key as a secret": lambda issuer: _hs256(
        {"alg": "HS256", "kid": "first"}, issuer.claims(NOW), json.dumps(RSA.as_dict(private=False)).encode()
    ),
    "signed with nothing as a secret": lambda issuer: _hs256({"alg": "HS256", "kid": "first"}, issuer.claims(NOW), b""),
    "another algorithm than the key's": _header(alg="RS512"),
    "another kind than the key's": _signed(a_key("ES256"), kid="first"),
    "by somebody else, under a known id": _signed(UNPUBLISHED, kid="first"),
    "by a key of another id": _header(kid="other"),
    "unknown key id": _signed(ATTACKERS),
    "no key id": _header(kid=None),
    "key id is a number": _header(kid=1),
    "brings its own key": _signed(ATTACKERS, jwk=ATTACKERS.as_dict(private=False)),
    "brings its own key, under a known id": _signed(ATTACKERS, kid="first", jwk=ATTACKERS.as_dict(private=False)),
    "brings the place of its keys": _signed(ATTACKERS, kid="first", jku="http://127.0.0.1:1/keys"),
    "brings the place of its certificate": _signed(ATTACKERS, kid="first", x5u="http://127.0.0.1:1/cert"),
    "critical extension": _header(crit=["exp"], exp=1),
    "critical extension that libraries know": _header(crit=["b64"], b64=True),
    "critical parameter that is no extension": _header(crit=["kid"]),
    "nothing critical": _header(crit=[]),
    "unencoded payload": _header(b64=False),
    "of another type": _header(typ="logout+jwt"),
    "type is a number": _header(typ=1),
    "payload is a list": _payload([1]),
    "payload is a string": _payload(b'"exp"'),
    "payload is no JSON": _payload(b"{"),
    "payload is no text": _payload(b"\xff\xfe"),
    "payload is nested too deep": _payload(b"[" * 4000),
    "header is a list": lambda issuer: f"{b64(['alg'])}.{b64(issuer.claims(NOW))}.c2lnbmVk",
    "header is a string": lambda issuer: f"{b64(json.dumps('alg'))}.{b64(issuer.claims(NOW))}.c2lnbmVk",
    "header is no JSON": lambda issuer: f"{b64('alg')}.{b64(issuer.claims(NOW))}.c2lnbmVk",
    "header is nested too deep": lambda issuer: f"{b64('[' * 5000)}.e30.c2lnbmVk",
    "nothing at all": lambda _: "..",
    "no token": lambda _: "www.example.com",
    "of another alphabet": lambda issuer: issuer.token(issuer.claims(NOW)) + "é",
    "with padding": lambda issuer: issuer.token(issuer.claims(NOW)) + "=",
    "altered": lambda issuer: _altered(issuer.token(issuer.claims(NOW))),
    "too large": _claims(padding="x" * TOKEN_MAX_BYTES),
}


@pytest.mark.parametrize("making", BAD.values(), ids=BAD)
async def test_what_is_wrong_with_a_token_is_one_thing_for_its_bearer(world: World, making: Making) -> None:
    """It is ours, and does not hold; nothing says why. No key that comes with it is used, or fetched from where it says."""
    with pytest.raises(Unauthenticated) as refused:
        await world.caller(making(world.issuer))
    assert str(refused.value) == "no valid credential came with the request"
    assert await world.holds(world.token())


@pytest.mark.parametrize(
    "making",
    [
        _claims(exp=int(NOW) - 29),
        _claims(nbf=int(NOW) + 30),
        _claims(iat=int(NOW) + 30),
        _header(typ=None),
        _header(typ="at+JWT"),
        _header(x5c=["x" * 4000]),
    ],
)
async def test_a_clock_may_be_off_and_a_header_say_less_or_more(world: World, making: Making) -> None:
    """By the leeway; access tokens of RFC 9068 have a type of their own, and some issuers put a chain of certificates in."""
    assert await world.holds(making(world.issuer))


@pytest.mark.parametrize("credential", ["", "quarry_0123456789abcdef_secret", "a.b", "a.b.c.d", "x" * 20_000])
async def test_what_is_no_token_is_somebody_elses(world: World, credential: str) -> None:
    """A token has two dots."""
    assert await world.caller(credential) is None


async def test_an_algorithm_that_is_not_allowed_opens_nothing() -> None:
    """Though the key would do, and says nothing of algorithms."""
    world = World(algorithms="RS256")
    world.issuer.published = [{name: value for name, value in RSA.as_dict(private=False).items() if name != "alg"}]
    async with knowing(world):
        assert await world.holds(world.token())
        for other in ("RS384", "PS256"):
            assert not await world.holds(world.issuer.token(world.issuer.claims(NOW), alg=other))


@pytest.mark.parametrize(
    ("published", "holds"),
    [({"use": "enc"}, False), ({"key_ops": ["sign"]}, False), ({"alg": "PS256"}, False), ({"alg": None, "use": None}, True)],
)
async def test_a_key_is_used_for_what_it_is_published_for(published: dict[str, Any], holds: bool) -> None:
    """Even where its id and its kind fit; it need not say."""
    world = World()
    said = RSA.as_dict(private=False) | published
    world.issuer.published = [{name: value for name, value in said.items() if value is not None}]
    async with knowing(world):
        assert await world.holds(world.token()) is holds


@given(st.text(st.characters(codec="latin-1"), max_size=200), st.text(max_size=20), st.binary(max_size=60), st.binary(max_size=20))
@settings(max_examples=50)
def test_no_token_breaks_anything(text: str, payload: str, header: bytes, signature: bytes) -> None:
    """Whatever it holds: it is somebody else's, or it does not hold."""

    async def outcome() -> None:
        async with knowing(World()) as world:
            for token in (text, f"{text}.{text}.", f"{b64(header)}.{b64(payload)}.{b64(signature)}", f"..{b64(header)}"):
                assert not await world.holds(token)

    asyncio.run(outcome())


@pytest.mark.parametrize(
    ("name", "claims", "permitted"),
    [
        ("roles", {"roles": ["reader"]}, {"read:jobs"}),
        ("roles", {"roles": ["reader", "submit:jobs", 7, None, "unknown"]}, {"read:jobs", "submit:jobs"}),
        ("scope", {"scope": "openid read:jobs submit:jobs"}, {"read:jobs", "submit:jobs"}),
        ("realm_access.roles", {"realm_access": {"roles": ["member"]}}, ALL),
        ("https://acme.example/roles", {"https://acme.example/roles": ["reader"]}, {"read:jobs"}),
        ("a.b", {"a.b": ["reader"], "a": {"b": ["member"]}}, {"read:jobs"}),
        ("a.b", {"a": ["b"]}, set()),
        ("a.b", {"a": "b"}, set()),
        ("roles", {"roles": ["reader", ["member"], {"member": True}]}, {"read:jobs"}),
        ("roles", {"roles": None}, set()),
        ("roles", {"roles": {"member": True}}, set()),
    ],
)
async def test_roles_are_a_list_or_words_at_a_name_or_a_path(name: str, claims: dict[str, Any], permitted: set[str]) -> None:
    """The exact name wins over the path; what is not understood permits nothing."""
    async with knowing(World(roles_claim=name)) as world:
        caller = await world.caller(world.token(**({"roles": None} | claims)))
    assert caller
    assert caller.permissions == permitted


async def test_a_token_that_was_verified_is_remembered_for_a_minute(world: World) -> None:
    """Or until it ends, where that is sooner: a key that was withdrawn does not open for longer."""
    token, short = world.token(), world.token(exp=int(NOW) + 10)
    assert await world.holds(token)
    assert await world.holds(short)
    world.issuer.rotate(a_key("RS256", "next"))
    await world.clock.advance(39.9)
    assert await world.holds(short)
    await world.clock.advance(0.1)
    assert not await world.holds(short)
    await world.clock.advance(19.9)
    assert not await world.holds(world.issuer.token(world.issuer.claims(NOW), RSA, kid="unheard"))
    assert await world.holds(token)
    await world.clock.advance(0.1)
    assert not await world.holds(token)


async def test_not_more_tokens_are_remembered_than_there_is_room_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not seen for longest goes first."""
    monkeypatch.setattr(jwt, "_REMEMBERED", 2)
    tokens = [world.token(sub=name) for name in "abc"]
    for token in (tokens[0], tokens[1], tokens[0], tokens[2]):
        assert await world.holds(token)
    world.issuer.rotate(a_key("RS256", "next"))
    assert not await world.holds(world.issuer.token(world.issuer.claims(NOW), RSA, kid="unheard"))
    assert [await world.holds(token) for token in tokens] == [True, False, True]
