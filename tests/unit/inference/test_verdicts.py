"""The tables against the installed service model, and what becomes of messages."""

import pytest

from quarry import errors
from quarry.errors import InvocationError
from quarry.inference.converse import service_model
from quarry.inference.verdicts import ERROR_CODES, STOP_REASONS, classify, scrub, told_reason

OPERATIONS = ("Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream", "CountTokens")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_shape_has_a_row(operation: str) -> None:
    """An exception that a newer botocore brings fails here, before a job meets it."""
    shapes = {shape.name for shape in service_model().operation_model(operation).error_shapes}
    assert shapes
    assert shapes - set(ERROR_CODES) == set()


def test_every_stop_reason_has_a_row() -> None:
    """A stop reason that a newer botocore brings fails here."""
    known = set(service_model().shape_for("StopReason").metadata["enum"])
    assert known
    assert known - set(STOP_REASONS) == set()


def test_a_stop_reason_of_a_models_own_is_not_told() -> None:
    """A native body has whatever was written there, and it would be in logs and spans."""
    assert [told_reason(each) for each in (*STOP_REASONS, "unknown")] == [*STOP_REASONS, "unknown"]
    assert told_reason("as I was told: the launch code is 4711") == "other"


def test_errors_in_the_middle_of_a_stream_have_a_row() -> None:
    """ConverseStream can deliver exceptions as events after its 200."""
    events = service_model().shape_for("ConverseStreamOutput").members.values()  # type: ignore[attr-defined]
    exceptions = {shape.name for shape in events if shape.metadata.get("exception")}
    assert exceptions
    assert exceptions - set(ERROR_CODES) == set()


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("ThrottlingException", "Too many requests", 429, errors.Throttled),
        ("ServiceUnavailableException", "", 503, errors.ProviderUnavailable),
        ("ValidationException", "The role is wrong", 400, errors.InvocationRejected),
        ("ValidationException", "Input is too long for requested model.", 400, errors.ContextTooLong),
        (
            "ValidationException",
            "The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum",
            400,
            errors.ContextTooLong,
        ),
        ("ValidationException", "The model returned the following errors: 'Input is too long'", 400, errors.InvocationRejected),
        ("ValidationException", "The provided model identifier is invalid.", 400, errors.ModelNotFound),
        # Not at the start: a caller's text must not choose the class.
        ("ValidationException", "Malformed: 'Input is too long'", 400, errors.InvocationRejected),
        # The pattern belongs to one code.
        ("ThrottlingException", "Input is too long", 429, errors.Throttled),
        ("SomethingNew", "", 400, errors.InvocationRejected),
        ("SomethingNew", "", 500, errors.ModelFailed),
        ("502", "Bad Gateway", 502, errors.InvocationTimedOut),
        ("503", "Service Unavailable", 503, errors.ProviderUnavailable),
    ],
)
def test_classification(code: str, message: str, status: int, kind: type[InvocationError]) -> None:
    """By code; a pattern refines one code only, anchored; an unknown code goes by its status."""
    assert classify(code, message, status) is kind


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "User: arn:aws:sts::123456789012:assumed-role/worker/i-0ab is not authorized to perform: bedrock:InvokeModel",
            "User: [arn] is not authorized to perform: bedrock:InvokeModel",
        ),
        (
            "on resource: arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-v2:1.",
            "on resource: [arn].",
        ),
        ("Account 123456789012 is not subscribed", "Account [account] is not subscribed"),
        ("('arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.x-v1:0')", "('[arn]')"),
        ("1234567890123 tokens of 12345678901 are too many", "1234567890123 tokens of 12345678901 are too many"),
        ("", ""),
    ],
)
def test_nothing_that_names_us_is_shown(message: str, shown: str) -> None:
    """A provider's message goes to callers without ARNs and account ids; numbers of another length stay."""
    assert scrub(message) == shown


def test_a_long_message_is_cut() -> None:
    """A proxy's whole page of HTML does not land in the record of a job."""
    assert len(scrub("x" * 100_000)) == 500
