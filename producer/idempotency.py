"""Idempotency keys: the same key and body lead to the same job, for 24 hours, per tenant.

"The same body" is the same JSON, whatever the order of its fields and the space between them. A default that is spelt out
makes another body.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from quarry.errors import FieldFault, InvalidSubmission
from quarry.store.base import IdempotencyKey

FIELD: Final = "idempotency_key"
HEADER: Final = "Idempotency-Key"
VALID_FOR: Final = timedelta(hours=24)
#: Printable ASCII, no space at either end (HTTP would cut it off), at most 255 characters: our own choice.
PATTERN: Final = "^[!-~]([ -~]{0,253}[!-~])?$"


def canonical(body: Mapping[str, Any]) -> str:
    """One text for equal JSON: sorted, compact, ASCII."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def fingerprint(body: Mapping[str, Any]) -> str:
    """The digest of a body; its idempotency key is no part of it, since it may stand in the header as well."""
    rest = {name: value for name, value in body.items() if name != FIELD}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def agreed(header: str | None, field: str | None) -> str | None:
    """The key of a submission, which may be given in either place.

    Raises:
        InvalidSubmission: both are given, and differ.
    """
    if header is not None and field is not None and header != field:
        raise InvalidSubmission(FieldFault(FIELD, f"is not the same as the header {HEADER}"))
    return field if header is None else header


def made(tenant: str, key: str, digest: str, now: datetime) -> IdempotencyKey:
    """The key as the store keeps it; `digest` is the fingerprint of its body."""
    return IdempotencyKey(tenant, key, digest, now + VALID_FOR)
