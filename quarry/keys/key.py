"""An API key: whose it is, what it may do, until when. Only a salted digest of its secret is kept.

As callers carry it: `quarry_ID_SECRET`. The id is public, it names the record; the secret has 256 random bits, so that a fast
digest is enough: there is nothing to guess, and a flood of wrong keys stays cheap.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

PREFIX: Final = "quarry"
ID_BYTES: Final = 8
SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
#: Hexadecimal digits of an id, and URL-safe characters of a secret.
_ID_CHARACTERS: Final = 2 * ID_BYTES
_SECRET_CHARACTERS: Final = 43
_HEXADECIMAL: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The record of a key. `scopes` are permissions (`read:jobs`) and names of roles (`member`)."""

    key_id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    salt: str
    digest: str
    created_at: datetime
    #: None: it does not expire.
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    #: Written now and then, not for each request; None: not used yet.
    last_used_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and (self.ends_at is None or now < self.ends_at)

    def is_opened_by(self, secret: str) -> bool:
        """Whether that is its secret, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(self.digest, digest_of(self.salt, secret))


def digest_of(salt: str, secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(f"{salt}{secret}".encode()).hexdigest()


def carried(key_id: str, secret: str) -> str:
    """A key as its holder carries it."""
    return f"{PREFIX}_{key_id}_{secret}"


def taken_apart(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key; None for what is no key of Quarry's."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if (
        prefix != PREFIX
        or len(key_id) != _ID_CHARACTERS
        or not _HEXADECIMAL.issuperset(key_id)
        or len(secret) != _SECRET_CHARACTERS
    ):
        return None
    return (key_id, secret) if secret.isascii() else None
