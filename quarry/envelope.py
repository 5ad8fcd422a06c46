"""The queue message: a pointer to a job, never its payload.

On the wire: `{"v": 1, "request_id": …, "tenant": …, "generation": 0, "traceparent": null}`. A reader accepts its own version
and the next one, whose additions it ignores, so that workers can be deployed before producers.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from quarry.errors import MalformedEnvelope, UnsupportedEnvelope
from quarry.ids import is_request_id

VERSION: Final = 1
#: A tenant becomes part of keys, of the queue's group id (at most 128 characters) and of object names.
TENANT_MAX_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """Which job, of whom, and which time it was put on the queue."""

    request_id: str
    tenant: str
    generation: int = 0
    traceparent: str | None = None

    def to_wire(self) -> str:
        """Compact JSON, ASCII only: SQS refuses some Unicode characters."""
        return json.dumps({"v": VERSION, **asdict(self)}, separators=(",", ":"))


def from_wire(body: str) -> Envelope:
    """Read a message body.

    Raises:
        MalformedEnvelope: it is no envelope; the message says why, without quoting the body.
        UnsupportedEnvelope: it is an envelope of a version two or more ahead of ours.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedEnvelope("the body is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedEnvelope(f"the body is a JSON {type(value).__name__}, not an object")
    version = value.get("v", 0)
    if not _is_count(version) or version < 1:
        raise MalformedEnvelope("the field `v` is not a version number")
    if version > VERSION + 1:
        raise UnsupportedEnvelope(f"version {version} is newer than this worker, which reads up to {VERSION + 1}")
    return _checked(value)


def _checked(value: dict[str, Any]) -> Envelope:
    request_id, tenant = value.get("request_id"), value.get("tenant")
    generation, traceparent = value.get("generation", 0), value.get("traceparent")
    if not isinstance(request_id, str) or not is_request_id(request_id):
        raise MalformedEnvelope("the field `request_id` is not a request id")
    if not isinstance(tenant, str) or not 0 < len(tenant) <= TENANT_MAX_LENGTH:
        raise MalformedEnvelope("the field `tenant` is not a tenant's name")
    if not _is_count(generation):
        raise MalformedEnvelope("the field `generation` is not a count")
    if traceparent is not None and not isinstance(traceparent, str):
        raise MalformedEnvelope("the field `traceparent` is not a string")
    return Envelope(request_id, tenant, generation, traceparent)


def _is_count(value: object) -> bool:
    # JSON's true is Python's True, which is an int.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
