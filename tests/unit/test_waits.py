"""What a job remembers of its waits: why, for how long, who refused; bounded, and folded where it is more of the same."""

from datetime import timedelta

from quarry.attempts import WAITS_LIMIT
from quarry.invocation import Fallback
from quarry.job import Claimed, HandedBack, Job, Redriven, RetryScheduled, Snoozed, StatusReason, advance
from quarry.store.item import from_item, to_item
from quarry.testing import NOW, a_claimed_job, a_job, a_lease
from tests.unit.lives import FAILURE

SECOND = timedelta(seconds=1)
FULL = Fallback("bedrock/us-east-1/m", "throttled", 0.2)
DENIED = Fallback("bedrock/us-west-2/m", "access_denied", 0.1)


def snoozed(job: Job, at: int, *refusals: Fallback) -> Job:
    """The job, put back for five seconds at so many seconds, and claimed again right after these."""
    waiting = advance(job, Snoozed(NOW + (at + 5) * SECOND, StatusReason.WAITING_FOR_CAPACITY, refusals), NOW + at * SECOND)
    return advance(waiting, Claimed(a_lease()), NOW + (at + 6) * SECOND)


def test_more_of_the_same_is_one_wait() -> None:
    """Its count, its first and last instant, and the time add up; how long a refusal took makes no difference."""
    job = snoozed(a_claimed_job(), 0, FULL)
    job = snoozed(job, 7, Fallback(FULL.target, FULL.reason, 0.9))
    job = snoozed(job, 14, FULL)
    [wait] = job.waits
    assert (wait.reason, wait.attempt, wait.count, wait.seconds) == ("waiting_for_capacity", 1, 3, 15.0)
    assert (wait.began_at, wait.until, wait.refusals) == (NOW, NOW + 19 * SECOND, (FULL,))


def test_another_reason_is_another_wait() -> None:
    """Other targets, other reasons of theirs, skipped in place of asked, an attempt between: each begins an entry of its own."""
    job = snoozed(a_claimed_job(), 0, FULL)
    job = snoozed(job, 10, FULL, DENIED)
    job = snoozed(job, 20, DENIED)
    job = snoozed(job, 30, Fallback(DENIED.target, DENIED.reason, 0.0, skipped=True))
    job = advance(
        advance(job, RetryScheduled(NOW + 40 * SECOND, FAILURE), NOW + 40 * SECOND), Claimed(a_lease()), NOW + 41 * SECOND
    )
    job = snoozed(job, 50, Fallback(DENIED.target, DENIED.reason, 0.0, skipped=True))
    assert [each.count for each in job.waits] == [1] * 5
    assert [each.attempt for each in job.waits] == [1, 1, 1, 1, 2]


def test_the_oldest_give_way() -> None:
    """A route whose refusals alternate does not fill the record."""
    job = a_claimed_job()
    for i in range(2 * WAITS_LIMIT):
        job = snoozed(job, 10 * i, FULL if i % 2 else DENIED)
    assert len(job.waits) == WAITS_LIMIT
    assert job.waits[-1].began_at == NOW + 10 * (2 * WAITS_LIMIT - 1) * SECOND


def test_a_job_that_is_handed_back_says_so() -> None:
    """Where no call was cut its attempt never happened, and this is its only trace; where one was, the attempt says it."""
    [wait] = advance(a_claimed_job(), HandedBack(call_cut=False), NOW + SECOND).waits
    assert (wait.reason, wait.attempt, wait.seconds) == ("handed_back", 1, 0.0)
    cut = advance(a_claimed_job(), HandedBack(call_cut=True), NOW + SECOND)
    assert cut.waits == ()
    assert [each.error and each.error.code for each in cut.attempt_history] == ["call_cut"]


def test_a_redrive_is_told() -> None:
    """With its instant, which nothing else in the record has."""
    job = advance(a_job(status="failed"), Redriven(NOW + 99 * SECOND, max_attempts=2), NOW + SECOND)
    assert [(each.reason, each.began_at) for each in job.waits] == [("redriven", NOW + SECOND)]


def test_a_record_from_before_has_no_waits() -> None:
    """Items that an older version wrote are read; a wait of a newer one, with fields that are not known yet, too."""
    item = to_item(snoozed(a_claimed_job(), 0, FULL), 1_000)
    newer = {"waits": {"S": item["waits"]["S"].replace('{"reason"', '{"colour":"blue","reason"', 1)}}
    assert from_item(item | newer).waits == from_item(item).waits != ()
    del item["waits"]
    assert from_item(item).waits == ()
