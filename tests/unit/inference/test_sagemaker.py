"""SageMaker's errors against the installed service model, and what is asked of an endpoint."""

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from quarry import errors
from quarry.errors import InvocationError
from quarry.inference.providers.sagemaker import ERROR_CODES, endpoint_request, judged
from quarry.invocation import Target

LABELS = {"quarry_request_id": "0193", "quarry_attempt": "2"}


@pytest.fixture(scope="module")
def model() -> ServiceModel:
    """SageMaker Runtime, as the installed botocore knows it."""
    return ServiceModel(Loader().load_service_model("sagemaker-runtime", "service-2"), "sagemaker-runtime")


def test_every_error_shape_has_a_row(model: ServiceModel) -> None:
    """An exception that a newer botocore brings fails here, before a job meets it."""
    shapes = {shape.name for shape in model.operation_model("InvokeEndpoint").error_shapes}
    assert shapes
    assert shapes - set(ERROR_CODES) == set()


def test_what_is_asked(model: ServiceModel) -> None:
    """Members that the operation has; the mark is short enough for its own."""
    request = endpoint_request(Target("endpoints", "eu-west-1", "llama-8b/adapter-1"), {"messages": []}, LABELS)
    assert json.loads(request.pop("Body")) == {"messages": []}
    assert request == {
        "EndpointName": "llama-8b",
        "InferenceComponentName": "adapter-1",
        "ContentType": "application/json",
        "Accept": "application/json",
        "InferenceId": "0193-2",
    }
    shape = model.operation_model("InvokeEndpoint").input_shape
    assert shape is not None
    members = shape.members
    assert request.keys() <= members.keys()
    long = endpoint_request(Target("endpoints", "", "llama-8b"), {}, {"quarry_request_id": "x" * 99})
    assert len(long["InferenceId"]) == members["InferenceId"].metadata["max"]
    assert "InferenceComponentName" not in long


def _answer(code: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 424}, **more}


_VLLM = json.dumps({"error": {"message": "You passed 9 input tokens and requested 9 output tokens. However", "code": 400}})


_TIMED_OUT = 'Received server error (0) from primary with message "Your invocation timed out while waiting for a response'


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_answer("ServiceUnavailable"), errors.ProviderUnavailable),
        (_answer("ValidationError", "Endpoint llama-8b of account 123456789012 not found."), errors.ModelNotFound),
        (_answer("ValidationError", "'Endpoint llama-8b of account 123456789012 not found'"), errors.InvocationRejected),
        (_answer("ModelError"), errors.ModelFailed),
        (_answer("ModelError", _TIMED_OUT), errors.InvocationTimedOut),
        (
            _answer("ModelError", _TIMED_OUT, OriginalStatusCode=0, OriginalMessage="Your invocation timed out"),
            errors.InvocationTimedOut,
        ),
        (_answer("ModelError", OriginalStatusCode=0), errors.ModelFailed),
        (_answer("ModelError", OriginalStatusCode=400, OriginalMessage=_VLLM), errors.ContextTooLong),
        (_answer("ModelError", OriginalStatusCode=400, OriginalMessage="a bad request"), errors.InvocationRejected),
        (_answer("ModelError", OriginalStatusCode=429, OriginalMessage=""), errors.Throttled),
        (_answer("ModelError", OriginalStatusCode=500, OriginalMessage="{"), errors.ModelFailed),
        (_answer("ModelError", OriginalStatusCode=503, OriginalMessage="{}"), errors.ProviderUnavailable),
        (_answer("SomethingNew"), errors.InvocationRejected),
        ({}, errors.ModelFailed),
    ],
)
def test_errors(answer: Any, kind: type[InvocationError]) -> None:
    """By code; what a container refused, by what it said, as a server of chat completions is judged."""
    assert judged(answer)[0] is kind
