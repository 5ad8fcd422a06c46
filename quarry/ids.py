"""Identifiers: `request_id` of a job, fencing token of a lease."""

import re
import secrets
from datetime import datetime

import uuid_utils

from quarry.clock import from_epoch_ms, to_epoch_ms

_REQUEST_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def new_request_id(now: datetime) -> str:
    """A UUIDv7 in 32 hex digits, its time part taken from `now`, so that ids sort by creation."""
    return uuid_utils.uuid7(nanoseconds=to_epoch_ms(now) * 1_000_000).hex


def is_request_id(text: str) -> bool:
    """Whether `text` has the form of a request id (it may still name no job)."""
    return _REQUEST_ID.fullmatch(text) is not None


def created_at(request_id: str) -> datetime:
    """The instant inside a request id."""
    return from_epoch_ms(int(request_id[:12], 16))


def last_request_id_at(instant: datetime) -> str:
    """The largest id that can have been made at `instant`: a bound for range reads."""
    return f"{to_epoch_ms(instant):012x}" + "7" + "f" * 3 + "b" + "f" * 15


def new_token() -> str:
    """128 random bits in hex: unguessable, never repeated. Made before the write that carries it."""
    return secrets.token_hex(16)
