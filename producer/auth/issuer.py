"""An OpenID Connect issuer, asked for the public keys it signs with. The only file that knows aiohttp here."""

import asyncio
import json
import warnings
from typing import Any, Final

from aiohttp import ClientError, ClientSession
from joserfc.errors import SecurityWarning
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

from quarry.errors import IssuerUnavailable

#: Our own choices. Issuers answer within a fraction of a second, with a few kilobytes and a handful of keys.
_TIMEOUT_SECONDS: Final = 5.0
_DOCUMENT_MAX_BYTES: Final = 262_144
_KEYS_MAX: Final = 100


class Issuer:
    """Where the keys are published: at `jwks_url`, or where the issuer's discovery document says (OpenID Connect Discovery 1.0)."""

    def __init__(self, http: ClientSession, issuer: str, jwks_url: str | None, algorithms: tuple[str, ...]) -> None:
        self._http = http
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._algorithms = algorithms

    async def keys(self) -> KeySet:
        """Those keys that tokens can be signed with; at least one.

        Raises:
            IssuerUnavailable: there is no answer in time, or it is no use.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                url = self._jwks_url or await self._discovered()
                return usable_keys(await self._document(url), self._algorithms)
        except TimeoutError as error:
            raise IssuerUnavailable(f"{self._issuer} did not answer within {_TIMEOUT_SECONDS:g} s") from error

    async def _discovered(self) -> str:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._document(url)
        if document.get("issuer") != self._issuer:
            raise IssuerUnavailable(f"{url} is of another issuer: {document.get('issuer')!r}")
        found = document.get("jwks_uri")
        # No way down from https: who can rewrite what is on its way could put keys of their own in.
        if not isinstance(found, str) or not found.startswith(("https://", self._issuer.partition("//")[0] + "//")):
            raise IssuerUnavailable(f"{url} names no place of keys that can be trusted: {found!r}")
        return found

    async def _document(self, url: str) -> dict[str, Any]:
        """The JSON object there. A redirect is not followed: it could lead anywhere."""
        try:
            async with self._http.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer:
                if answer.status != 200:
                    raise IssuerUnavailable(f"{url} answered {answer.status}")
                body = b""
                async for chunk in answer.content.iter_chunked(_DOCUMENT_MAX_BYTES):
                    body += chunk
                    if len(body) > _DOCUMENT_MAX_BYTES:
                        raise IssuerUnavailable(f"{url} answered with more than {_DOCUMENT_MAX_BYTES} bytes")
            document = json.loads(body)
        except (ClientError, OSError, ValueError, RecursionError) as error:
            raise IssuerUnavailable(f"{url}: {type(error).__name__}") from error
        if not isinstance(document, dict):
            raise IssuerUnavailable(f"{url} is not a JSON object")
        return document


def usable_keys(document: dict[str, Any], algorithms: tuple[str, ...]) -> KeySet:
    """What of a key set (RFC 7517) can verify signatures of one of `algorithms`; the rest is for others.

    Raises:
        IssuerUnavailable: nothing.
    """
    published = document.get("keys")
    if not isinstance(published, list):
        raise IssuerUnavailable("what the issuer publishes is not a key set")
    keys = [key for each in published[:_KEYS_MAX] if (key := _usable(each, algorithms))]
    if not keys:
        raise IssuerUnavailable(f"none of the issuer's keys is for signatures by {', '.join(algorithms)}")
    return KeySet(keys)


def _usable(published: Any, algorithms: tuple[str, ...]) -> Key | None:
    try:
        with warnings.catch_warnings():
            # The library warns of RSA keys of less than 2048 bits, after NIST SP 800-131A. Here they are refused.
            warnings.simplefilter("error", SecurityWarning)
            key = JWKRegistry.import_key(published)
        key.check_key_op("verify")
    except Exception:  # noqa: BLE001 - foreign data: whatever is wrong with it, it is no key
        return None
    fits = JWSRegistry.filter_algorithms(key, list(algorithms))
    return key if fits and not key.is_private else None
