"""Settling a delivery: ack, release (for a long wait: send anew, then ack) or bury, exactly as the verdict says.

A failure here costs one more delivery.
"""

from quarry.clock import Clock
from quarry.errors import QueueUnavailable, StoreUnavailable
from quarry.job import Job
from quarry.queue.base import Delivery, Lanes
from quarry.store.base import JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from quarry.telemetry.tracing import OFF, Tracing
from worker.outcome import Ack, Bury, Leave, Release, Settlement, is_long

_log = get_logger(__name__)


class Settler:
    """Settles deliveries."""

    def __init__(self, lanes: Lanes, store: JobStore, clock: Clock, metrics: WorkerMetrics, tracing: Tracing = OFF) -> None:
        self._lanes = lanes
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing

    async def settle(self, delivery: Delivery, settlement: Settlement, job: Job | None = None) -> Settlement:
        """Carry out a settlement; `job` is the record behind the delivery, where there is one."""
        with self._tracing.step("settle"):
            return await self._settle(delivery, settlement, job)

    async def _settle(self, delivery: Delivery, settlement: Settlement, job: Job | None) -> Settlement:
        name, queue = type(settlement).__name__.lower(), self._lanes[delivery.lane]
        try:
            match settlement:
                case Ack():
                    await queue.ack(delivery)
                case Release() if is_long(settlement, delivery, self._clock.now()):
                    name = "resend"
                    await queue.resend(delivery, settlement.until - self._clock.now())
                case Release():
                    await queue.release(delivery, settlement.until - self._clock.now())
                case Bury():
                    await self._bury(delivery, settlement, job)
                case Leave():
                    pass
        except (QueueUnavailable, StoreUnavailable) as error:
            # The message comes again after its visibility timeout, meets the record, and is settled then.
            _log.warning(Event.SETTLEMENT_FAILED, error=str(error))
        self._metrics.settled.labels(name, settlement.reason).inc()
        return settlement

    async def _bury(self, delivery: Delivery, settlement: Bury, job: Job | None) -> None:
        await self._lanes[delivery.lane].bury(delivery, settlement.reason, job.request_id if job else None)
        _log.warning(Event.DELIVERY_BURIED, reason=settlement.reason)
        if job:
            await self._store.clear_bury(job)
