"""Every error that Quarry raises, in one tree.

    QuarryError
    ├── ConfigurationError              start-up; exit 78
    ├── SubmissionError                 the caller's
    │   ├── NotJson
    │   ├── InvalidSubmission           carries the fields at fault
    │   │   └── ContentRefused          what the tenant's policy forbids is in them
    │   ├── PayloadTooLarge
    │   ├── ModelNotAllowed
    │   ├── IdempotencyConflict
    │   ├── JobNotFound
    │   ├── NotCancellable
    │   ├── Unauthenticated             nobody knows who calls
    │   ├── Forbidden                   they may not
    │   └── RateLimited                 the tenant is over a limit: time helps
    ├── EnvelopeError
    │   ├── MalformedEnvelope           bury
    │   └── UnsupportedEnvelope         of a newer version: release, bury after a day
    ├── ClaimRefused                    settle without calling
    │   ├── ClaimedElsewhere            processing, under a live lease
    │   ├── NotYetDue
    │   ├── AlreadyFinished
    │   ├── DeadlinePassed
    │   ├── CancelRequested
    │   ├── TakenOverTooOften
    │   ├── NoRecord
    │   └── StaleGeneration
    ├── LeaseLost                       someone else owns the job: stop, write nothing
    ├── OutOfTime                       no call may begin any more
    ├── JobChanged                      the job is no longer what was read: read again
    ├── RecordRefused                   the table will never take this record
    ├── TransportError                  time helps
    │   ├── QueueUnavailable
    │   ├── StoreUnavailable
    │   ├── PayloadsUnavailable
    │   ├── IssuerUnavailable           nobody can tell whether a token holds
    │   └── SubmissionUndecided         it may have been accepted, and then it will run
    ├── PayloadLost                     content that should be in S3 is gone, or is not what was put there
    ├── Overloaded                      this process has in hand as much as it may
    ├── ApiUnreachable                  the command line's: no REST API answers
    ├── ApiRefused                      the command line's: it answered with a problem
    └── InvocationError                 a model call that gave no answer
        ├── Throttled  ModelNotReady  ProviderUnavailable  ModelFailed  MalformedCompletion  InvocationTimedOut
        ├── LimitReached                not asked: it has no room now
        │   └── RequestLimitReached  TokenLimitReached  CeilingReached
        ├── CircuitOpen                 not asked: it failed too often just now
        ├── OutcomeUnknown              and it is not paid again
        ├── InvocationRejected  ContextTooLong  NotCapable  ResidencyForbids
        ├── AccessDenied  ModelNotFound  CredentialsExpired  QuotaExceeded
        ├── ContentForbidden            not asked: the tenant's policy forbids what it holds
        ├── GuardrailUnavailable        not asked: the tenant's guardrail did not judge it
        ├── GuardrailUnusable           not asked: there is no guardrail that could
        ├── AnswerUnchecked             an answer came, and nobody could judge it
        └── InternalFault

Rules for whoever edits this file:

1. An error says what happened, never what HTTP status, delay or log level follows: tables elsewhere say that.
2. What varies by class is a class attribute; what varies by instance is an attribute set in `__init__`.
3. A foreign exception becomes one of these in exactly one file per library, with `raise … from`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Literal, TypeAlias

from quarry.invocation import Fallback, Usage
from quarry.job import Job

Blame: TypeAlias = Literal["caller", "us", "provider"]


class QuarryError(Exception):
    """The root."""


class ConfigurationError(QuarryError):
    """A setting is missing or wrong. The message is one sentence that names it and says what to do."""


# --- what callers get wrong -------------------------------------------------------------------------------------------


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


# --- the queue message ------------------------------------------------------------------------------------------------


class EnvelopeError(QuarryError):
    """A queue message that cannot be worked."""


class MalformedEnvelope(EnvelopeError):
    """It is not an envelope and never will be."""


class UnsupportedEnvelope(EnvelopeError):
    """It is an envelope of a version this process does not know: a newer worker can read it."""


# --- claiming, and writing under a claim ------------------------------------------------------------------------------


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


class OutOfTime(QuarryError):
    """The deadline passed before a call could begin. `refused`: what the targets came to that were asked before it, if any was."""

    refused: "InvocationError | None" = None


class JobChanged(QuarryError):
    """The job is no longer what was read, so a write that rested on the reading was not made."""


class RecordRefused(QuarryError):
    """The table will never take this record, however often it is asked: it is too large, or a bug."""


class RecordUnreadable(QuarryError):
    """A record that no version which this one knows has written: damaged, or of a version to come. Nothing is done with it."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"the record of job {request_id} cannot be read by this version")
        self.request_id = request_id


