"""Sending reminders: what has the end of jobs told."""

from datetime import datetime

from quarry.errors import QueueUnavailable
from quarry.job import Job
from quarry.queue.base import JobQueue
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.webhooks.reminder import reminders_of

_log = get_logger(__name__)


async def remind(queue: JobQueue | None, job: Job, now: datetime) -> bool:
    """Have told what a job owes by now; True where all of that is on the queue. Where not, the sweep does it again.

    `queue` is None where this process does not know of one: the sweep of one that does finds the job.
    """
    if not job.owes:
        return True
    if queue is None:
        return False
    failures: list[QueueUnavailable] = list(filter(None, await queue.send(list(reminders_of(job, now)))))
    for failure in failures:
        _log.warning(Event.REMINDER_FAILED, request_id=job.request_id, error=str(failure))
    return not failures
