"""Tables: what the errors of servers that speak chat completions mean for a job. By code, then by status; never by searching text.

An error is `{"error": {"message", "type", "param", "code"}}`; vLLM's code is the status as a number, LiteLLM's that as a text, and
older ones have the four at the top. Sources, of November 2026: the guide on error codes at developers.openai.com, the types of
github.com/openai/openai-python, and the reports that are named. There is no service model to hold these tables to.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from quarry import errors
from quarry.errors import InvocationError
from quarry.inference.verdicts import retry_after, scrub

#: `code`, or else `type` → class.
CODES: Final[Mapping[str, type[InvocationError]]] = {
    # github.com/chathub-dev/chathub/issues/126
    "context_length_exceeded": errors.ContextTooLong,
    # Comes with 429, like a rate; but no time gives it back.
    "insufficient_quota": errors.QuotaExceeded,
    "credit_balance_exhausted": errors.QuotaExceeded,
    # LiteLLM's, with 400 or 429: github.com/OWASP/OpenCRE/pull/1102 quotes its docs.
    "budget_exceeded": errors.QuotaExceeded,
    "rate_limit_exceeded": errors.Throttled,
    "slow_down": errors.Throttled,
    "server_is_overloaded": errors.ProviderUnavailable,
    "invalid_api_key": errors.CredentialsExpired,
    "model_not_found": errors.ModelNotFound,
    # This model refuses what others take: github.com/sipeed/picoclaw/issues/16.
    "unsupported_parameter": errors.NotCapable,
    "unsupported_value": errors.NotCapable,
}

#: HTTP status → class, where the code says nothing.
STATUSES: Final[Mapping[int, type[InvocationError]]] = {
    401: errors.CredentialsExpired,
    402: errors.QuotaExceeded,
    403: errors.AccessDenied,
    404: errors.ModelNotFound,
    408: errors.InvocationTimedOut,
    413: errors.ContextTooLong,
    429: errors.Throttled,
    # A gateway's: what it asked may have been answered, and nobody saw it.
    502: errors.InvocationTimedOut,
    503: errors.ProviderUnavailable,
    504: errors.InvocationTimedOut,
    # Overloaded; Anthropic's, and of gateways before it.
    529: errors.ProviderUnavailable,
}

#: How a 400 begins that says that the request is too long, of servers that have no code for it.
TOO_LONG: Final = re.compile(
    r"This model's maximum context length is "  # vLLM until 0.15: github.com/vllm-project/vllm/issues/20409
    r"|You passed \d+ input tokens and requested "  # since 0.16: github.com/harbor-framework/harbor/pull/996
    # LiteLLM, which puts the name of its exception first: github.com/OpenHands/OpenHands/issues/5350
    r"|(litellm\.BadRequestError: )?litellm\.ContextWindowExceededError: "
)


def chat_error(status: int, document: bytes, headers: Mapping[str, str], where: str) -> InvocationError:
    """The error that an answer whose status is not 200 stands for. `document` is its body, which may be anything."""
    fault = _fault(document)
    message = fault.get("message")
    message = message if isinstance(message, str) and message else f"status {status}"
    kind = classify_chat((fault.get("code"), fault.get("type")), message, status)
    if kind is errors.CredentialsExpired:
        # OpenAI's words quote the key, if only a part of it.
        message = "the key is missing, wrong or expired"
    return kind(
        scrub(message),
        target=where,
        provider_request_id=headers.get("x-request-id"),
        retry_after_seconds=retry_after(headers),
    )


def classify_chat(codes: tuple[object, ...], message: str, status: int) -> type[InvocationError]:
    """The class of an error by its codes, the finer first; then by its status."""
    known = next((CODES[code] for code in codes if isinstance(code, str) and code in CODES), None)
    if known is not None:
        return known
    if status == 400 and TOO_LONG.match(message):
        return errors.ContextTooLong
    if 300 <= status < 400:
        # Not followed: it would take the prompt and the key elsewhere. The address is ours to mend.
        return errors.ModelNotFound
    return STATUSES.get(status, errors.InvocationRejected if 400 <= status < 500 else errors.ModelFailed)


def _fault(document: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    fault = body.get("error", body) if isinstance(body, dict) else None
    return fault if isinstance(fault, dict) else {"message": fault} if isinstance(fault, str) else {}