# --- what a process meets: AWS that is away, content that is gone, too much at once -----------------------------------


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


# --- the REST API, as its clients see it ------------------------------------------------------------------------------


class ApiUnreachable(QuarryError):
    """Nothing that is Quarry's API answered. The message says where it was looked for.

    `heard` is False where what was asked has certainly not arrived there, `slow` is True where somebody took it and did not
    answer in time.
    """

    def __init__(self, detail: str, *, heard: bool = True, slow: bool = False) -> None:
        super().__init__(detail)
        self.heard = heard
        self.slow = slow


class ApiRefused(QuarryError):
    """The API answered with a problem (RFC 9457). `code` is stable, the faults name the fields of the request.

    `retry_after_seconds` is what its Retry-After asks for; None where it does not say.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        faults: tuple[FieldFault, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.faults = faults
        self.retry_after_seconds = retry_after_seconds


# --- model calls ------------------------------------------------------------------------------------------------------

#: Source: github.com/kirodotdev/Kiro/issues/8113 (May 2026), github.com/RooCodeInc/Roo-Code/issues/5050 (June 2025).
_TOO_MANY: Final = re.compile(r"Too many (requests|tokens)\b")


class InvocationError(QuarryError):
    """A model call gave no usable answer.

    The class attributes answer the questions on which everything else turns: does time help, does another target help, may
    money have been spent, who is to blame, and is it a lack of capacity (which costs the job nothing)?
    """

    #: Stable, documented, shown to callers.
    code: ClassVar[str] = "invocation_error"
    time_helps: ClassVar[bool] = False
    fallback_helps: ClassVar[bool] = False
    may_be_billed: ClassVar[bool] = False
    blames: ClassVar[Blame] = "provider"
    lacks_capacity: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        target: str | None = None,
        provider_request_id: str | None = None,
        retry_after_seconds: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.target = target
        self.provider_request_id = provider_request_id
        #: The provider's own hint; None where it gave none.
        self.retry_after_seconds = retry_after_seconds
        #: What was billed, where the provider said it; None where nobody knows.
        self.usage = usage
        #: Who was asked before `target`, in order.
        self.fallbacks: tuple[Fallback, ...] = ()
        #: Where nobody served: every target of the route, in the order in which it was asked or skipped, `target` among them.
        self.refusals: tuple[Fallback, ...] = ()


class Throttled(InvocationError):
    """The quota is used up for the moment."""

    code = "throttled"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True

    @property
    def limit(self) -> str | None:
        """Which limit was met, `requests` or `tokens`, by Bedrock's own words; None where they are others."""
        words = _TOO_MANY.match(str(self))
        return words[1] if words else None


class LimitReached(InvocationError):
    """The target was not asked: by what its throttles and its ceilings tell, it has no room now. The next one is asked at once.

    Of this class itself where the target has just throttled and nobody asks it for a moment.
    """

    code = "limit_reached"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class RequestLimitReached(LimitReached):
    """It is asked as often as it grants, by what its throttles tell."""

    code = "request_limit_reached"


class TokenLimitReached(LimitReached):
    """It uses as many tokens as it grants, by what its throttles tell."""

    code = "token_limit_reached"


