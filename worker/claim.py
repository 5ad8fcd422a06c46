"""Claiming: the right to work a job, taken in one conditional write."""

from itertools import count
from typing import Final

from quarry.aws import DENIED, code_of
from quarry.backoff import Backoff
from quarry.clock import Clock
from quarry.envelope import Envelope, from_wire
from quarry.errors import StoreUnavailable
from quarry.queue.base import Delivery
from quarry.store.base import JobStore
from quarry.telemetry.logs import bind_job
from quarry.telemetry.tracing import OFF, Tracing
from worker.lease import HeldLease, Leases

#: Between repeats of a claim whose answer did not come, for as long as half the lease is left.
_AGAIN: Final = Backoff(base_seconds=0.2, ceiling_seconds=4)


class Claimer:
    """Claims jobs for this worker."""

    def __init__(self, store: JobStore, leases: Leases, clock: Clock, tracing: Tracing = OFF) -> None:
        self._store = store
        self._leases = leases
        self._clock = clock
        self._tracing = tracing

    async def claim(self, delivery: Delivery) -> HeldLease:
        """The job that a delivery points to, under our lease.

        Raises:
            EnvelopeError: the message is no envelope that we can read.
            ClaimRefused: one of its classes says why.
            StoreUnavailable: nobody knows, or our role may not claim.
        """
        envelope = from_wire(delivery.body)
        bind_job(envelope.request_id)
        with self._tracing.step("claim"):
            held = await self._claim(envelope, delivery)
        bind_job(envelope.request_id, held.job.attempts)
        return held

    async def _claim(self, envelope: Envelope, delivery: Delivery) -> HeldLease:
        lease, valid_until = self._leases.new()
        give_up_at = (valid_until + self._clock.monotonic()) / 2
        may_stand = False
        for tries in count(1):
            try:
                job = await self._store.claim(envelope, lease, self._clock.now())
            except StoreUnavailable as error:
                may_stand = may_stand or error.applied is not False
                if _is_denied(error) and not may_stand:
                    raise  # nobody mends a role within half a lease: it is told now, and the slot is free
                # The claim may stand, under a token that only we know: asking again finds that out, and it costs no take-over.
                wait = _AGAIN.wait(tries, 1.0).total_seconds()
                if self._clock.monotonic() + wait > give_up_at:
                    raise
                await self._clock.sleep(wait)
                if self._clock.monotonic() > give_up_at:
                    raise  # this process stood still: the lease would be old, and its take-over would count against the job
            else:
                break
        return HeldLease(job, delivery, valid_until)


def _is_denied(error: StoreUnavailable) -> bool:
    """Whether a permission is missing."""
    return isinstance(error.__cause__, Exception) and code_of(error.__cause__) in DENIED
