"""What is told of a job's end: the body of a webhook, and of an event on the operator's bus. Pure.

The shape is that of the Standard Webhooks specification: `type`, `timestamp`, `data`. It is a thin one: what was asked and what was
answered stay where they are, unless the tenant wants the answer, and it is small.
"""

import json
from dataclasses import asdict
from typing import Any, Final

from quarry.clock import to_rfc3339
from quarry.invocation import result_document
from quarry.job import Job

#: Larger bodies come without the result. Source: Standard Webhooks, "Payload size": usually smaller than 20 kB.
BODY_MAX_BYTES: Final = 20_000


def event_id(job: Job) -> str:
    """The same for each try to tell of one end; a job that was put back to work ends once more."""
    return f"evt_{job.request_id}_{job.generation}"


def event_type(job: Job) -> str:
    """Such as `job.completed`."""
    return f"job.{job.status.value}"


def event(job: Job, *, include_result: bool = False) -> dict[str, Any]:
    """What is told of a job that has ended. With `include_result`, `data` has `result`: null where there is none or too much."""
    result = job.result
    data: dict[str, Any] = {
        "request_id": job.request_id,
        "custom_id": job.custom_id,
        "status": job.status.value,
        "status_reason": job.status_reason and job.status_reason.value,
        "model": job.model,
        "metadata": dict(job.metadata),
        "created_at": to_rfc3339(job.created_at),
        "finished_at": job.finished_at and to_rfc3339(job.finished_at),
        "attempts": job.attempts,
        "degraded": job.degraded is not None,
        "usage": asdict(result.usage) if result else None,
        "error": {"code": job.error.code} if job.error else None,
    }
    told = {"type": event_type(job), "timestamp": to_rfc3339(job.finished_at or job.created_at), "data": data}
    if include_result:
        data["result"] = result_document(result) if result and not job.result_object else None
        if len(encoded(told)) > BODY_MAX_BYTES:
            data["result"] = None
    return told


def encoded(told: dict[str, Any]) -> bytes:
    """As it is sent: compact, and ASCII only, whatever a model answered."""
    return json.dumps(told, separators=(",", ":")).encode()
