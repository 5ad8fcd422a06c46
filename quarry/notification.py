"""What is owed to whoever wants to be told of a job's end, and how far that has come. Pure.

A job that becomes terminal owes a notification on each channel that it was submitted with. That is written with the outcome, so no
crash can lose it; a try is written once it has ended. A try whose end nobody wrote is made again: at least once, never just once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: How many tries the record shows. Our own choice: all of one schedule.
ATTEMPTS_SHOWN: Final = 10

#: Between tries, about 18 hours in all: the first rows of the example in the Standard Webhooks specification, "Deliverability and
#: reliability" (read in November 2026).
SCHEDULE: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600)
)  # fmt: skip
#: So long at most, where no receiver asks for a longer wait.
SCHEDULE_LASTS: Final = 1.5 * sum(SCHEDULE, timedelta(0))
#: A receiver may ask for a longer wait, up to this. Our own choice.
HINT_MAX: Final = timedelta(hours=6)


class Channel(StrEnum):
    """Where word of a job's end goes."""

    #: The URL that the job was submitted with.
    WEBHOOK = "webhook"
    #: The operator's topic and event bus.
    EVENTS = "events"


class NotificationStatus(StrEnum):
    """How far a notification has come."""

    PENDING = "pending"
    DELIVERED = "delivered"
    #: It will not be tried again: the receiver is gone, or its address is none that may be called.
    FAILED = "failed"
    #: Every try of the schedule failed, or it is over and the host was silent to all.
    GAVE_UP = "gave_up"
    #: The tenant does not want to hear of such an end.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Try:
    """One try that has ended: with the receiver's HTTP status, or with what kept us from one."""

    at: datetime
    status_code: int | None = None
    #: A word of ours, such as `timed_out`; never what a receiver said.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """One that is owed, or was."""

    status: NotificationStatus
    #: Tries that have ended. It names the next one: what asks for an earlier one is stale.
    tries: int = 0
    #: The last of them, the oldest first.
    attempts: tuple[Try, ...] = ()
    #: Not before; None once nothing is owed.
    next_attempt_at: datetime | None = None

    @property
    def is_owed(self) -> bool:
        """Whether there is something left to do."""
        return self.status is NotificationStatus.PENDING


def owed(now: datetime) -> Notification:
    """One that has just become due."""
    return Notification(NotificationStatus.PENDING, next_attempt_at=now)


def settled(notification: Notification, status: NotificationStatus, ended: Try | None = None) -> Notification:
    """It is over, after a try or without one."""
    return replace(_after(notification, ended), status=status, next_attempt_at=None)


def retried(notification: Notification, ended: Try, draw: float, hint: timedelta = timedelta(0)) -> Notification:
    """It is tried again later, if the schedule has a row left.

    The wait is uniform between half of the row and one and a half of it, by `draw` in [0, 1): what failed together does not come
    back together. `hint` is how long the receiver wants to be left alone.
    """
    if notification.tries >= len(SCHEDULE):
        return settled(notification, NotificationStatus.GAVE_UP, ended)
    wait = max(SCHEDULE[notification.tries] * (0.5 + draw), min(hint, HINT_MAX))
    return replace(_after(notification, ended), next_attempt_at=ended.at + wait)


def _after(notification: Notification, ended: Try | None) -> Notification:
    if ended is None:
        return notification
    attempts = (*notification.attempts, ended)[-ATTEMPTS_SHOWN:]
    return replace(notification, tries=notification.tries + 1, attempts=attempts)
