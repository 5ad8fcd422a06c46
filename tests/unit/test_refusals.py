"""Why a claim does not go through: the first of several reasons, and what it carries."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

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
from quarry.job import CLOCK_MARGIN, MAX_TAKEOVERS, Job, JobStatus
from quarry.store.refusals import why_refused
from quarry.testing import NOW, a_claimed_job, a_job, a_lease, an_envelope

MS = timedelta(milliseconds=1)
#: In the order in which they are judged: where several hold, the first one is the answer.
REFUSALS: tuple[tuple[type[ClaimRefused], dict[str, Any]], ...] = (
    (StaleGeneration, {"generation": 1}),
    (AlreadyFinished, {"status": JobStatus.COMPLETED}),
    (ClaimedElsewhere, {"status": JobStatus.PROCESSING, "lease": a_lease(expires_at=NOW)}),
    (CancelRequested, {"cancel_requested": True}),
    (DeadlinePassed, {"deadline_at": NOW}),
    (NotYetDue, {"available_at": NOW + MS}),
)


@pytest.mark.parametrize("position", range(len(REFUSALS)))
def test_the_first_reason_is_the_answer(position: int) -> None:
    """What is over is over whatever else holds, and a live lease hides the rest."""
    changes: dict[str, Any] = {}
    for _, more in reversed(REFUSALS[position:]):
        changes |= more
    job = a_job(**changes)
    assert type(refused(job)) is REFUSALS[position][0]
    assert type(refused(a_job(**REFUSALS[position][1]))) is REFUSALS[position][0]


def refused(job: Job | None, now: datetime = NOW) -> ClaimRefused | None:
    envelope: Envelope = an_envelope(a_job() if job is None else job, generation=0)
    return why_refused(job, envelope, now)


def test_what_can_be_claimed_is_not_refused() -> None:
    """A waiting job that is due, and one whose lease has run out, with the margin."""
    held = a_job(status=JobStatus.PROCESSING, lease=a_lease(expires_at=NOW), available_at=NOW + timedelta(hours=1))
    assert refused(a_job(available_at=NOW)) is None
    assert type(refused(held, NOW + CLOCK_MARGIN - MS)) is ClaimedElsewhere
    assert refused(held, NOW + CLOCK_MARGIN) is None


def test_what_is_not_there_has_no_record() -> None:
    """It was erased, or has expired."""
    assert type(refused(None)) is NoRecord


def test_workers_die_on_a_job_only_so_often() -> None:
    """Where its lease has run out once more; a job that waits was given back by somebody alive."""
    held = replace(a_claimed_job(a_lease(expires_at=NOW - CLOCK_MARGIN)), takeovers=MAX_TAKEOVERS)
    assert type(refused(held)) is TakenOverTooOften
    assert refused(replace(held, takeovers=MAX_TAKEOVERS - 1)) is None
    assert refused(a_job(takeovers=MAX_TAKEOVERS)) is None


def test_a_refusal_carries_what_the_worker_needs() -> None:
    """The job, until when to wait, and whether a dead letter is still to be sent."""
    held, waiting = a_claimed_job(a_lease(expires_at=NOW + MS)), a_job(available_at=NOW + MS)
    elsewhere, early = refused(held), refused(waiting)
    assert isinstance(elsewhere, ClaimedElsewhere)
    assert isinstance(early, NotYetDue)
    assert (elsewhere.until, elsewhere.job, early.until, early.job) == (NOW + MS, held, NOW + MS, waiting)
    finished = refused(a_job(status=JobStatus.FAILED, bury_reason="attempts_exhausted"))
    assert isinstance(finished, AlreadyFinished)
    assert finished.bury_reason == "attempts_exhausted"
