"""Takes reminders from their queue and sees to each: read the record, try, note what came of it, settle.

note ✓ ─ next reminder sent ✓ ─ ack ✓        tried once
try ✓ ─ crash, or note ?                      tried again: the receiver sees the same webhook-id
note ✓ ─ crash, or next reminder ✗            the old one comes again, and is stale; the sweep sends the next one
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.errors import EnvelopeError, JobChanged, QueueUnavailable, StoreUnavailable, UnsupportedEnvelope
from quarry.job import Job, notified
from quarry.notification import Channel, Notification
from quarry.queue.base import Delivery, JobQueue
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from quarry.webhooks.reminder import Reminder, from_wire
from worker.notify.deliver import Later, Teller
from worker.outcome import RECEIVED_OFTEN, RELEASE_MAX

_log = get_logger(__name__)
#: While queue or table are away. Our own choice.
_AWAY: Final = Backoff(base_seconds=0.5, ceiling_seconds=10)
#: How long a reminder is left that cannot be seen to: the table is away, or it is of a newer version, or of a channel that this
#: worker does not serve. Our own choice.
_ELSEWHERE: Final = timedelta(seconds=30)
_BATCH: Final = 10


class Consumer:
    """Sees to reminders, so many at a time."""

    def __init__(
        self,
        queue: JobQueue,
        store: JobStore,
        tellers: Mapping[Channel, Teller],
        clock: Clock,
        metrics: WorkerMetrics,
        *,
        concurrency: int,
        poll: timedelta,
    ) -> None:
        self._queue = queue
        self._store = store
        self._tellers = tellers
        self._clock = clock
        self._metrics = metrics
        self._room = asyncio.Semaphore(concurrency)
        self._poll = poll

    async def keep(self) -> None:
        """See to reminders for ever. Supervised: if this ends, the worker stops. What is under way then comes again."""
        failures = 0
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._room.acquire()
                self._room.release()
                try:
                    deliveries = await self._queue.receive(_BATCH, self._poll)
                    failures = 0
                except QueueUnavailable as error:
                    failures += 1
                    _log.warning(Event.RECEIVE_FAILED, error=str(error))
                    await self._clock.sleep(_AWAY.wait(failures, 1.0).total_seconds())
                    continue
                for delivery in deliveries:
                    await self._room.acquire()
                    tasks.create_task(self._one(delivery)).add_done_callback(lambda _: self._room.release())

    async def _one(self, delivery: Delivery) -> None:
        try:
            await self.see_to(delivery)
        except (QueueUnavailable, StoreUnavailable) as error:
            # The message comes again after its visibility timeout.
            _log.warning(Event.SETTLEMENT_FAILED, error=str(error))
        except Exception as error:  # noqa: BLE001 - one of them must not end the others
            _log.exception(Event.DELIVERY_FAILED, error=type(error).__name__)

    async def see_to(self, delivery: Delivery) -> None:
        """One reminder, from its reading to its settlement.

        Raises:
            QueueUnavailable, StoreUnavailable: it comes again.
        """
        try:
            reminder = from_wire(delivery.body)
        except UnsupportedEnvelope:
            await self._wait(delivery, _ELSEWHERE)
            return
        except EnvelopeError:
            await self._queue.bury(delivery, "malformed_reminder", None)
            return
        teller = self._tellers.get(reminder.channel)
        if teller is None:
            await self._wait(delivery, _ELSEWHERE)
            return
        job = await self._store.get(reminder.tenant, reminder.request_id)
        notification = job.notifications.get(reminder.channel) if job else None
        if job is None or job.erasing or notification is None or _is_stale(reminder, job, notification):
            await self._queue.ack(delivery)
            return
        left = (notification.next_attempt_at or self._clock.now()) - self._clock.now()
        if left > timedelta(0):
            await self._wait(delivery, left)
            return
        await self._tell(delivery, reminder, teller, job, notification)

    async def _tell(self, delivery: Delivery, reminder: Reminder, teller: Teller, job: Job, notification: Notification) -> None:
        after = await teller.tell(job, notification)
        if isinstance(after, Later):
            await self._wait(delivery, after.wait)
            return
        self._report(reminder, after)
        try:
            await self._store.note(notified(job, reminder.channel, after), job, reminder.channel)
        except JobChanged:
            # By another worker with a copy of this reminder; or the job went back to work, or is gone.
            await self._queue.ack(delivery)
            return
        if after.next_attempt_at is None:
            await self._queue.ack(delivery)
            return
        following = replace(delivery, body=replace(reminder, tries=after.tries).to_wire())
        await self._queue.resend(following, after.next_attempt_at - self._clock.now())

    def _report(self, reminder: Reminder, after: Notification) -> None:
        last = after.attempts[-1] if after.attempts else None
        fields = {"channel": reminder.channel, "status": after.status, "tries": after.tries, "request_id": reminder.request_id}
        told = {"status_code": last.status_code, "error": last.error} if last else {}
        _log.info(Event.NOTIFICATION_ATTEMPTED, **fields, **{name: value for name, value in told.items() if value is not None})
        self._metrics.notifications.labels(reminder.channel, after.status).inc()

    async def _wait(self, delivery: Delivery, wait: timedelta) -> None:
        """By the rule for jobs' messages: a long wait, and one that was received often, is sent anew."""
        if wait > RELEASE_MAX or delivery.receive_count >= RECEIVED_OFTEN:
            await self._queue.resend(delivery, wait)
        else:
            await self._queue.release(delivery, wait)


def _is_stale(reminder: Reminder, job: Job, notification: Notification) -> bool:
    return (reminder.generation, reminder.tries) != (job.generation, notification.tries) or not notification.is_owed
