"""The public wire contract: what callers send and what they get. Unknown fields are refused."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from quarry.clock import to_rfc3339
from quarry.invocation import Completion, Usage
from quarry.job import Attempt, Job, effective_status, visible_history


class Strict(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Submission(Strict):
    """One job: exactly one of `prompt`, `messages` and `native`."""

    prompt: str | None = Field(None, min_length=1)
    messages: list[dict[str, Any]] | None = Field(None, min_length=1)
    native: dict[str, Any] | None = None
    model: str | None = Field(None, min_length=1, max_length=2048)
    system: str | list[dict[str, Any]] | None = None
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=1)
    top_p: float | None = Field(None, ge=0, le=1)
    stop_sequences: list[str] | None = None
    converse: dict[str, Any] | None = None
    deadline_seconds: int | None = Field(None, ge=1, le=1_036_800)
    max_attempts: int | None = Field(None, ge=1, le=10)
    metadata: dict[str, str] | None = Field(None, max_length=16)
    custom_id: str | None = Field(None, min_length=1, max_length=256)
    idempotency_key: str | None = Field(None, min_length=1, max_length=256)

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        given = [name for name in ("prompt", "messages", "native") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("exactly one of `prompt`, `messages` and `native` is needed")
        return self


def job_out(job: Job, now: datetime) -> dict[str, Any]:
    """A job as callers see it, whole."""
    return {
        "request_id": job.request_id,
        "custom_id": job.custom_id,
        "status": effective_status(job, now).value,
        "status_reason": job.status_reason and job.status_reason.value,
        "model": job.model,
        "priority": job.priority,
        "metadata": dict(job.metadata),
        "created_at": to_rfc3339(job.created_at),
        "available_at": to_rfc3339(job.available_at),
        "started_at": _instant(job.started_at),
        "finished_at": _instant(job.finished_at),
        "deadline_at": to_rfc3339(job.deadline_at),
        "cancel_requested": job.cancel_requested,
        "attempts": job.attempts,
        "attempt_history": [attempt_out(each) for each in visible_history(job)],
        "result": _result_out(job.result),
        "usage": _usage_out(job.result.usage) if job.result else None,
        "served_by": _served_by_out(job.result),
        "error": {"code": job.error.code, "message": job.error.message} if job.error else None,
    }


def attempt_out(attempt: Attempt) -> dict[str, Any]:
    """One attempt as callers see it."""
    return {
        "attempt": attempt.attempt,
        "started_at": to_rfc3339(attempt.started_at),
        "finished_at": _instant(attempt.finished_at),
        "outcome": attempt.outcome.value,
        "target": attempt.target,
        "error": {"code": attempt.error.code, "message": attempt.error.message} if attempt.error else None,
        "usage": _usage_out(attempt.usage) if attempt.usage else None,
        "fallbacks": list(attempt.fallbacks),
    }


def _instant(value: datetime | None) -> str | None:
    return to_rfc3339(value) if value else None


def _result_out(result: Completion | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "text": result.text,
        "content": list(result.content),
        "stop_reason": result.stop_reason,
        "filtered": result.filtered,
    }


def _usage_out(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_write_input_tokens": usage.cache_write_input_tokens,
    }


def _served_by_out(result: Completion | None) -> dict[str, str] | None:
    if result is None:
        return None
    return {"provider": result.served_by.provider, "region": result.served_by.region, "model": result.served_by.model}
