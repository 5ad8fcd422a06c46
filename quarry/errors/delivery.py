"""A delivery that is not worked: its message, claiming, and writing under a claim."""

from datetime import datetime

from quarry.errors.root import QuarryError
from quarry.job import Job


class EnvelopeError(QuarryError):
    """A queue message that cannot be worked."""


class MalformedEnvelope(EnvelopeError):
    """It is not an envelope and never will be."""


class UnsupportedEnvelope(EnvelopeError):
    """It is an envelope of a version this process does not know: a newer worker can read it."""


class ClaimRefused(QuarryError):
    """The job may not be worked now by this delivery. `job` is what that was judged by; None where there is none."""

    def __init__(self, job: Job | None) -> None:
        super().__init__(type(self).__name__)
        self.job = job


class ClaimedElsewhere(ClaimRefused):
    """Another worker holds a lease; `until` is when it runs out, unless it is renewed."""

    def __init__(self, job: Job, until: datetime) -> None:
        super().__init__(job)
        self.until = until


class NotYetDue(ClaimRefused):
    """The job waits for a retry or for capacity, until `until`."""

    def __init__(self, job: Job, until: datetime) -> None:
        super().__init__(job)
        self.until = until


class AlreadyFinished(ClaimRefused):
    """The job is terminal. With a `bury_reason`, its dead letter may not have been sent yet."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.bury_reason = job.bury_reason


class DeadlinePassed(ClaimRefused):
    """No call may start any more."""


class CancelRequested(ClaimRefused):
    """The caller wants the job stopped."""


class TakenOverTooOften(ClaimRefused):
    """Workers keep dying on this job."""


class NoRecord(ClaimRefused):
    """There is no such job: it was erased or has expired."""

    def __init__(self) -> None:
        super().__init__(None)


class StaleGeneration(ClaimRefused):
    """The job was put to work anew since this envelope was sent."""


class LeaseLost(QuarryError):
    """The fencing token is no longer the job's: whoever holds it writes, we do not."""


class JobChanged(QuarryError):
    """The job is no longer what was read, so a write that rested on the reading was not made."""


class RecordRefused(QuarryError):
    """The table will never take this record, however often it is asked: it is too large, or a bug."""


class RecordUnreadable(QuarryError):
    """A record that no version which this one knows has written: damaged, or of a version to come. Nothing is done with it."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"the record of job {request_id} cannot be read by this version")
        self.request_id = request_id
