"""Claiming: the right to work a job, taken in one conditional write."""

from quarry.clock import Clock
from quarry.envelope import from_wire
from quarry.queue.base import Delivery
from quarry.store.base import JobStore
from quarry.telemetry.logs import bind_job
from worker.lease import HeldLease, Leases


class Claimer:
    """Claims jobs for this worker."""

    def __init__(self, store: JobStore, leases: Leases, clock: Clock) -> None:
        self._store = store
        self._leases = leases
        self._clock = clock

    async def claim(self, delivery: Delivery) -> HeldLease:
        """The job that a delivery points to, under our lease.

        Raises:
            EnvelopeError: the message is no envelope that we can read.
            ClaimRefused: one of its classes says why.
            StoreUnavailable: nobody knows.
        """
        envelope = from_wire(delivery.body)
        bind_job(envelope.request_id)
        lease, valid_until = self._leases.new()
        job = await self._store.claim(envelope, lease, self._clock.now())
        bind_job(envelope.request_id, job.attempts)
        return HeldLease(job, delivery, valid_until)
