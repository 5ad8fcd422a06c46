"""Amazon Bedrock, through Converse. The only file that knows botocore's errors of that service."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from quarry.errors import (
    CredentialsExpired,
    InvocationError,
    InvocationRejected,
    InvocationTimedOut,
    MalformedCompletion,
    ModelNotFound,
    ProviderUnavailable,
)
from quarry.inference.routes import Target
from quarry.inference.verdicts import STOP_REASONS, classify
from quarry.invocation import Completion, Invocation, Json, ServedBy, Usage


class BedrockProvider:
    """Calls Converse, with one client per region."""

    def __init__(self, clients: Mapping[str, Any]) -> None:
        self._clients = clients

    async def invoke(self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json) -> Completion:
        client = self._clients.get(target.region)
        if client is None:
            raise ModelNotFound(f"no client for the region {target.region!r}", target=str(target))
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                answer = await client.converse(**converse_request(target, invocation, labels))
        except Exception as error:
            raise _translated(error, target) from error
        return completion(answer, target)


def converse_request(target: Target, invocation: Invocation, labels: Json) -> dict[str, Any]:
    """The keyword arguments of `converse`."""
    config = {
        "maxTokens": invocation.max_tokens,
        "temperature": invocation.temperature,
        "topP": invocation.top_p,
        "stopSequences": list(invocation.stop_sequences) or None,
    }
    request: dict[str, Any] = {
        "modelId": target.model,
        "messages": list(invocation.messages),
        "inferenceConfig": {name: value for name, value in config.items() if value is not None},
        "requestMetadata": dict(labels),
        **invocation.converse,
    }
    if invocation.system:
        request["system"] = list(invocation.system)
    return request


def completion(answer: Mapping[str, Any], target: Target) -> Completion:
    """Read Converse's answer.

    Raises:
        MalformedCompletion: the model's output is unusable; it was billed.
    """
    blocks, counted = answer["output"]["message"]["content"], answer.get("usage", {})
    usage = Usage(
        input_tokens=counted.get("inputTokens", 0),
        output_tokens=counted.get("outputTokens", 0),
        total_tokens=counted.get("totalTokens", 0),
        cache_read_input_tokens=counted.get("cacheReadInputTokens", 0),
        cache_write_input_tokens=counted.get("cacheWriteInputTokens", 0),
    )
    stop_reason = answer["stopReason"]
    filtered = STOP_REASONS.get(stop_reason, False)
    if filtered is None:
        raise MalformedCompletion(f"the model stopped with {stop_reason}", target=str(target), usage=usage)
    return Completion(
        text="".join(block["text"] for block in blocks if "text" in block),
        content=tuple(blocks),
        stop_reason=stop_reason,
        filtered=filtered,
        usage=usage,
        served_by=ServedBy(target.provider, target.region, target.model),
        provider_request_id=answer["ResponseMetadata"].get("RequestId"),
    )


def _translated(error: Exception, target: Target) -> Exception:
    where = str(target)
    match error:
        case ClientError():
            return _of_answer(error, where)
        case TimeoutError():
            return InvocationTimedOut("no answer in time", target=where)
        case ConnectTimeoutError() | EndpointConnectionError():
            # Nothing was sent.
            return ProviderUnavailable("no connection", target=where)
        case NoCredentialsError():
            return CredentialsExpired("there are no credentials", target=where)
        case ParamValidationError():
            return InvocationRejected(str(error), target=where)
        case BotoCoreError():
            # The connection broke after the request was sent, or the answer could not be read.
            return InvocationTimedOut(type(error).__name__, target=where)
    return error


def _of_answer(error: ClientError, where: str) -> InvocationError:
    fault, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    message = fault.get("Message", "")
    kind = classify(fault.get("Code", ""), message, metadata.get("HTTPStatusCode", 500))
    return kind(
        message,
        target=where,
        provider_request_id=metadata.get("RequestId"),
        retry_after_seconds=_hint(metadata.get("HTTPHeaders", {})),
    )


def _hint(headers: Mapping[str, str]) -> float | None:
    """A server's hint, in seconds: `x-amz-retry-after` counts milliseconds, `Retry-After` seconds."""
    for name, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
    return None
