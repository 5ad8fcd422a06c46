"""What the errors of servers of chat completions mean: by code, then status."""

import json
from typing import Any

import pytest

from quarry import errors
from quarry.errors import InvocationError
from quarry.inference.chat_verdicts import chat_error


def fault(message: str = "", code: Any = None, kind: Any = None) -> dict[str, Any]:
    """As OpenAI says it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # One status, and two things that it means.
        (429, fault(code="rate_limit_exceeded"), errors.Throttled),
        (429, fault(code="insufficient_quota", kind="insufficient_quota"), errors.QuotaExceeded),
        # The code is the finer of the two.
        (429, fault(code="slow_down", kind="insufficient_quota"), errors.Throttled),
        (429, fault(code="credit_balance_exhausted", kind="insufficient_quota"), errors.QuotaExceeded),
        (429, fault(code=None, kind="budget_exceeded"), errors.QuotaExceeded),
        (400, fault(code="400", kind="budget_exceeded"), errors.QuotaExceeded),
        (400, fault(code="context_length_exceeded"), errors.ContextTooLong),
        (400, fault("This model's maximum context length is 8192 tokens. However", code=400), errors.ContextTooLong),
        (400, fault("You passed 1015 input tokens and requested 10 output tokens.", code=400), errors.ContextTooLong),
        (400, fault("litellm.ContextWindowExceededError: AnthropicException", code="400"), errors.ContextTooLong),
        (400, fault("litellm.BadRequestError: litellm.ContextWindowExceededError: x", code="400"), errors.ContextTooLong),
        # Not at the start: a caller's text must not choose the class. Nor of another status.
        (400, fault("bad: 'This model's maximum context length is 1'", code=400), errors.InvocationRejected),
        (500, fault("This model's maximum context length is 1", code=500), errors.ModelFailed),
        # Older servers have it at the top.
        (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, errors.ModelNotFound),
        (400, {"error": "model is required"}, errors.InvocationRejected),
        (422, {"detail": []}, errors.InvocationRejected),
        (502, "<html>", errors.InvocationTimedOut),
        (529, fault(kind="overloaded_error"), errors.ProviderUnavailable),
        (599, [], errors.ModelFailed),
        (204, "", errors.ModelFailed),
        (301, "", errors.ModelNotFound),
        (400, fault(code=["context_length_exceeded"]), errors.InvocationRejected),
    ],
)
def test_errors(status: int, body: Any, kind: type[InvocationError]) -> None:
    """Whatever the body is, it is one of ours."""
    document = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = chat_error(status, document, {"x-request-id": "r-1", "retry-after": "3"}, "gateway/m")
    assert type(error) is kind
    assert (error.target, error.provider_request_id, error.retry_after_seconds) == ("gateway/m", "r-1", 3.0)


def test_a_message_is_told_and_a_key_is_not() -> None:
    """What names the caller's fault helps; OpenAI's answer to a wrong key quotes a part of it."""
    assert (
        str(chat_error(400, json.dumps(fault("temperature must be at most 2")).encode(), {}, "t"))
        == "temperature must be at most 2"
    )
    assert str(chat_error(400, b"", {}, "t")) == "status 400"
    assert "sk-" not in str(chat_error(401, json.dumps(fault("Incorrect API key provided: sk-ab***yz")).encode(), {}, "t"))
