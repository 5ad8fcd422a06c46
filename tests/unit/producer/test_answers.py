"""What is sent is what the document describes."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from producer.answers import FoundJob, JobSummary, JobView, job_out, summary_out
from quarry.attempts import AttemptOutcome, Failure
from quarry.invocation import Fallback, Usage
from quarry.job import (
    Cancelled,
    Degraded,
    Expired,
    Failed,
    HandedBack,
    Job,
    RetryScheduled,
    Snoozed,
    StatusReason,
    Succeeded,
    advance,
)
from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_job

JOBS = {
    "queued": a_job(custom_id="c", metadata={"a": "b"}),
    "processing": a_claimed_job(),
    "completed": advance(a_claimed_job(), Succeeded(a_completion(fallbacks=(Fallback("a/b/c", "throttled", 0.1),))), NOW),
    "retrying": advance(a_claimed_job(), RetryScheduled(NOW, Failure("throttled", "x"), "t", Usage(1, 2, 3)), NOW),
    "snoozed": advance(a_claimed_job(), Snoozed(NOW, StatusReason.BLOCKED), NOW),
    "degraded": advance(a_claimed_job(), Degraded("Later.", Failure("throttled", "")), NOW),
    "waited": advance(a_claimed_job(), Snoozed(NOW, StatusReason.BLOCKED, (Fallback("a/b/c", "throttled", 0.1),)), NOW),
    "handed back": advance(a_claimed_job(), HandedBack(call_cut=True), NOW),
    "failed": advance(a_claimed_job(), Failed(StatusReason.REJECTED, Failure("invocation_rejected", "x"), bury=True), NOW),
    "cancelled": advance(a_job(), Cancelled(), NOW),
    "expired": advance(a_job(), Expired(), NOW),
}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS.keys())
def test_a_job_at_every_stage_fits_its_description(job: Job) -> None:
    """With no field more and none less."""
    shown = job_out(job, NOW)
    JobView.model_validate_json(json.dumps(shown), strict=True)
    assert set(shown) == set(JobView.model_fields)
    assert set(FoundJob.model_fields) == {*shown, "result_omitted"}
    assert set(summary_out(job, NOW)) == set(JobSummary.model_fields)


def test_a_job_past_its_deadline_is_expired_before_anybody_wrote_so() -> None:
    """Status and error, as a worker would write them."""
    job = a_job()
    shown = job_out(job, job.deadline_at)
    assert (shown["status"], shown["error"]["code"]) == ("expired", "deadline_passed")
    assert job_out(job, job.deadline_at - timedelta(milliseconds=1))["error"] is None


def test_nothing_internal_is_shown() -> None:
    """No tenant, no lease, no payload."""
    said = repr(job_out(replace(a_claimed_job(), tenant="acme"), NOW))
    for hidden in ("acme", "worker-1", "Say hello.", "generation", "revision"):
        assert hidden not in said


def test_an_abandoned_attempt_is_shown_as_unknown() -> None:
    """Nobody saw its end, and it may have been paid."""
    shown = job_out(JOBS["handed back"], NOW)["attempt_history"]
    assert [each["outcome"] for each in shown] == [AttemptOutcome.OUTCOME_UNKNOWN]


def test_a_declared_answer_says_that_no_model_gave_it() -> None:
    """Its text is where an answer's is; no tokens, nobody who served it, and a flag."""
    job = advance(a_claimed_job(), Degraded("Later.", Failure("throttled", "")), NOW)
    shown = job_out(job, NOW)
    JobView.model_validate_json(json.dumps(shown))
    assert (shown["degraded"], shown["status_reason"], shown["served_by"], shown["error"]) == (True, "degraded", None, None)
    assert shown["result"] == {"text": "Later.", "content": [{"text": "Later."}], "stop_reason": "degraded", "filtered": False}
    assert set(shown["usage"].values()) == {0}