class CeilingReached(LimitReached):
    """It is asked as often, or uses as many tokens, as the operator allows in `routes.toml`."""

    code = "ceiling_reached"


class ModelNotReady(InvocationError):
    """The model is being loaded."""

    code = "model_not_ready"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class ProviderUnavailable(InvocationError):
    """The provider refused before it worked (503, or no connection)."""

    code = "provider_unavailable"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class CircuitOpen(InvocationError):
    """The target was not asked: it failed too often just now. `retry_after_seconds` is until it is asked again."""

    code = "circuit_open"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class ModelFailed(InvocationError):
    """The provider broke while it worked."""

    code = "model_failed"
    time_helps = True
    fallback_helps = True
    may_be_billed = True


class MalformedCompletion(InvocationError):
    """An answer came, billed, and cannot be used."""

    code = "malformed_completion"
    time_helps = True
    fallback_helps = True
    may_be_billed = True


class InvocationTimedOut(InvocationError):
    """No answer in time, or the connection broke after the request was sent: the outcome is unknown."""

    code = "invocation_timed_out"
    time_helps = True
    fallback_helps = True
    may_be_billed = True


class OutcomeUnknown(InvocationError):
    """A call may have been paid, nobody saw its answer, and the job's route says that it is not made again."""

    code = "outcome_unknown"
    may_be_billed = True


class InvocationRejected(InvocationError):
    """The request itself is wrong; no time and no other target will make it right."""

    code = "invocation_rejected"
    blames = "caller"


class ContextTooLong(InvocationError):
    """The request does not fit this model; a larger one may take it."""

    code = "context_too_long"
    fallback_helps = True
    blames = "caller"


class NotCapable(InvocationError):
    """The request needs what the target has not, or what its provider has no words for: mostly found before it is asked."""

    code = "target_not_capable"
    fallback_helps = True
    blames = "caller"


class ResidencyForbids(InvocationError):
    """The target was not asked: the prompt may not be processed everywhere that it may process it.

    A job is refused at its submission where that is so of every target. If it comes to be so later, the routes were changed: ours.
    """

    code = "region_not_allowed"
    fallback_helps = True
    blames = "us"


class ContentForbidden(InvocationError):
    """The request holds what the tenant's policy forbids now, or narrows what its guardrail would look at. It names no text."""

    code = "content_refused"
    blames = "caller"


class GuardrailUnavailable(InvocationError):
    """The target was not asked: the tenant's guardrail, which has to pass the request first, is throttled or gives no answer."""

    code = "guardrail_unavailable"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class GuardrailUnusable(InvocationError):
    """The target was not asked: the tenant has no guardrail for it, or we may not use it, or it is not there."""

    code = "guardrail_unusable"
    fallback_helps = True
    blames = "us"


class AnswerUnchecked(InvocationError):
    """An answer came, billed, and the tenant's guardrail could not judge it: it is shown to nobody."""

    code = "answer_unchecked"
    time_helps = True
    may_be_billed = True


class AccessDenied(InvocationError):
    """Our role may not call this model."""

    code = "access_denied"
    fallback_helps = True
    blames = "us"


class ModelNotFound(InvocationError):
    """The model id names nothing (any more) in this region."""

    code = "model_not_found"
    fallback_helps = True
    blames = "us"


class CredentialsExpired(InvocationError):
    """Our credentials are missing, wrong or expired."""

    code = "credentials_expired"
    fallback_helps = True
    blames = "us"


class QuotaExceeded(InvocationError):
    """An account-level quota that time alone does not give back soon."""

    code = "quota_exceeded"
    fallback_helps = True
    blames = "us"


class InternalFault(InvocationError):
    """A bug of ours in the middle of a call. It costs an attempt, or a paid call could be repeated for ever."""

    code = "internal_error"
    time_helps = True
    may_be_billed = True
    blames = "us"
