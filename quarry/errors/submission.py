"""What callers get wrong."""

from dataclasses import dataclass

from quarry.errors.root import QuarryError


class SubmissionError(QuarryError):
    """A request that cannot be served as it is; the message is written for the caller."""


class NotJson(SubmissionError):
    """The body is not JSON, or holds what no JSON text can."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One fault in a request: `path` is the field as the caller wrote it, such as `messages[0].content`."""

    path: str
    message: str


class InvalidSubmission(SubmissionError):
    """One or more fields are wrong."""

    def __init__(self, *faults: FieldFault) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


class ContentRefused(InvalidSubmission):
    """Texts hold what the tenant's policy forbids. Each fault names the pattern and the field, and nothing of the text."""


class PayloadTooLarge(SubmissionError):
    """The payload exceeds a limit."""


class ModelNotAllowed(SubmissionError):
    """No route has that name, and no target serves that model id."""


class IdempotencyConflict(SubmissionError):
    """The idempotency key is in use for another body."""


class JobNotFound(SubmissionError):
    """No such job for this tenant."""


class NotCancellable(SubmissionError):
    """The job is over."""


class Unauthenticated(SubmissionError):
    """No credential, or none that holds. It does not say which part of it was wrong.

    `claimed` is the public part of what was shown, such as a key's id: for the audit log, never for the caller.
    """

    def __init__(self, message: str, *, claimed: str | None = None) -> None:
        super().__init__(message)
        self.claimed = claimed


class Forbidden(SubmissionError):
    """The caller is known, and may not do that."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How a tenant stands with one of its limits: `left` of `most`, in each window of `window_seconds` where it is a limit in time.

    `more_in_seconds` is until there is one more; None where nobody knows, or nothing is taken. `left` is what this process knows:
    others may have taken of it since.
    """

    name: str
    most: int
    left: int
    window_seconds: int | None = None
    more_in_seconds: int | None = None


class RateLimited(SubmissionError):
    """The tenant is over one of its limits. After `retry_after_seconds` there is room again, unless another call takes it."""

    def __init__(self, message: str, *, retry_after_seconds: int, quotas: tuple[Quota, ...] = ()) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.quotas = quotas
