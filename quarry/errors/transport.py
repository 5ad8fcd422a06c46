"""What a process meets: AWS that is away, content that is gone, too much at once."""

from quarry.errors.root import QuarryError


class TransportError(QuarryError):
    """A service behind this one did not answer, or not usefully; time helps.

    `applied` tells whether a write may have happened: False only where the service is known to have refused it.
    """

    def __init__(self, message: str, *, applied: bool | None = None) -> None:
        super().__init__(message)
        self.applied = applied


class QueueUnavailable(TransportError):
    """SQS."""


class StoreUnavailable(TransportError):
    """DynamoDB."""


class PayloadsUnavailable(TransportError):
    """S3, for content too large for the table."""


class IssuerUnavailable(TransportError):
    """The issuer of tokens does not publish its keys, or not usefully: nobody can tell whether a token holds."""


class SubmissionUndecided(TransportError):
    """Nobody knows whether a job was recorded, or its message sent. Where it was recorded, the sweep makes it run."""

    def __init__(self, request_id: str) -> None:
        super().__init__("the job may or may not have been accepted")
        self.request_id = request_id


class PayloadLost(QuarryError):
    """Content that a record points to is gone, or is not what was put there. No time will mend that."""


class Overloaded(QuarryError):
    """This process has in hand as much as it may, of bytes or of what waits; nothing was done, and time helps."""
