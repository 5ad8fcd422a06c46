"""What is taken from an issuer, over HTTP on loopback."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from producer.auth import issuer as module
from producer.auth.issuer import Issuer, usable_keys
from quarry.errors import IssuerUnavailable
from tests.support.issuer import TestIssuer, a_key

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"
ALGORITHMS = ("RS256", "ES256")


@pytest.fixture
def theirs() -> Iterator[TestIssuer]:
    with TestIssuer().serving() as issuer:
        yield issuer


@pytest_asyncio.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def test_the_discovery_document_tells_where_the_keys_are(theirs: TestIssuer, http: ClientSession) -> None:
    """Below the issuer, with or without a slash at its end. A place that is given needs no telling."""
    keys = await Issuer(http, theirs.url, None, ALGORITHMS).keys()
    assert [key.kid for key in keys] == ["first"]
    await Issuer(http, theirs.url, f"{theirs.url}{KEYS}", ALGORITHMS).keys()
    assert theirs.asked == {DISCOVERY: 1, KEYS: 2}
    theirs.instead[DISCOVERY] = 200, {}, json.dumps({"issuer": f"{theirs.url}/", "jwks_uri": f"{theirs.url}{KEYS}"}).encode()
    await Issuer(http, f"{theirs.url}/", None, ALGORITHMS).keys()


@pytest.mark.parametrize(
    ("path", "status", "headers", "body", "words"),
    [
        (DISCOVERY, 404, {}, b"", "answered 404"),
        (DISCOVERY, 200, {}, b"<html>", "JSONDecodeError"),
        (DISCOVERY, 200, {}, b"[1]", "not a JSON object"),
        (DISCOVERY, 200, {}, b"[" * 100_000, "RecursionError"),
        (DISCOVERY, 200, {}, b"\xff", "UnicodeDecodeError"),
        (DISCOVERY, 200, {}, b'{"issuer": "http://other.example"}', "another issuer: 'http://other.example'"),
        (DISCOVERY, 302, {"Location": "/keys"}, b"", "answered 302"),
        (KEYS, 500, {}, b"", "answered 500"),
        (KEYS, 302, {"Location": "http://127.0.0.1:1/"}, b"", "answered 302"),
        (KEYS, 200, {}, b'{"keys": ' + b" " * 300_000 + b"[]}", "more than 262144 bytes"),
        (KEYS, 200, {}, b'{"keys": {}}', "not a key set"),
        (KEYS, 200, {}, b'{"keys": []}', "none of the issuer's keys"),
        (KEYS, 200, {"Content-Encoding": "gzip"}, b"no gzip", "ClientPayloadError"),
    ],
)
async def test_an_answer_that_is_no_use_is_no_answer(
    theirs: TestIssuer, http: ClientSession, path: str, status: int, headers: dict[str, str], body: bytes, words: str
) -> None:
    """Too large, not what it should be, or sent elsewhere: time may help."""
    theirs.instead[path] = status, headers, body
    with pytest.raises(IssuerUnavailable, match=words):
        await Issuer(http, theirs.url, None, ALGORITHMS).keys()


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/keys", "file:///etc/passwd", "//127.0.0.1:1/keys", "", None, 7])
async def test_keys_of_a_secure_issuer_come_from_a_secure_place(
    monkeypatch: pytest.MonkeyPatch, http: ClientSession, place: Any
) -> None:
    """An issuer on https cannot send us to http: what came that way could be anybody's."""
    secure = Issuer(http, "https://issuer.example", None, ALGORITHMS)

    async def document(_url: str) -> dict[str, Any]:
        return {"issuer": "https://issuer.example", "jwks_uri": place}

    monkeypatch.setattr(secure, "_document", document)
    with pytest.raises(IssuerUnavailable, match="can be trusted"):
        await secure.keys()


async def test_an_issuer_that_hangs_is_not_waited_for(
    theirs: TestIssuer, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bound for all that is asked."""
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.05)
    theirs.fault = "hang"
    with pytest.raises(IssuerUnavailable, match="did not answer within"):
        await Issuer(http, theirs.url, None, ALGORITHMS).keys()


async def test_an_issuer_that_is_not_there_is_away(http: ClientSession) -> None:
    """Nobody listens at that port."""
    with pytest.raises(IssuerUnavailable, match="ClientConnectorError"):
        await Issuer(http, "http://127.0.0.1:1", None, ALGORITHMS).keys()


def _public(algorithm: str, name: str, **changed: Any) -> dict[str, Any]:
    said: dict[str, Any] = {**a_key(algorithm, name).as_dict(private=False)}
    return {field: value for field, value in (said | changed).items() if value is not None}


def test_of_what_is_published_only_keys_that_can_have_signed_are_taken() -> None:
    """The others are for other purposes, or broken; they do not make a token without a key id ambiguous."""
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": "_" * 170 + "8"}
    published = [
        _public("RS256", "sound"),
        _public("ES256", "silent", use=None, alg=None),
        _public("RS256", "for encryption", use="enc"),
        _public("RS256", "for encryption, otherwise said", use=None, key_ops=["encrypt"]),
        _public("RS512", "of an algorithm that is not allowed"),
        _public("ES384", "of another curve", alg=None),
        _public("Ed25519", "of another kind", alg=None),
        _public("RS256", "broken", n="!"),
        _public("RS256", "without its number", n=None),
        weak,
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "AKP", "kid": "of tomorrow"},
        {**a_key("RS256", "private").as_dict(private=True)},
        {},
        "key",
        None,
    ]
    assert [key.kid for key in usable_keys({"keys": published}, ALGORITHMS)] == ["sound", "silent"]


def test_a_weak_key_is_one_of_less_than_2048_bits() -> None:
    """The one above is refused for that, and for nothing else."""
    strong = {"kty": "RSA", "kid": "strong", "e": "AQAB", "n": "_" * 341 + "w"}
    assert [key.kid for key in usable_keys({"keys": [strong]}, ALGORITHMS)] == ["strong"]


def test_a_flood_of_keys_is_cut_short() -> None:
    """An issuer has a handful."""
    published = [_public("ES256", "one of many")] * 101
    assert len(usable_keys({"keys": published}, ALGORITHMS).keys) == 100
