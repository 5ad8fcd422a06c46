"""Every error that Quarry raises, in one tree. It is drawn here; a file holds a branch.

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
    ├── RecordUnreadable                no version that we know has written this record
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

Rules for whoever edits these files:

1. An error says what happened, never what HTTP status, delay or log level follows: tables elsewhere say that.
2. What varies by class is a class attribute; what varies by instance is an attribute set in `__init__`.
3. A foreign exception becomes one of these in exactly one file per library, with `raise … from`.
"""

from quarry.errors.client import ApiRefused, ApiUnreachable
from quarry.errors.delivery import (
    AlreadyFinished,
    CancelRequested,
    ClaimedElsewhere,
    ClaimRefused,
    DeadlinePassed,
    EnvelopeError,
    JobChanged,
    LeaseLost,
    MalformedEnvelope,
    NoRecord,
    NotYetDue,
    RecordRefused,
    RecordUnreadable,
    StaleGeneration,
    TakenOverTooOften,
    UnsupportedEnvelope,
)
from quarry.errors.invocation import (
    AccessDenied,
    AnswerUnchecked,
    Blame,
    CeilingReached,
    CircuitOpen,
    ContentForbidden,
    ContextTooLong,
    CredentialsExpired,
    GuardrailUnavailable,
    GuardrailUnusable,
    InternalFault,
    InvocationError,
    InvocationRejected,
    InvocationTimedOut,
    LimitReached,
    MalformedCompletion,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    NotCapable,
    OutcomeUnknown,
    OutOfTime,
    ProviderUnavailable,
    QuotaExceeded,
    RequestLimitReached,
    ResidencyForbids,
    Throttled,
    TokenLimitReached,
)
from quarry.errors.root import ConfigurationError, QuarryError
from quarry.errors.submission import (
    ContentRefused,
    FieldFault,
    Forbidden,
    IdempotencyConflict,
    InvalidSubmission,
    JobNotFound,
    ModelNotAllowed,
    NotCancellable,
    NotJson,
    PayloadTooLarge,
    Quota,
    RateLimited,
    SubmissionError,
    Unauthenticated,
)
from quarry.errors.transport import (
    IssuerUnavailable,
    Overloaded,
    PayloadLost,
    PayloadsUnavailable,
    QueueUnavailable,
    StoreUnavailable,
    SubmissionUndecided,
    TransportError,
)

__all__ = [
    "AccessDenied",
    "AlreadyFinished",
    "AnswerUnchecked",
    "ApiRefused",
    "ApiUnreachable",
    "Blame",
    "CancelRequested",
    "CeilingReached",
    "CircuitOpen",
    "ClaimRefused",
    "ClaimedElsewhere",
    "ConfigurationError",
    "ContentForbidden",
    "ContentRefused",
    "ContextTooLong",
    "CredentialsExpired",
    "DeadlinePassed",
    "EnvelopeError",
    "FieldFault",
    "Forbidden",
    "GuardrailUnavailable",
    "GuardrailUnusable",
    "IdempotencyConflict",
    "InternalFault",
    "InvalidSubmission",
    "InvocationError",
    "InvocationRejected",
    "InvocationTimedOut",
    "IssuerUnavailable",
    "JobChanged",
    "JobNotFound",
    "LeaseLost",
    "LimitReached",
    "MalformedCompletion",
    "MalformedEnvelope",
    "ModelFailed",
    "ModelNotAllowed",
    "ModelNotFound",
    "ModelNotReady",
    "NoRecord",
    "NotCancellable",
    "NotCapable",
    "NotJson",
    "NotYetDue",
    "OutOfTime",
    "OutcomeUnknown",
    "Overloaded",
    "PayloadLost",
    "PayloadTooLarge",
    "PayloadsUnavailable",
    "ProviderUnavailable",
    "QuarryError",
    "QueueUnavailable",
    "Quota",
    "QuotaExceeded",
    "RateLimited",
    "RecordRefused",
    "RecordUnreadable",
    "RequestLimitReached",
    "ResidencyForbids",
    "StaleGeneration",
    "StoreUnavailable",
    "SubmissionError",
    "SubmissionUndecided",
    "TakenOverTooOften",
    "Throttled",
    "TokenLimitReached",
    "TransportError",
    "Unauthenticated",
    "UnsupportedEnvelope",
]
