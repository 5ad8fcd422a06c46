"""SageMaker's real-time endpoints: InvokeEndpoint, whose body is the container's own affair. Here it is a chat completion's.

The containers that serve language models take one at `/invocations` where a body has `messages`: LMI (source: the chat schema,
`serving/docs/lmi/user_guides/chat_input_output_schema.md`, of github.com/deepjavalibrary/djl-serving) and vLLM (source:
`invocations` in its `vllm/entrypoints/openai/api_server.py`), both read in November 2026. A native body goes as it is.

A target's `model` is the endpoint's name; `ENDPOINT/COMPONENT` names one of its inference components.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from aiohttp import ClientError as AioHttpError
from botocore.exceptions import BotoCoreError, ClientError

from quarry import errors
from quarry.errors import InvocationError, NotCapable
from quarry.inference.chat_answer import chat_completion
from quarry.inference.chat_request import chat_request
from quarry.inference.chat_verdicts import chat_error
from quarry.inference.providers.base import Heard
from quarry.inference.providers.bedrock import UNREADABLE, translated
from quarry.inference.providers.reading import bounded
from quarry.inference.verdicts import COMMON_CODES, Refinements, classify
from quarry.invocation import Completion, Invocation, Json, Target

#: Error code → class. Source: botocore 1.43.117, `sagemaker-runtime/2017-05-13/service-2.json`; a test reads the installed model.
ERROR_CODES: Final[Mapping[str, type[InvocationError]]] = {
    "InternalFailure": errors.ModelFailed,
    "InternalDependencyException": errors.ModelFailed,
    "ServiceUnavailable": errors.ProviderUnavailable,
    "ModelNotReadyException": errors.ModelNotReady,
    "ValidationError": errors.InvocationRejected,
    # Of a container that did not say what it answered; else that is judged.
    "ModelError": errors.ModelFailed,
    **COMMON_CODES,
}
REFINEMENTS: Final[Refinements] = (
    # github.com/aws/amazon-sagemaker-examples/issues/559
    ("ValidationError", re.compile(r"Endpoint \S+ of account \d+ not found"), errors.ModelNotFound),
    # The service waits a minute for a container: github.com/RamVegiraju/SageMaker-Deployment/issues/3.
    (
        "ModelError",
        re.compile(r'Received server error \(0\) from \S+ with message "Your invocation timed out'),
        errors.InvocationTimedOut,
    ),
)
#: At most so long: `InferenceId` in the same model.
_INFERENCE_ID_MAX: Final = 64


class SageMakerProvider:
    """Calls the endpoints of one region."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        where, native = str(target), invocation.native
        try:
            request = endpoint_request(target, chat_request(invocation) if native is None else native, labels)
            async with asyncio.timeout(timeout.total_seconds()):
                answer = await self._client.invoke_endpoint(**request)
                document = await bounded(answer["Body"].iter_chunks())
            request_id = answer["ResponseMetadata"].get("RequestId")
        except NotCapable as error:
            error.target = where
            raise
        except (ClientError, BotoCoreError, AioHttpError, TimeoutError, *UNREADABLE) as error:
            raise translated(error, where, judged) from error
        return chat_completion(document, target, request_id, native=native is not None)


def endpoint_request(target: Target, body: Json, labels: Json) -> dict[str, Any]:
    """The keyword arguments of `invoke_endpoint`."""
    endpoint, _, component = target.model.partition("/")
    request = {
        "EndpointName": endpoint,
        "Body": json.dumps(body).encode(),
        "ContentType": "application/json",
        "Accept": "application/json",
    }
    if labels:
        # With the data that the endpoint captures, where it does.
        request["InferenceId"] = "-".join(map(str, labels.values()))[:_INFERENCE_ID_MAX]
    return request | ({"InferenceComponentName": component} if component else {})


def judged(answer: Json) -> tuple[type[InvocationError], str]:
    """The class of an answer that is an error, and its message. What a container refused is judged by what it said."""
    fault, status = answer.get("Error", {}), answer.get("OriginalStatusCode")
    code, message = fault.get("Code", ""), fault.get("Message") or ""
    if code == "ModelError" and isinstance(status, int) and status >= 400:
        said = chat_error(status, str(answer.get("OriginalMessage", "")).encode(), {}, "")
        return type(said), str(said)
    http_status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return classify(code, message, http_status, ERROR_CODES, REFINEMENTS), message
