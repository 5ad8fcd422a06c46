"""The wire contract, outwards: jobs as callers see them, and the models that document them.

The functions make what is sent; the models only describe it (a test holds the two together), so that nothing is validated
on its way out.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from quarry.attempts import Attempt, AttemptOutcome, Failure, Wait
from quarry.clock import to_rfc3339
from quarry.invocation import Completion, Usage, result_document
from quarry.job import EXPIRY, Job, JobStatus, Priority, StatusReason, effective_status
from quarry.notification import Notification, NotificationStatus

# --- making -----------------------------------------------------------------------------------------------------------


def summary_out(job: Job, now: datetime) -> dict[str, Any]:
    """A job without content, as the list shows it."""
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
    }


def job_out(job: Job, now: datetime, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """A job, whole. `stored` is the `result` of one whose answer does not lie in its record."""
    result, error = job.result, job.error
    if error is None and effective_status(job, now) is JobStatus.EXPIRED:
        error = EXPIRY
    if job.degraded is not None:
        stored = _declared_out(job.degraded)
    return summary_out(job, now) | {
        "allowed_regions": list(job.allowed_regions) or None,
        "flags": list(dict.fromkeys((*job.flags, *(result.flags if result else ())))),
        "degraded": job.degraded is not None,
        "waits": [_wait_out(each) for each in job.waits],
        "stream": job.stream,
        "store_content": job.store_content,
        "attempt_history": [_attempt_out(each) for each in job.visible_history],
        "result": result_document(result) if result and not job.result_object else stored,
        "usage": _usage_out(result.usage if result else Usage()) if result or job.degraded is not None else None,
        "served_by": _served_by_out(result) if result else None,
        "error": _error_out(error) if error else None,
        "webhook": _webhook_out(job.webhook_url, job.webhook) if job.webhook_url else None,
    }


def _webhook_out(url: str, notification: Notification | None) -> dict[str, Any]:
    """Where a job's end is told, and how far that has come: `status` is null until it has ended."""
    return {
        "url": url,
        "status": notification.status.value if notification else None,
        "attempts": [
            {"at": to_rfc3339(each.at), "status_code": each.status_code, "error": each.error} for each in notification.attempts
        ]
        if notification
        else [],
        "next_attempt_at": _instant(notification.next_attempt_at) if notification else None,
    }


def _attempt_out(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "started_at": to_rfc3339(attempt.started_at),
        "finished_at": _instant(attempt.finished_at),
        "outcome": attempt.outcome.value,
        "target": attempt.target,
        "error": _error_out(attempt.error) if attempt.error else None,
        "usage": _usage_out(attempt.usage) if attempt.usage else None,
        "fallbacks": [asdict(each) for each in attempt.fallbacks],
        "adapted": list(attempt.adapted),
        "retry_at": _instant(attempt.retry_at),
    }


def _wait_out(wait: Wait) -> dict[str, Any]:
    return {
        "reason": wait.reason,
        "attempt": wait.attempt,
        "began_at": to_rfc3339(wait.began_at),
        "until": to_rfc3339(wait.until),
        "seconds": wait.seconds,
        "count": wait.count,
        "refusals": [asdict(each) for each in wait.refusals],
    }


def _declared_out(text: str) -> dict[str, Any]:
    """The `result` of a job that no model answered: what its route declares for that."""
    return {"text": text, "content": [{"text": text}], "stop_reason": "degraded", "filtered": False}


def _instant(value: datetime | None) -> str | None:
    return to_rfc3339(value) if value else None


def _error_out(failure: Failure) -> dict[str, str]:
    return {"code": failure.code, "message": failure.message}


def link_out(url: str, expires_at: datetime, size_bytes: int) -> dict[str, Any]:
    """The `result` of a job that is too large to be shown: where it can be had."""
    return {"url": url, "url_expires_at": to_rfc3339(expires_at), "size_bytes": size_bytes}


def _usage_out(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_write_input_tokens": usage.cache_write_input_tokens,
    }


def _served_by_out(result: Completion) -> dict[str, str]:
    return {"provider": result.served_by.provider, "region": result.served_by.region, "model": result.served_by.model}


# --- describing -------------------------------------------------------------------------------------------------------

