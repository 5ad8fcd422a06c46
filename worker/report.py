"""Telling what happened to a delivery: metrics, the canonical log line of an attempt, and what `/readyz` should know."""

from typing import Final, Literal, TypeAlias

from quarry.aws import missing_permission
from quarry.clock import Clock
from quarry.errors import (
    ClaimRefused,
    ContentForbidden,
    GuardrailUnusable,
    InvocationError,
    OutcomeUnknown,
    OutOfTime,
    PayloadLost,
    PayloadsUnavailable,
    ResidencyForbids,
    StoreUnavailable,
)
from quarry.inference.routes import Route
from quarry.inference.verdicts import told_reason
from quarry.invocation import Completion
from quarry.job import EXPIRY, Failed, HandedBack, Job, RetryScheduled, Snoozed, StatusReason
from quarry.queue.base import Delivery
from quarry.telemetry.conventions import of_attempt, of_job
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from quarry.telemetry.tracing import OFF, Tracing
from worker.content_log import ContentLog
from worker.front import Fronts
from worker.health import Health
from worker.outcome import Interrupted, Result, Verdict, pays_once

_log = get_logger(__name__)
#: A job that was answered with what its route declares is counted apart: no model answered it.
DEGRADED: Final = "degraded"
#: What is asked is refused; an answer is withheld, or a guardrail of Bedrock's has put something in its place, or it is flagged.
Guarded: TypeAlias = Literal["refused", "withheld", "intervened", "flagged"]


class Reporter:
    """Reports for this worker."""

    def __init__(
        self,
        metrics: WorkerMetrics,
        health: Health,
        fronts: Fronts,
        clock: Clock,
        tracing: Tracing = OFF,
        content: ContentLog | None = None,
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._fronts = fronts
        self._clock = clock
        self._tracing = tracing
        self._content = content

    def refused(self, refusal: ClaimRefused, job: Job | None, verdict: Verdict) -> None:
        """A claim was refused."""
        reason = type(refusal).__name__
        self._tracing.tell({"quarry.claim.refused": reason})
        self._metrics.claims_refused.labels(reason).inc()
        _log.info(Event.CLAIM_REFUSED, reason=reason)
        if job and verdict.record is not None:
            self._finished(job)

    def unclaimed(self, error: StoreUnavailable) -> None:
        """Nobody knows whether a claim was granted."""
        _log.warning(Event.CLAIM_FAILED, error=str(error))

    def claimed(self, job: Job, delivery: Delivery, route: Route | None) -> None:
        """A claim was granted. With an earlier attempt still open it was a take-over: that call may be paid again, unless the job's
        route forbids that.
        """
        self._tracing.tell(of_job(job))
        if delivery.receive_count == 1:
            # From when it could have been received: a message may be sent long before its job is due.
            waited = max((self._clock.now() - max(delivery.sent_at, job.available_at)).total_seconds(), 0)
            self._metrics.delivery_wait.labels(delivery.lane).observe(waited)
            self._fronts[delivery.lane].waited(waited, self._clock.monotonic())
        if len(job.open_attempts) > 1:
            counter = self._metrics.calls_withheld if pays_once(route) else self._metrics.calls_repeated
            counter.labels("worker_vanished").inc()
            _log.warning(Event.JOB_TAKEN_OVER, takeovers=job.takeovers)

    def attempt_finished(self, result: Result, job: Job, verdict: Verdict, seconds: float) -> None:
        """An attempt ended; `job` is what was recorded."""
        outcome = type(verdict.record).__name__ if verdict.record else "LeaseLost"
        self._metrics.attempts.labels(outcome).inc()
        self._tracing.tell(of_attempt(job, outcome))
        fields: dict[str, object] = {"status": job.status, "outcome": outcome, "duration_seconds": round(seconds, 3)}
        fields |= _told(result)
        match result:
            case Completion():
                self._health.served(str(result.served_by))
            case InvocationError() if _is_blocked(verdict) and not _of_one_job(result):
                self._health.blocked(result.target or "unknown", result.code, missing_permission(str(result)))
        if isinstance(verdict.record, (RetryScheduled, Snoozed)):
            fields["resume_at"] = job.available_at.isoformat()
        if _may_be_paid_again(result, verdict):
            self._metrics.calls_repeated.labels(_reason(result)).inc()
        if _is_withheld(result, verdict):
            self._metrics.calls_withheld.labels(_reason(result)).inc()
        if found := _guarded(result):
            self._metrics.guarded.labels(found).inc()
        if job.degraded is not None:
            _log.warning(Event.JOB_DEGRADED, target=fields.get("target"), error=fields.get("error"))
        log = _log.warning if isinstance(verdict.record, Failed) else _log.info
        log(Event.ATTEMPT_FINISHED, **fields)
        if self._content:
            self._content.attempt(job, result if isinstance(result, Completion) else None)
        self._finished(job)

    def _finished(self, job: Job) -> None:
        if job.status.is_terminal and job.finished_at:
            outcome = job.status.value if job.degraded is None else DEGRADED
            self._metrics.finished.labels(outcome).inc()
            took = (job.finished_at - job.created_at).total_seconds()
            self._metrics.job_seconds.labels(outcome, job.priority).observe(took)


def _told(result: Result) -> dict[str, object]:
    """What the log tells of a result."""
    match result:
        case Completion():
            fields: dict[str, object] = {"target": str(result.served_by), "stop_reason": told_reason(result.stop_reason)}
            fields |= {"input_tokens": result.usage.input_tokens, "output_tokens": result.usage.output_tokens}
            return fields
        case InvocationError():
            return {"target": result.target, "error": result.code, "provider_request_id": result.provider_request_id}
        case OutOfTime():
            return _told(result.refused) if result.refused else {"error": EXPIRY.code}
        case PayloadLost() | PayloadsUnavailable():
            return {"error": str(result)}
        case Interrupted():
            return {"error": result.why.value, "call_started": result.call_started}


def _is_blocked(verdict: Verdict) -> bool:
    return isinstance(verdict.record, Snoozed) and verdict.record.reason is StatusReason.BLOCKED


def _may_be_paid_again(result: Result, verdict: Verdict) -> bool:
    """Whether a call that may have been billed is followed by another one. Who takes over a lost lease counts that itself."""
    started = isinstance(result, Interrupted) and result.call_started
    billed = isinstance(result, InvocationError) and result.may_be_billed
    return (started or billed) and isinstance(verdict.record, (RetryScheduled, HandedBack))


def _of_one_job(error: InvocationError) -> bool:
    """Whether what blocks a job says nothing of its target: other jobs may well be served there."""
    return isinstance(error, (ResidencyForbids, GuardrailUnusable))


def _is_withheld(result: Result, verdict: Verdict) -> bool:
    """Whether a call ended unseen here, and is not followed by another one. One that a take-over found is counted by then."""
    unknown = isinstance(verdict.record, Failed) and verdict.record.reason is StatusReason.OUTCOME_UNKNOWN
    return unknown and not isinstance(result, OutcomeUnknown)


def _guarded(result: Result) -> Guarded | None:
    """What a tenant's guard came to; None where it found nothing."""
    match result:
        case ContentForbidden():
            return "refused"
        case Completion(stop_reason="guardrail_intervened"):
            return "intervened"
        case Completion(flags=(_, *_), stop_reason="content_filtered"):
            return "withheld"
        case Completion(flags=(_, *_)):
            return "flagged"
    return None


def _reason(result: Result) -> str:
    return result.why.value if isinstance(result, Interrupted) else getattr(result, "code", "unknown")
