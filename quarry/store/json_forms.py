"""The JSON forms of a job's structured values, which the table never looks into: what is asked, what became of it, who was told."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from quarry.attempts import Attempt, AttemptOutcome, Failure, Wait
from quarry.clock import from_epoch_ms, to_epoch_ms
from quarry.invocation import Completion, Fallback, Invocation, Target, Usage, result_document
from quarry.notification import Notification, NotificationStatus, Try

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Made = TypeVar("_Made", bound="DataclassInstance")

#: Half of a pair, which a model that was cut off may end on: it has no UTF-8, and must be escaped.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def invocation_json(invocation: Invocation) -> str:
    """An invocation as it is stored, in the record or beside it. It can be encoded as UTF-8."""
    return json_text(_invocation_out(invocation))


def invocation_from_json(text: str | bytes) -> Invocation:
    """The reverse.

    Raises:
        ValueError: it is not JSON.
    """
    return invocation_in(json.loads(text))


def result_json(completion: Completion) -> str:
    """An answer's public form, as it is stored beside the record. It can be encoded as UTF-8."""
    return json_text(result_document(completion))


def made(kind: type[_Made], value: Mapping[str, Any]) -> _Made:
    """A dataclass from JSON. What a newer version added is left out: readers accept what is one version ahead."""
    return kind(**{field.name: value[field.name] for field in fields(kind) if field.name in value})


def json_text(value: Any) -> str:
    """Compact JSON that can be encoded as UTF-8, whatever a model answered."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _invocation_out(invocation: Invocation) -> dict[str, Any]:
    # Not `asdict`, which copies: an invocation may have 20 MB.
    found = ((each.name, getattr(invocation, each.name)) for each in fields(invocation))
    return {name: value for name, value in found if value not in (None, ())}


def invocation_in(value: dict[str, Any]) -> Invocation:
    """An invocation from its stored form, in which every field may be absent."""
    for name in ("messages", "system", "stop_sequences"):
        if name in value:
            value[name] = tuple(value[name])
    return made(Invocation, value)


def attempt_out(attempt: Attempt) -> dict[str, Any]:
    """An attempt as it is stored: instants in milliseconds, without what is empty."""
    values = {
        "attempt": attempt.attempt,
        "started_at": to_epoch_ms(attempt.started_at),
        "finished_at": to_epoch_ms(attempt.finished_at) if attempt.finished_at else None,
        "outcome": attempt.outcome,
        "target": attempt.target,
        "error": asdict(attempt.error) if attempt.error else None,
        "usage": asdict(attempt.usage) if attempt.usage else None,
        "fallbacks": [asdict(each) for each in attempt.fallbacks] or None,
        "adapted": attempt.adapted or None,
        "retry_at": to_epoch_ms(attempt.retry_at) if attempt.retry_at else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def attempt_in(value: dict[str, Any]) -> Attempt:
    """The reverse."""
    finished_at, error, usage, retry_at = (value.get(name) for name in ("finished_at", "error", "usage", "retry_at"))
    return Attempt(
        attempt=value["attempt"],
        started_at=from_epoch_ms(value["started_at"]),
        finished_at=from_epoch_ms(finished_at) if finished_at is not None else None,
        outcome=AttemptOutcome(value["outcome"]),
        target=value.get("target"),
        error=made(Failure, error) if error else None,
        usage=made(Usage, usage) if usage else None,
        fallbacks=tuple(made(Fallback, each) for each in value.get("fallbacks", ())),
        adapted=tuple(value.get("adapted", ())),
        retry_at=from_epoch_ms(retry_at) if retry_at is not None else None,
    )


def notification_json(notification: Notification) -> str:
    """As it is stored. The same one is always the same text: a write can require it."""
    attempts = [
        {"at": to_epoch_ms(each.at), "status_code": each.status_code, "error": each.error} for each in notification.attempts
    ]
    at = notification.next_attempt_at
    values = {"status": notification.status.value, "tries": notification.tries, "attempts": attempts}
    return json_text(values | ({"next_attempt_at": to_epoch_ms(at)} if at else {}))


def notification_in(value: dict[str, Any] | None) -> Notification | None:
    """The reverse; None from None."""
    if value is None:
        return None
    at = value.get("next_attempt_at")
    return Notification(
        NotificationStatus(value["status"]),
        value["tries"],
        tuple(Try(from_epoch_ms(each["at"]), each["status_code"], each["error"]) for each in value["attempts"]),
        from_epoch_ms(at) if at is not None else None,
    )


def wait_out(wait: Wait) -> dict[str, Any]:
    """A wait as it is stored: instants in milliseconds."""
    return asdict(wait) | {"began_at": to_epoch_ms(wait.began_at), "until": to_epoch_ms(wait.until)}


def wait_in(value: dict[str, Any]) -> Wait:
    """The reverse."""
    return replace(
        made(Wait, value),
        began_at=from_epoch_ms(value["began_at"]),
        until=from_epoch_ms(value["until"]),
        refusals=tuple(made(Fallback, each) for each in value["refusals"]),
    )


def completion_out(completion: Completion) -> dict[str, Any]:
    """An answer as it is stored in the record. Who was asked in vain is left out: that is in the attempt."""
    # Not `asdict` of the whole, which copies the content.
    return {
        "content": completion.content,
        "stop_reason": completion.stop_reason,
        "filtered": completion.filtered,
        "usage": asdict(completion.usage),
        "served_by": asdict(completion.served_by),
        "provider_request_id": completion.provider_request_id,
        **({"flags": completion.flags} if completion.flags else {}),
    }


def completion_in(value: dict[str, Any]) -> Completion:
    """The reverse."""
    return Completion(
        content=tuple(value["content"]),
        stop_reason=value["stop_reason"],
        filtered=value["filtered"],
        usage=made(Usage, value["usage"]),
        served_by=made(Target, value["served_by"]),
        provider_request_id=value.get("provider_request_id"),
        flags=tuple(value.get("flags", ())),
    )