_ID: Final = "019aa5b1c0de7abc8def0123456789ab"


class Shown(BaseModel):
    """A part of an answer. New fields may be added to it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"additionalProperties": True})


class JobError(Shown):
    """Why there is no result."""

    code: str = Field(description="Stable: what programs should look at.")
    message: str = Field(description="For people.")


class UsageView(Shown):
    """Tokens as the provider counted them."""

    input_tokens: int = Field(description="Of the question.")
    output_tokens: int = Field(description="Of the answer.")
    total_tokens: int = Field(description="As the provider adds them up.")
    cache_read_input_tokens: int = Field(description="Read from the prompt cache.")
    cache_write_input_tokens: int = Field(description="Written to it.")


class ServedByView(Shown):
    """The target that answered."""

    provider: str = Field(description="Such as `bedrock`.")
    region: str = Field(description="Empty where the provider has none.")
    model: str = Field(description="Its id, as the target has it.")


class ResultView(Shown):
    """A model's answer."""

    text: str = Field(description="The text blocks, joined.")
    content: list[dict[str, Any]] = Field(
        description="Converse content blocks; binary is base64 text. For a native body one block, `native`: the answer as it came."
    )
    stop_reason: str = Field(
        description="Why it ended, in Converse's words. `max_tokens`: it was cut off; `degraded`: no model answered."
    )
    filtered: bool = Field(description="A guardrail or the provider's filter replaced or cut the answer.")


class ResultLink(Shown):
    """Where a large answer can be had: the object there is what `result` would be."""

    url: str = Field(description="To be opened with GET, without credentials. Where it has expired, get the job again.")
    url_expires_at: AwareDatetime = Field(description="Until then.")
    size_bytes: int = Field(description="Of the object there.")


class FallbackView(Shown):
    """A target that gave no answer, so that the next one of the route was asked."""

    target: str = Field(description="What was called: provider, region and model.")
    reason: str = Field(description="The code of what went wrong.")
    seconds: float = Field(description="How long that took.")
    skipped: bool = Field(description="It was not asked at all: it may not serve this job, or was known not to answer.")


class AttemptView(Shown):
    """One try."""

    attempt: int = Field(description="Its number.")
    started_at: AwareDatetime = Field(description="When it was claimed.")
    finished_at: AwareDatetime | None = Field(description="Null while it runs, and where its end was never seen.")
    outcome: AttemptOutcome = Field(description="How it ended.")
    target: str | None = Field(description="What was called: provider, region and model.")
    error: JobError | None = Field(description="Why there was no answer.")
    usage: UsageView | None = Field(description="Tokens, where they are known.")
    fallbacks: list[FallbackView] = Field(description="Targets that were asked before in vain, in order.")
    adapted: list[str] = Field(
        description="What of the request the target was asked without, or with less of (`max_tokens`), where it answered."
    )
    retry_at: AwareDatetime | None = Field(description="Of one that failed: the next one was not to begin before.")


class WaitView(Shown):
    """Why a job lay in the queue at no cost. Equal waits in a row are one."""

    reason: str = Field(description="As in `status_reason`; or `redriven`.")
    attempt: int = Field(description="The number of the attempt before which it waited.")
    began_at: AwareDatetime = Field(description="When the first of them began.")
    until: AwareDatetime = Field(description="When the last of them was to end.")
    seconds: float = Field(description="How long it was told to wait, all in all.")
    count: int = Field(description="How many waits these were.")
    refusals: list[FallbackView] = Field(description="Targets that did not serve the last time, in order.")


class WebhookTryView(Shown):
    """One try to tell of a job's end."""

    at: AwareDatetime = Field(description="When it ended.")
    status_code: int | None = Field(description="What the receiver answered; null where it did not.")
    error: str | None = Field(description="What kept us from an answer, in a word.")


class WebhookView(Shown):
    """Where a job's end is told, and how far that has come."""

    url: str = Field(description="As submitted.")
    status: NotificationStatus | None = Field(description="Null until the job has ended.")
    attempts: list[WebhookTryView] = Field(description="The last 10 tries, the oldest first.")
    next_attempt_at: AwareDatetime | None = Field(description="Of one that is `pending`: not before.")


