"""Tables: what Bedrock's error codes and stop reasons mean for a job.

Classified by the exception codes of the service model, never by text, with one exception: where AWS gives one code to several
faults, an anchored pattern may *refine* a class. Without a match the base class stands.

Source of the codes and stop reasons: botocore 1.43.117, `bedrock-runtime/2023-09-30/service-2.json`; a test reads the installed
model and fails on one without a row.
"""

import math
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from quarry import errors
from quarry.dialects import UNKNOWN
from quarry.errors import InvocationError

Refinements: TypeAlias = tuple[tuple[str, re.Pattern[str], type[InvocationError]], ...]

#: Error code → class, for what is not in a service model: AWS's front ends send those for any service.
COMMON_CODES: Final[Mapping[str, type[InvocationError]]] = {
    "AccessDeniedException": errors.AccessDenied,
    "ThrottlingException": errors.Throttled,
    "ExpiredTokenException": errors.CredentialsExpired,
    "ExpiredToken": errors.CredentialsExpired,
    "UnrecognizedClientException": errors.CredentialsExpired,
    "InvalidSignatureException": errors.CredentialsExpired,
    "InvalidClientTokenId": errors.CredentialsExpired,
    "MissingAuthenticationTokenException": errors.CredentialsExpired,
    "IncompleteSignatureException": errors.CredentialsExpired,
}

#: Error code → class, for Bedrock.
ERROR_CODES: Final[Mapping[str, type[InvocationError]]] = {
    "ModelNotReadyException": errors.ModelNotReady,
    "ServiceUnavailableException": errors.ProviderUnavailable,
    "InternalServerException": errors.ModelFailed,
    "ModelTimeoutException": errors.InvocationTimedOut,
    "ModelErrorException": errors.ModelFailed,
    "ModelStreamErrorException": errors.ModelFailed,
    "ValidationException": errors.InvocationRejected,
    "ConflictException": errors.InvocationRejected,
    "ResourceNotFoundException": errors.ModelNotFound,
    "ServiceQuotaExceededException": errors.QuotaExceeded,
    **COMMON_CODES,
}

#: (code, pattern anchored at the start of the message) → a finer class.
REFINEMENTS: Final[Refinements] = (
    (
        "ValidationException",
        # Converse puts words of its own before the model's: github.com/continuedev/continue/issues/9592.
        re.compile(
            r"(The model returned the following errors: )?(Input is too long|prompt is too long|Too many input tokens)",
            re.IGNORECASE,
        ),
        errors.ContextTooLong,
    ),
    (
        "ValidationException",
        re.compile(
            r"(The provided model identifier is invalid|Invocation of model ID .* with on-demand throughput)", re.IGNORECASE
        ),
        errors.ModelNotFound,
    ),
)

#: HTTP status → class, for answers whose code is not in the table (a proxy's, say).
_BY_STATUS: Final[Mapping[int, type[InvocationError]]] = {
    401: errors.CredentialsExpired,
    403: errors.AccessDenied,
    404: errors.ModelNotFound,
    408: errors.InvocationTimedOut,
    429: errors.Throttled,
    502: errors.InvocationTimedOut,
    503: errors.ProviderUnavailable,
    504: errors.InvocationTimedOut,
}

#: Stop reason → whether the answer was filtered; None: it is unusable.
STOP_REASONS: Final[Mapping[str, bool | None]] = {
    "end_turn": False,
    "stop_sequence": False,
    "tool_use": False,
    "max_tokens": False,
    "model_context_window_exceeded": False,
    "guardrail_intervened": True,
    "content_filtered": True,
    "malformed_model_output": None,
    "malformed_tool_use": None,
}


#: What is told of a word that is none of these.
_OTHER: Final = "other"


def told_reason(stop_reason: str) -> str:
    """A stop reason for logs and spans. A native body's is whatever a model, or the server in front of it, has written there."""
    return stop_reason if stop_reason in STOP_REASONS or stop_reason == UNKNOWN else _OTHER


#: Our own choice: enough for any sentence, and small beside what a job's record may hold.
_MESSAGE_MAX: Final = 500
#: What names us and not the caller's request.
_IDENTIFIERS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # Up to what cannot be in an ARN, or ends a sentence.
    (re.compile(r"\barn:aws[a-z0-9-]*:[^\s\"'`,;<>()\[\]{}]*[^\s\"'`,;<>()\[\]{}.:]", re.IGNORECASE), "[arn]"),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "[account]"),
)


def scrub(message: str) -> str:
    """A provider's message, fit for callers: without ARNs and account ids, and not longer than a sentence or three."""
    # What is far beyond that is not looked at: a body may have megabytes, and every job of the worker would wait.
    message = message[: 20 * _MESSAGE_MAX]
    for pattern, word in _IDENTIFIERS:
        message = pattern.sub(word, message)
    return message if len(message) <= _MESSAGE_MAX else f"{message[: _MESSAGE_MAX - 1]}…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """A server's hint, in seconds: `Retry-After` counts them; `x-amz-retry-after` and OpenAI's `retry-after-ms` milliseconds."""
    for name, unit in (("x-amz-retry-after", 0.001), ("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < math.inf:
            return seconds
    return None


def begun(error: InvocationError) -> InvocationError:
    """An error after which a part of the answer had come. Whatever it is called (a throttle, say): the provider broke while it
    worked, and what it had made is billed.
    """
    if error.may_be_billed:
        return error
    told = f"{error.code}: {error}"
    return errors.ModelFailed(told, target=error.target, provider_request_id=error.provider_request_id, usage=error.usage)


def classify(
    code: str,
    message: str,
    status: int,
    codes: Mapping[str, type[InvocationError]] = ERROR_CODES,
    refinements: Refinements = REFINEMENTS,
) -> type[InvocationError]:
    """The error class of an answer of AWS that is an error, Bedrock's by default. An unknown code is judged by its HTTP status."""
    for refined_code, pattern, refined in refinements:
        if code == refined_code and pattern.match(message):
            return refined
    if code in codes:
        return codes[code]
    fallback = errors.InvocationRejected if 400 <= status < 500 else errors.ModelFailed
    return _BY_STATUS.get(status, fallback)
