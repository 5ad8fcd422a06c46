"""What goes wrong, as callers see it: RFC 9457 problems. A table, and the functions that read it.

A problem says what the caller can act on. What happened inside (an AWS error code, a stack trace) is for the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from quarry.errors import (
    ContentRefused,
    FieldFault,
    Forbidden,
    IdempotencyConflict,
    InvalidSubmission,
    IssuerUnavailable,
    JobNotFound,
    ModelNotAllowed,
    NotCancellable,
    NotJson,
    Overloaded,
    PayloadLost,
    PayloadsUnavailable,
    PayloadTooLarge,
    QuarryError,
    QueueUnavailable,
    RateLimited,
    StoreUnavailable,
    SubmissionUndecided,
    Unauthenticated,
)

MEDIA_TYPE: Final = "application/problem+json"
#: Our own choice: what a 503 asks callers to wait at least.
RETRY_AFTER_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `code` is stable; `detail` stands in where the error's own words are internal."""

    status: int
    code: str
    title: str
    detail: str | None = None
    #: The field at fault, where the kind of problem alone tells.
    path: str | None = None

    @property
    def type(self) -> str:
        """Names the kind for machines; nothing is served there."""
        return f"urn:quarry:problem:{self.code}"


_TRY_AGAIN: Final = "A service behind this one did not answer. Trying again is safe."

#: Error class → problem. A subclass without a row takes its parent's.
PROBLEMS: Final[Mapping[type[QuarryError], Kind]] = {
    NotJson: Kind(400, "invalid_json", "The body is not JSON"),
    InvalidSubmission: Kind(422, "invalid_request", "The request has faults"),
    ContentRefused: Kind(422, "content_refused", "The content is refused"),
    PayloadTooLarge: Kind(413, "payload_too_large", "The payload is too large"),
    ModelNotAllowed: Kind(422, "model_not_allowed", "The model is not served here", path="model"),
    IdempotencyConflict: Kind(409, "idempotency_conflict", "The idempotency key is in use for another request"),
    JobNotFound: Kind(404, "job_not_found", "There is no such job"),
    NotCancellable: Kind(409, "not_cancellable", "The job is over"),
    Unauthenticated: Kind(
        401, "unauthenticated", "Nobody knows who is calling", "Send a valid credential: `Authorization: Bearer …`."
    ),
    Forbidden: Kind(403, "forbidden", "The caller may not do that", "The credential is valid, and does not permit this."),
    RateLimited: Kind(429, "rate_limited", "The tenant is over a limit"),
    QueueUnavailable: Kind(503, "queue_unavailable", "The queue does not answer", _TRY_AGAIN),
    StoreUnavailable: Kind(503, "store_unavailable", "The store does not answer", _TRY_AGAIN),
    PayloadsUnavailable: Kind(503, "payloads_unavailable", "The store of large content does not answer", _TRY_AGAIN),
    IssuerUnavailable: Kind(
        503,
        "issuer_unavailable",
        "The issuer of tokens does not answer",
        "Nobody can tell now whether the token holds; nothing was done. Try again.",
    ),
    Overloaded: Kind(503, "overloaded", "Too much is being served at once", "Nothing was done. Try again."),
    PayloadLost: Kind(500, "content_lost", "The content is gone", "The job's result should be stored, and is not there any more."),
    SubmissionUndecided: Kind(
        503,
        "submission_undecided",
        "The job may or may not have been accepted",
        "Ask for the job by its request_id: if it is there, it will run. Submitting again is safe with an idempotency key only.",
    ),
}

#: HTTP status → problem, for what is wrong with a request before anybody looks at what it says.
HTTP_PROBLEMS: Final[Mapping[int, Kind]] = {
    400: PROBLEMS[NotJson],
    404: Kind(404, "not_found", "There is nothing at this path", "See /docs for what there is."),
    405: Kind(405, "method_not_allowed", "The path does not take this method", "See the Allow header."),
    408: Kind(408, "request_timeout", "The request came too slowly", "Nothing was done. Try again."),
    413: PROBLEMS[PayloadTooLarge],
    415: Kind(415, "unsupported_media_type", "The body is of the wrong type", "Send it as application/json."),
    431: Kind(431, "headers_too_large", "The headers are too large", "They may have 16 KiB, with the path."),
    501: Kind(501, "not_streamed", "This API has no event streams", "Ask for the job itself, with `wait_seconds`."),
}

#: What is answered to something that never becomes a request.
UNREADABLE: Final = Kind(400, "invalid_http", "This is no HTTP request", "It cannot be read.")
CROWDED: Final = PROBLEMS[Overloaded]

#: Where the API is a function, which has a time for each request, and a largest answer.
OUT_OF_TIME: Final = Kind(
    503,
    "out_of_time",
    "It took too long",
    "It may or may not have been done. Submitting again is safe with an idempotency key only.",
)
ANSWER_TOO_LARGE: Final = Kind(422, "answer_too_large", "The answer is too large", "Ask for fewer jobs at a time.")

INTERNAL: Final = Kind(500, "internal_error", "Something is wrong here", "It is not your request; the operator's log says more.")

#: Those that no error of ours and no status stands for.
OTHERS: Final = (UNREADABLE, OUT_OF_TIME, ANSWER_TOO_LARGE, INTERNAL)


def kind_of(error: Exception) -> Kind:
    """The kind of problem that an error is; what is not in the table is internal."""
    return next((PROBLEMS[each] for each in type(error).__mro__ if each in PROBLEMS), INTERNAL)


def problem_of(error: Exception) -> dict[str, Any]:
    """The problem document of an error."""
    kind = kind_of(error)
    faults: Sequence[FieldFault] = getattr(error, "faults", ())
    detail = kind.detail or str(error)
    if kind.path:
        faults = (FieldFault(kind.path, detail),)
    document = problem(kind, detail, faults)
    if isinstance(error, SubmissionUndecided):
        document["request_id"] = error.request_id
    return document


def problem(kind: Kind, detail: str | None = None, faults: Sequence[FieldFault] = ()) -> dict[str, Any]:
    """A problem document: always with `errors`, which is empty where no single field is at fault."""
    return {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": detail or kind.detail or kind.title,
        "code": kind.code,
        "errors": [{"path": fault.path, "message": fault.message} for fault in faults],
    }


def item_error(error: Exception) -> dict[str, Any]:
    """The same, shorter: one item of a bulk submission or of a lookup."""
    whole = problem_of(error)
    kept = {"code": whole["code"], "message": whole["detail"], "errors": whole["errors"]}
    return kept | {name: whole[name] for name in ("request_id",) if name in whole}


def whereabouts(error: BaseException) -> str:
    """What the log may say of an error that nobody expected: its class and its place, not its words, which may be content."""
    trace, place = error.__traceback__, "?"
    while trace:
        place = f"{'/'.join(trace.tb_frame.f_code.co_filename.rsplit('/', 2)[-2:])}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
