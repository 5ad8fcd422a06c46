"""Callers with a token of an OpenID Connect issuer (a JWT, RFC 7519, signed as RFC 7515 says)."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from aiohttp import ClientSession
from joserfc.jws import JWSRegistry, extract_compact, validate_compact
from joserfc.jwt import JWTClaimsRegistry

from producer.auth.issuer import Issuer
from producer.auth.jwks import SigningKeys
from producer.auth.principal import Principal
from producer.between import Between
from quarry.access import Roles, is_tenant, permitted
from quarry.clock import Clock
from quarry.errors import Unauthenticated
from quarry.settings import JwtSettings, listed
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

#: Our own choice: tokens of the large issuers have one or two kilobytes, and a proxy takes some 8 of headers.
TOKEN_MAX_BYTES: Final = 8192
#: Our own choices: how long a token that was verified is taken for what it was, and how many such are kept.
_REMEMBERED_SECONDS: Final = 60.0
_REMEMBERED: Final = 10_000
#: OpenID Connect's own bound of `sub`, in ASCII characters.
_SUBJECT_MAX_CHARACTERS: Final = 255
#: Of access tokens (RFC 9068 has the second), and of none that an issuer signs for something else, such as `logout+jwt`.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})


class Tokens:
    """Knows the bearers of the issuer's tokens."""

    def __init__(self, keys: SigningKeys, settings: JwtSettings, clock: Clock, roles: Roles) -> None:
        self._keys = keys
        self._roles = roles
        self._settings = settings
        self._clock = clock
        self._registry = _Registry(listed(settings.algorithms))
        #: Digest of a token → whose it is, and until when (monotonic) that need not be looked at again.
        self._verified: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def authenticate(self, credential: str) -> Principal | None:
        if credential.count(".") != 2:
            return None
        if len(credential) > TOKEN_MAX_BYTES:
            raise _refused()
        digest = hashlib.sha256(credential.encode()).digest()
        principal, until = self._verified.get(digest, (None, 0.0))
        if principal is None or self._clock.monotonic() >= until:
            principal, seconds = await self._verify(credential)
            self._verified[digest] = principal, self._clock.monotonic() + min(seconds, _REMEMBERED_SECONDS)
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        self._verified.move_to_end(digest)
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        """Whose a token is, and for how many seconds more it holds."""
        with _refusing():
            signed = extract_compact(token.encode(), registry=self._registry)
            header = signed.headers()
            self._registry.check_header(header)
        key = await self._keys.find(header.get("kid"), header["alg"])
        with _refusing():
            if key is None:
                raise ValueError("the issuer has no key of that id for that algorithm")
            if not validate_compact(signed, key, registry=self._registry):
                raise ValueError("its signature is not by the key that it names")
            return self._principal(json.loads(signed.payload))

    def _principal(self, claims: dict[str, Any]) -> tuple[Principal, float]:
        now, leeway = self._clock.now().timestamp(), self._settings.leeway_seconds
        JWTClaimsRegistry(
            now=int(now),
            leeway=leeway,
            exp={"essential": True},
            sub={"essential": True},
            iss={"essential": True, "value": self._settings.issuer or ""},
            aud={"essential": True, "value": self._settings.audience or ""},
        ).validate(claims)
        tenant, subject = claim(claims, self._settings.tenant_claim), claims["sub"]
        if not isinstance(tenant, str) or not is_tenant(tenant):
            raise ValueError("it names no tenant")
        if len(subject) > _SUBJECT_MAX_CHARACTERS:
            raise ValueError("its subject is too long")
        roles = _words(claim(claims, self._settings.roles_claim))
        return Principal(tenant, subject, "jwt", permitted(roles, self._roles)), claims["exp"] + leeway - now


@asynccontextmanager
async def tokens(settings: JwtSettings, clock: Clock, roles: Roles, between: Between | None = None) -> AsyncIterator[Tokens]:
    """The scheme, over the issuer of the settings. Its keys are kept fresh within the block, or by `between`, before each request;
    that it is away ends nothing.
    """
    # As the AWS clients do, it goes through the proxy that the environment names.
    async with ClientSession(trust_env=True) as http:
        issuer = Issuer(http, settings.issuer or "", settings.jwks_url, listed(settings.algorithms))
        keys = SigningKeys(issuer.keys, clock, settings.keys_seconds)
        scheme = Tokens(keys, settings, clock, roles)
        if between:
            between.before.append(keys.freshen)
            yield scheme
            return
        async with keys.kept():
            yield scheme


class _Registry(JWSRegistry):
    """What a token's header may say."""

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)
        self.max_header_length = TOKEN_MAX_BYTES

    def get_alg(self, name: str) -> Any:
        # Without the library's warning that `EdDSA` has a newer name: the operator allows it, the issuer uses it.
        if name not in (self.allowed or ()):
            raise ValueError("it is signed by an algorithm that is not allowed")
        return self.algorithms[name]

    def check_header(self, header: dict[str, Any]) -> None:
        """No extension is understood here (`crit`); keys that come with the token (`jwk`, `jku`, `x5u`, `x5c`) are not used."""
        super().check_header(header)
        if "crit" in header or header.get("typ", "JWT").lower() not in _TYPES:
            raise ValueError("its header asks for what is not understood here")
        self.get_alg(header["alg"])


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of exactly that name, or else what lies at that dotted path; None where there is neither."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _words(value: Any) -> tuple[str, ...]:
    """The strings of a list, or the words of a string."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever is wrong with a token is one thing for its bearer; the reason is for the operator."""
    try:
        yield
    except Exception as error:
        _log.debug(Event.CREDENTIAL_REFUSED, reason=f"{type(error).__name__}: {error}")
        raise _refused() from error


def _refused() -> Unauthenticated:
    return Unauthenticated("no valid credential came with the request")
