"""What a message in the dead-letter queue is, judged by the record of its job. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quarry.envelope import Envelope, from_wire
from quarry.errors import EnvelopeError
from quarry.job import Job, JobStatus, StatusReason
from quarry.queue.base import DeadDelivery


class Fate(StrEnum):
    """What is to be done about it."""

    #: Its job failed: this is its dead letter.
    DEAD = "dead"
    #: Its job was put back to work, given up, or ended otherwise: it can go.
    OVER = "over"
    #: SQS moved it here, for it was received too often, and its job still waits for it: it has to be sent again.
    STRANDED = "stranded"
    #: It points to a job that is not there (any more).
    NO_RECORD = "no_record"
    #: It points to a job whose record cannot be read by this version: it is left alone.
    UNREADABLE_RECORD = "unreadable_record"
    #: It is no envelope that we can read, and so has no job.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of the dead-letter queue, and what we know of it."""

    delivery: DeadDelivery
    envelope: Envelope | None
    job: Job | None
    fate: Fate

    @property
    def key(self) -> str:
        """By what copies of it are folded, and by what it can be named: the job's id, else the message's."""
        return self.envelope.request_id if self.envelope else self.delivery.message_id

    @property
    def reason(self) -> str:
        """Under what it is shown: why its job failed, else why it lies here."""
        match self.fate:
            case Fate.DEAD if self.job and self.job.status_reason:
                return self.job.status_reason.value
            case Fate.UNREADABLE:
                return self.delivery.reason or _UNREADABLE
        return self.fate.value


#: As the worker calls it where it buries one.
_UNREADABLE: Final = "malformed_envelope"


def envelope_of(delivery: DeadDelivery) -> Envelope | None:
    """The envelope in a message, None where there is none that we can read."""
    try:
        return from_wire(delivery.body)
    except EnvelopeError:
        return None


def judged(
    delivery: DeadDelivery,
    envelope: Envelope | None,
    jobs: Mapping[tuple[str, str], Job],
    unreadable: Collection[tuple[str, str]] = (),
) -> Letter:
    """A message with its fate; `jobs` are records by (tenant, request id), that of its job among them if there is one, or its
    pointer among those that are `unreadable`.
    """
    pointer = (envelope.tenant, envelope.request_id) if envelope else None
    if pointer in unreadable:
        return Letter(delivery, envelope, None, Fate.UNREADABLE_RECORD)
    job = jobs.get(pointer) if pointer else None
    return Letter(delivery, envelope, job, _fate(envelope, job))


def _fate(envelope: Envelope | None, job: Job | None) -> Fate:
    if envelope is None:
        return Fate.UNREADABLE
    if job is None:
        return Fate.NO_RECORD
    if envelope.generation < job.generation:
        return Fate.OVER
    if not job.status.is_terminal:
        return Fate.STRANDED
    given_up = job.status is not JobStatus.FAILED or job.status_reason is StatusReason.DISCARDED
    return Fate.OVER if given_up else Fate.DEAD
