"""What a message in the dead-letter queue is, and which are meant: judged by records, purely."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from docs import life
from quarry.deadletters.fates import Fate, Letter, envelope_of, judged
from quarry.deadletters.selection import BURIED, Selection, Summary
from quarry.envelope import VERSION
from quarry.errors import PayloadLost
from quarry.job import Failed, Job, JobStatus, StatusReason
from quarry.queue.base import DeadDelivery
from quarry.testing import NOW, a_claimed_job, a_job, an_envelope
from worker import outcome

HOUR = timedelta(hours=1)
FAILED = a_job(status=JobStatus.FAILED, status_reason=StatusReason.ATTEMPTS_EXHAUSTED, finished_at=NOW, generation=1)


def a_letter(body: str | Job, job: Job | None = None, reason: str | None = None, **changes: Any) -> Letter:
    """A message and its job, judged."""
    text = body if isinstance(body, str) else an_envelope(body).to_wire()
    delivery = replace(DeadDelivery("receipt", text, "message", NOW, reason, None), **changes)
    return judged(delivery, envelope_of(delivery), {(job.tenant, job.request_id): job} if job else {})


def of(**changes: Any) -> Letter:
    """The message of a job that is now as it says."""
    return a_letter(FAILED, replace(FAILED, **changes))


@pytest.mark.parametrize(
    ("letter", "fate", "reason"),
    [
        (of(), Fate.DEAD, "attempts_exhausted"),
        (of(status_reason=StatusReason.TAKEN_OVER_TOO_OFTEN), Fate.DEAD, "taken_over_too_often"),
        (of(status_reason=StatusReason.DISCARDED), Fate.OVER, "over"),
        (of(generation=2), Fate.OVER, "over"),
        (of(generation=2, status=JobStatus.QUEUED), Fate.OVER, "over"),
        (of(status=JobStatus.COMPLETED), Fate.OVER, "over"),
        (of(status=JobStatus.CANCELLED), Fate.OVER, "over"),
        (of(status=JobStatus.EXPIRED), Fate.OVER, "over"),
        (of(status=JobStatus.QUEUED), Fate.STRANDED, "stranded"),
        (of(status=JobStatus.RETRYING), Fate.STRANDED, "stranded"),
        (a_letter(FAILED, a_claimed_job(request_id=FAILED.request_id, generation=1)), Fate.STRANDED, "stranded"),
        (a_letter(FAILED), Fate.NO_RECORD, "no_record"),
        (a_letter(FAILED, replace(FAILED, tenant="other")), Fate.NO_RECORD, "no_record"),
        (a_letter("[]", reason="malformed_envelope"), Fate.UNREADABLE, "malformed_envelope"),
        (a_letter("[]"), Fate.UNREADABLE, "malformed_envelope"),
        (a_letter(f'{{"v": {VERSION + 2}}}', reason="unsupported_envelope"), Fate.UNREADABLE, "unsupported_envelope"),
    ],
)
def test_a_message_is_what_its_jobs_record_says(letter: Letter, fate: Fate, reason: str) -> None:
    """Whoever put it there, and whatever it says itself."""
    assert (letter.fate, letter.reason) == (fate, reason)


def test_copies_have_the_name_of_their_job() -> None:
    """A message without a job has its own."""
    assert of().key == FAILED.request_id
    assert a_letter("[]", message_id="m-1").key == "m-1"


# --- what is meant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "meant"),
    [
        ({}, True),
        ({"reasons": frozenset({"attempts_exhausted", "x"})}, True),
        ({"reasons": frozenset({"rejected"})}, False),
        ({"reasons": frozenset()}, False),
        ({"model": "default"}, True),
        ({"model": "other"}, False),
        ({"since": NOW, "until": NOW + HOUR}, True),
        ({"since": NOW + HOUR}, False),
        ({"until": NOW}, False),
        ({"model": "default", "until": NOW}, False),
    ],
)
def test_what_is_meant_passes_every_filter(filters: dict[str, Any], meant: bool) -> None:
    """A job and its dead letter alike; time is that of the failure."""
    selection = Selection("default", **filters)
    assert selection.takes_job(FAILED) is meant
    assert selection.takes_letter(replace(of(), delivery=replace(of().delivery, sent_at=NOW + 5 * HOUR))) is meant


@pytest.mark.parametrize("status", [each for each in JobStatus if each is not JobStatus.FAILED])
def test_what_has_not_failed_is_never_meant(status: JobStatus) -> None:
    """An index may lag behind."""
    assert not Selection("default").takes_job(replace(FAILED, status=status))


def test_a_message_without_a_job_is_meant_by_its_own() -> None:
    """Its reason and its time; it has no model and no tenant."""
    letter = a_letter("[]", reason="malformed_envelope")
    assert Selection("default", frozenset({"malformed_envelope"}), since=NOW).takes_letter(letter)
    assert not Selection("default", model="default").takes_letter(letter)
    assert not Selection("default", until=NOW).takes_letter(letter)


def test_another_tenants_message_is_not_meant() -> None:
    """Even where its job is gone."""
    assert not Selection("other").takes_letter(of())
    assert not Selection("other").takes_letter(a_letter(FAILED))


def test_all_means_every_reason_with_which_a_worker_buries() -> None:
    """The worker's outcome table is asked. A new reason there must come here, or `--all` would leave its jobs lying."""
    cases = [verdict for _, verdict in life.cases()]
    verdicts = [*cases, outcome.decide(PayloadLost("x"), a_claimed_job(), NOW, 0.5), outcome.of_unrecordable()]
    buried = {
        each.settlement.reason for each in verdicts if isinstance(each.settlement, outcome.Bury) and isinstance(each.record, Failed)
    }
    assert buried == BURIED


# --- summing up -------------------------------------------------------------------------------------------------------


def test_a_summary_says_where_what_is_known() -> None:
    """In the queue, in the records, or in both; copies count once, and each reason has its span."""
    older = replace(FAILED, request_id=a_job().request_id, finished_at=NOW - HOUR)
    summary = Summary()
    summary.add_letters([of(), of(), a_letter("[]", message_id="m-1"), a_letter("[]", message_id="m-2", sent_at=NOW + HOUR)])
    summary.add_job(FAILED)
    summary.add_job(older)
    groups = {group.reason: group for group in summary}
    exhausted, malformed = groups.pop("attempts_exhausted"), groups.pop("malformed_envelope")
    assert (exhausted.both, exhausted.records_only, exhausted.queue_only) == (1, 1, 0)
    assert (exhausted.oldest, exhausted.newest) == (NOW - HOUR, NOW)
    assert (malformed.both, malformed.records_only, malformed.queue_only) == (0, 0, 2)
    assert (malformed.oldest, malformed.newest) == (NOW, NOW + HOUR)
    assert groups == {}


def test_the_largest_group_comes_first() -> None:
    """It is what to look at first."""
    summary = Summary()
    summary.add_letters([a_letter("[]")])
    for _ in range(2):
        summary.add_job(replace(FAILED, request_id=a_job().request_id))
    assert [group.reason for group in summary] == ["attempts_exhausted", "malformed_envelope"]
