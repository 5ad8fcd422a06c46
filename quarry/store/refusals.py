"""Why a claim does not go through: the rule, judged by the job as it stands."""

from datetime import datetime

from quarry.deadline import has_passed
from quarry.envelope import Envelope
from quarry.errors import (
    AlreadyFinished,
    CancelRequested,
    ClaimedElsewhere,
    ClaimRefused,
    DeadlinePassed,
    NoRecord,
    NotYetDue,
    StaleGeneration,
    TakenOverTooOften,
)
from quarry.job import MAX_TAKEOVERS, Job


def why_refused(job: Job | None, envelope: Envelope, now: datetime) -> ClaimRefused | None:
    """Why a claim does not go through, judged by the job as it stands; None where it would.

    The order matters: what is over is over whatever else holds, and a live lease hides the rest from us.
    """
    if job is None:
        return NoRecord()
    if envelope.generation < job.generation:
        return StaleGeneration(job)
    if job.status.is_terminal:
        return AlreadyFinished(job)
    if job.lease and job.is_held(now):
        return ClaimedElsewhere(job, job.lease.expires_at)
    if job.cancel_requested:
        return CancelRequested(job)
    if has_passed(job.deadline_at, now):
        return DeadlinePassed(job)
    if job.lease and job.takeovers >= MAX_TAKEOVERS:
        return TakenOverTooOften(job)
    if job.lease is None and now < job.available_at:
        return NotYetDue(job, job.available_at)
    return None
