"""An API key: whose it is, what it may do, until when. Only a salted digest of its secret is kept.

As callers carry it: `quarry_ID_SECRET`. The id is public, it names the record; the secret has 256 random bits, so that a fast
digest is enough: there is nothing to guess, and a flood of wrong keys stays cheap.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

KeyState: TypeAlias = Literal["live", "expired", "revoked"]

PREFIX: Final = "quarry"
ID_BYTES: Final = 8
SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
#: A key as its holder carries it: the id in hexadecimal, the secret in URL-safe Base64 without padding.
CARRIED: Final = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([A-Za-z0-9_-]{{{-(-8 * SECRET_BYTES // 6)}}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The record of a key. `scopes` are permissions (`read:jobs`) and names of roles (`member`). `repr` shows no digest."""

    key_id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    salt: str = field(repr=False)
    digest: str = field(repr=False)
    created_at: datetime
    #: None: it does not expire.
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    #: Written now and then, not for each request; None: not used yet.
    last_used_at: datetime | None = None
    #: From its making to the end that it was given then, which may have been brought forward since; None: it was given none.
    lifetime: timedelta | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and (self.ends_at is None or now < self.ends_at)

    def state(self, now: datetime) -> KeyState:
        """The same in a word, with the reason where it does not."""
        if self.revoked_at is not None:
            return "revoked"
        return "live" if self.is_live(now) else "expired"

    def is_opened_by(self, secret: str) -> bool:
        """Whether that is its secret, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(self.digest, digest_of(self.salt, secret))


def minted(
    tenant: str, name: str, scopes: tuple[str, ...], lifetime: timedelta | None, *, now: datetime, random: Callable[[int], bytes]
) -> tuple[ApiKey, str]:
    """A new key, and what its holder carries: this is the only time that anybody sees it.

    Args:
        tenant: whose jobs it opens.
        name: what it is for, for people.
        scopes: what it may do.
        lifetime: how long it is good for; None: for ever.
        now: when it is made.
        random: makes so many bytes that nobody can guess, such as `secrets.token_bytes`.
    """
    key_id, salt = random(ID_BYTES).hex(), random(SALT_BYTES).hex()
    secret = base64.urlsafe_b64encode(random(SECRET_BYTES)).decode().rstrip("=")
    ends_at = now + lifetime if lifetime is not None else None
    key = ApiKey(key_id, tenant, name, scopes, salt, digest_of(salt, secret), now, ends_at, lifetime=lifetime)
    return key, carried(key_id, secret)


def digest_of(salt: str, secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(f"{salt}{secret}".encode()).hexdigest()


def carried(key_id: str, secret: str) -> str:
    """A key as its holder carries it."""
    return f"{PREFIX}_{key_id}_{secret}"


def taken_apart(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key; None for what is no key of Quarry's."""
    found = CARRIED.fullmatch(text)
    return (found[1], found[2]) if found else None
