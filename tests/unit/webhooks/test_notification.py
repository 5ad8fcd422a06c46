"""How far a notification has come: the schedule, and when nothing is owed any more."""

from datetime import timedelta

import pytest

from quarry.job import CHECK_AFTER, Cancelled, Expired, JobStatus, Redriven, Succeeded, advance, notified
from quarry.notification import ATTEMPTS_SHOWN, HINT_MAX, SCHEDULE, Channel, NotificationStatus, Try, owed, retried, settled
from quarry.testing import NOW, a_claimed_job, a_completion, a_job

URL = "https://hooks.example.com/"


def test_an_end_that_nobody_wants_to_hear_of_owes_nothing() -> None:
    """Such a job costs what it did: no sweep looks at it again."""
    job = advance(a_claimed_job(), Succeeded(a_completion()), NOW)
    assert (job.webhook, job.events, job.check_at, dict(job.owes)) == (None, None, None, {})


@pytest.mark.parametrize("event", [Cancelled(), Expired()])
def test_the_end_and_what_is_owed_are_one_write(event: Cancelled | Expired) -> None:
    """Of every end; the sweep goes on looking, in case that nobody is reminded."""
    job = advance(a_job(webhook_url=URL, publish=True), event, NOW)
    assert set(job.owes) == set(Channel)
    assert job.check_at == NOW + CHECK_AFTER


def test_a_job_that_goes_back_to_work_owes_its_next_end() -> None:
    """What was owed of the last one is forgotten."""
    ended = advance(a_job(webhook_url=URL), Expired(), NOW)
    again = advance(ended, Redriven(NOW + timedelta(days=1), 3), NOW)
    assert (again.status, again.webhook) == (JobStatus.QUEUED, None)


def test_the_schedule_takes_about_a_day_and_ends() -> None:
    """Each wait is its row on average; after the last try it gave up."""
    notification, at, waits = owed(NOW), NOW, []
    while notification.is_owed:
        notification = retried(notification, Try(at, 500), draw=0.5)
        if notification.next_attempt_at:
            waits.append(notification.next_attempt_at - at)
            at = notification.next_attempt_at
    assert waits == list(SCHEDULE)
    assert timedelta(hours=17) < at - NOW < timedelta(hours=18)
    assert (notification.status, notification.tries) == (NotificationStatus.GAVE_UP, len(SCHEDULE) + 1)
    assert len(notification.attempts) <= ATTEMPTS_SHOWN


@pytest.mark.parametrize(("draw", "share"), [(0.0, 0.5), (0.999999, 1.5)])
def test_waits_are_spread(draw: float, share: float) -> None:
    """By as much as they are long."""
    notification = retried(owed(NOW), Try(NOW, 500), draw)
    assert notification.next_attempt_at
    assert (notification.next_attempt_at - NOW).total_seconds() == pytest.approx(SCHEDULE[0].total_seconds() * share, abs=0.01)


def test_a_receiver_may_ask_for_more_time() -> None:
    """Up to a bound."""
    hints = timedelta(minutes=10), timedelta(days=10)
    later = [retried(owed(NOW), Try(NOW, 503), 0.5, hint).next_attempt_at for hint in hints]
    assert later == [NOW + timedelta(minutes=10), NOW + HINT_MAX]


def test_the_sweep_looks_until_nothing_is_owed() -> None:
    """On either channel."""
    job = advance(a_job(webhook_url=URL, publish=True), Expired(), NOW)
    job = notified(job, Channel.WEBHOOK, settled(owed(NOW), NotificationStatus.DELIVERED, Try(NOW, 204)))
    assert job.check_at == NOW + CHECK_AFTER
    job = notified(job, Channel.EVENTS, settled(owed(NOW), NotificationStatus.DELIVERED))
    assert job.check_at is None
