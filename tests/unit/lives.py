"""Many lives of a job: legal events in a random order, the same ones in every run."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from quarry.attempts import AttemptOutcome, Failure
from quarry.invocation import Fallback
from quarry.job import (
    TRANSITIONS,
    Cancelled,
    Claimed,
    Degraded,
    Event,
    Expired,
    Failed,
    HandedBack,
    Job,
    Redriven,
    RetryScheduled,
    Snoozed,
    StatusReason,
    StoredObject,
    Succeeded,
    advance,
)
from quarry.testing import NOW, a_completion, a_job, a_lease

FAILURE: Final = Failure("model_failed", "The provider broke. 💥")
SOON: Final = timedelta(seconds=10)
PASSED: Final = Fallback("bedrock/us-west-2/other", "throttled", 0.25)


def events(at: datetime) -> dict[str, Event]:
    """One of each kind that can happen at `at`, by a name that says what matters."""
    usage = a_completion().usage
    return {
        "claimed": Claimed(a_lease(expires_at=at + SOON)),
        "succeeded": Succeeded(a_completion(fallbacks=(PASSED,), adapted=("top_p",))),
        "succeeded apart": Succeeded(a_completion(content=()), stored=StoredObject("t/1/result-2.json", 20_000_000, "2")),
        "degraded": Degraded("Later. 💥", FAILURE, "echo", usage, (PASSED,)),
        "retry scheduled": RetryScheduled(at + SOON, FAILURE, "echo", usage),
        "timed out": RetryScheduled(at + SOON, FAILURE, outcome=AttemptOutcome.OUTCOME_UNKNOWN),
        "snoozed": Snoozed(at + SOON, StatusReason.WAITING_FOR_CAPACITY, (PASSED,)),
        "handed back": HandedBack(call_cut=False),
        "handed back, call cut": HandedBack(call_cut=True),
        "failed": Failed(StatusReason.REJECTED, FAILURE, bury=False, target="echo", usage=usage),
        "failed, buried": Failed(StatusReason.ATTEMPTS_EXHAUSTED, FAILURE, bury=True),
        "failed, not called": Failed(StatusReason.OUTCOME_UNKNOWN, FAILURE, bury=True, outcome=None),
        "cancelled": Cancelled(),
        "cancelled, call cut": Cancelled(call_cut=True),
        "expired": Expired(),
        "redriven": Redriven(at + timedelta(days=1), max_attempts=2, model="other"),
    }


def life(seed: int) -> Iterator[Job]:
    """A job from its submission through forty events, or to an end from which there is no way back."""
    draw = random.Random(seed)  # noqa: S311 - lives to test with
    job, now = a_job(metadata={"seed": str(seed)}), NOW
    yield job
    for _ in range(40):
        now += timedelta(milliseconds=draw.randrange(1, 100_000))
        possible = [event for event in events(now).values() if (job.status, type(event)) in TRANSITIONS]
        if job.lease is None:
            possible = [event for event in possible if not (isinstance(event, Cancelled) and event.call_cut)]
        if not possible:
            return
        # Ends are rare, or no life would be long.
        goes_on = [event for event in possible if not TRANSITIONS[job.status, type(event)].is_terminal]
        event = draw.choice(goes_on if goes_on and draw.random() < 0.9 else possible)
        job = advance(job, event, now)
        if draw.random() < 0.1 and job.lease:
            job = replace(job, cancel_requested=True)
        yield job