class JobSummary(Shown):
    """A job without content."""

    request_id: str = Field(description="A UUIDv7 in 32 hexadecimal digits.", examples=[_ID])
    custom_id: str | None = Field(description="As submitted.")
    status: JobStatus = Field(description="Where it stands.")
    status_reason: StatusReason | None = Field(description="Why, where the status alone does not tell.")
    model: str = Field(description="As submitted: a route's name or a model id.")
    priority: Priority = Field(description="Which lane it waits in: `high`, `normal` or `low`.")
    metadata: dict[str, str] = Field(description="As submitted.")
    created_at: AwareDatetime = Field(description="When it was accepted.")
    available_at: AwareDatetime = Field(description="Not to be worked before.")
    started_at: AwareDatetime | None = Field(description="When the first attempt began.")
    finished_at: AwareDatetime | None = Field(description="When it became terminal.")
    deadline_at: AwareDatetime = Field(description="No call starts after.")
    cancel_requested: bool = Field(description="Somebody asked for it to be stopped.")
    attempts: int = Field(description="Attempts so far, but for those given back.")


class JobView(JobSummary):
    """A job."""

    allowed_regions: list[str] | None = Field(description="As submitted: where the prompt may be processed.")
    flags: list[str] = Field(description="Patterns of the tenant's policy that were in what was asked or answered, by name.")
    degraded: bool = Field(description="No model answered it in time: `result` is what its route declares for that.")
    store_content: bool = Field(description="`false`: it is erased a few minutes after its end was read.")
    stream: bool = Field(description="Its text can be followed as it comes: `GET /v1/jobs/{request_id}/events`.")
    attempt_history: list[AttemptView] = Field(description="The last 20 attempts.")
    waits: list[WaitView] = Field(description="The last 10 waits that cost no attempt.")
    result: ResultView | ResultLink | None = Field(description="The answer, once `completed`; above 256 KiB, where it can be had.")
    usage: UsageView | None = Field(description="Tokens of the answer.")
    served_by: ServedByView | None = Field(description="What answered.")
    error: JobError | None = Field(description="Once `failed` or `expired`.")
    webhook: WebhookView | None = Field(description="Null where the submission names no `webhook_url`.")


class ErasureView(Shown):
    """The promise that a job is erased."""

    request_id: str = Field(description="The job's id.", examples=[_ID])
    erased: bool = Field(description="Whether nothing of it is left yet.")


class JobPageView(Shown):
    """Some jobs, newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="For the next page; null after the last.")


class Fault(Shown):
    """One field at fault."""

    path: str = Field(description="Such as `messages[0].content`; `body` where no single field is meant.")
    message: str


class Problem(Shown):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Names the kind of problem.", examples=["urn:quarry:problem:invalid_request"])
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; what programs should look at.")
    errors: list[Fault] = Field(description="The fields at fault; empty where none is.")
    request_id: str | None = Field(None, description="With `submission_undecided`: the job that may have been accepted.")


class ItemError(Shown):
    """What went wrong with one item."""

    code: str = Field(description="As in a problem.")
    message: str
    errors: list[Fault]
    request_id: str | None = Field(None, description="With `submission_undecided`: the job that may have been accepted.")


class AcceptedItem(Shown):
    """One job of a bulk submission that was accepted."""

    request_id: str
    status: JobStatus
    custom_id: str | None


class RefusedItem(Shown):
    """One job of a bulk submission that was not."""

    error: ItemError
    custom_id: str | None


class BulkView(Shown):
    """What became of each job, in order."""

    jobs: list[AcceptedItem | RefusedItem]


class FoundJob(JobView):
    """A job that was looked up."""

    result_omitted: bool = Field(
        False, description="The answer was full: get this job by itself to see its `result`, which is null here."
    )


class NoSuchJob(Shown):
    """An id that was looked up and names no job."""

    request_id: str
    error: JobError


class LookupView(Shown):
    """What was found, in order."""

    jobs: list[FoundJob | NoSuchJob]


class Alive(Shown):
    """The process answers."""

    status: Literal["alive"]


class Ready(Shown):
    """The process can take work."""

    status: Literal["ready"]


class Unready(Shown):
    """The process should get no requests now."""

    status: Literal["unready"]
    reason: str
