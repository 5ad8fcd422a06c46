"""Signatures of webhooks, as the Standard Webhooks specification has them (standardwebhooks.com, read in November 2026).

    webhook-id: evt_019aa5b1c0de7abc8def0123456789ab_0
    webhook-timestamp: 1795348550
    webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1,…

What is signed is `ID.TIMESTAMP.BODY`, by HMAC-SHA256, once with each secret that holds at the time.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - no secret
#: Source: the specification, "Signature scheme".
SECRET_MIN_BYTES: Final = 24
SECRET_MAX_BYTES: Final = 64
_VERSION: Final = "v1,"
#: How far a receiver's clock may be off, and how long a delivery may take. Source: the specification's own libraries.
TOLERANCE_SECONDS: Final = 300
#: More are not looked at: a sender that rotates its secrets has two, perhaps three.
_SIGNATURES_MAX: Final = 20


class InvalidWebhook(Exception):
    """A request that did not come from who it should, or not now, or not whole. The message says what is wrong, without secrets."""


def signing_key(secret: str) -> bytes:
    """The key in a secret: `whsec_` and base64 of 24 to 64 bytes.

    Raises:
        ValueError: it is none. It is not quoted.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not SECRET_MIN_BYTES <= len(key) <= SECRET_MAX_BYTES:
        raise ValueError(f"a secret is {SECRET_PREFIX} and base64 of {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes")
    return key


def signed(body: bytes, *, event_id: str, at: int, keys: Iterable[bytes]) -> dict[str, str]:
    """The headers of a delivery. `at` is in seconds since 1970, and of this try; `event_id` is the same for every try."""
    signatures = " ".join(_VERSION + base64.b64encode(_digest(key, event_id, str(at), body)).decode() for key in keys)
    return {ID: event_id, TIMESTAMP: str(at), SIGNATURE: signatures}


def verify(
    payload: bytes,
    headers: Mapping[str, str],
    secrets: Iterable[str],
    tolerance_seconds: float = TOLERANCE_SECONDS,
    *,
    now: float | None = None,
) -> dict[str, Any]:
    """What a webhook says, once it is known to come from a holder of one of the secrets.

    Args:
        payload: the body exactly as it came, before anything reads it as JSON.
        headers: of the request, in any case.
        secrets: those that may have signed it, each `whsec_...`: while you rotate, the old one and the new one.
        tolerance_seconds: how old, or how far ahead, its timestamp may be.
        now: the time in seconds since 1970, by default the machine's.

    Returns:
        The event: `type`, `timestamp`, `data`. The same one may come more than once: its `webhook-id` is then the same.

    Raises:
        InvalidWebhook: do not believe it; answer with status 400 or 401.
        ValueError: a secret is none, or there is none.
    """
    keys = [signing_key(secret) for secret in secrets]
    if not keys:
        raise ValueError("no secret was given")
    given = {name.lower(): value for name, value in headers.items() if isinstance(name, str)}
    event_id, stamp, signatures = (_header(given, name) for name in (ID, TIMESTAMP, SIGNATURE))
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise InvalidWebhook(f"{TIMESTAMP} is no time in whole seconds")
    expected = [_digest(key, event_id, stamp, payload) for key in keys]
    # Every pair is compared, so that the time taken does not tell which secret it was.
    if not sum(hmac.compare_digest(ours, theirs) for theirs in _digests(signatures) for ours in expected):
        raise InvalidWebhook(f"no signature in {SIGNATURE} is by one of these secrets")
    # In this order: of what is no number, every comparison is false.
    if not abs((time.time() if now is None else now) - int(stamp)) <= tolerance_seconds:
        raise InvalidWebhook(f"{TIMESTAMP} is more than {tolerance_seconds:g} s away from now")
    return _event(payload)


def _header(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not value:
        raise InvalidWebhook(f"there is no {name}")
    # Whatever the types say: a stranger chose it, and frameworks hand on bytes, lists, and bytes as halves of letters.
    if not isinstance(value, str) or any("\ud800" <= each <= "\udfff" for each in value):
        raise InvalidWebhook(f"{name} is no text")
    return value


def _digests(signatures: str) -> list[bytes]:
    """The signatures of our version; of others, and of what is none, nothing."""
    found = []
    for each in signatures.split(" ")[:_SIGNATURES_MAX]:
        if each.startswith(_VERSION):
            try:
                found.append(base64.b64decode(each.removeprefix(_VERSION), validate=True))
            except (ValueError, binascii.Error):
                continue
    return found


def _event(payload: bytes) -> dict[str, Any]:
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidWebhook("the body is not JSON") from error
    if not isinstance(event, dict):
        raise InvalidWebhook("the body is not a JSON object")
    return event


def _digest(key: bytes, event_id: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(key, b".".join((event_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
