"""Amazon Bedrock: Converse, ConverseStream, and InvokeModel for native bodies. The only file that knows botocore's errors of that
service.

The question that matters about an error without an answer is whether the request was *sent*. botocore's classes do not say it:
aiobotocore 3.10 reports a reset after the request was sent as an `EndpointConnectionError` too (`httpsession.py`), so what
aiohttp raised beneath is looked at. Whatever is in doubt counts as sent, and perhaps billed.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from socket import gaierror
from typing import Any, Final, TypeAlias

from aiohttp import ClientConnectorError
from aiohttp import ClientError as AioHttpError
from botocore.eventstream import ParserError as EventStreamFault
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from quarry import dialects
from quarry.errors import (
    CredentialsExpired,
    InvocationError,
    InvocationRejected,
    InvocationTimedOut,
    MalformedCompletion,
    ModelFailed,
    ModelNotFound,
    ProviderUnavailable,
)
from quarry.inference.converse import OWNED_FIELDS, decoded, encoded
from quarry.inference.converse_stream import PATIENT, Assembly, Patience, StreamEnded, StreamStalled, listen
from quarry.inference.model_ids import Kind, known_model_id
from quarry.inference.providers.base import Heard
from quarry.inference.verdicts import STOP_REASONS, begun, classify, retry_after, scrub
from quarry.invocation import Completion, Guardrail, Invocation, Json, Target, Usage

#: Calls of a model; an error of another operation came on the way to one.
_OURS: Final = frozenset({"Converse", "ConverseStream", "InvokeModel", "InvokeEndpoint", "ApplyGuardrail"})
#: botocore has no credentials to sign with: nothing was sent.
_NO_CREDENTIALS: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoAuthTokenError,
    TokenRetrievalError,
    SSOError,
    LoginError,
)
#: An answer came, and botocore's parser stumbled over it: not JSON, not UTF-8, or of another shape.
UNREADABLE: Final = (ResponseParserError, EventStreamFault, AttributeError, KeyError, TypeError, ValueError)
#: A stream that failed by itself.
_UNFINISHED: Final = (StreamEnded, StreamStalled)


class BedrockProvider:
    """Calls Converse, ConverseStream or InvokeModel, with one client per region. A native body is never streamed."""

    #: A guardrail goes with the call.
    guards: Final = True

    def __init__(self, clients: Mapping[str, Any], patience: Patience = PATIENT) -> None:
        self._clients = clients
        self._patience = patience

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        client = self._clients.get(target.region)
        if client is None:
            raise ModelNotFound(f"no client for the region {target.region!r}", target=str(target))
        native, assembly = invocation.native, Assembly()
        request = (
            converse_request(target, invocation, labels)
            if native is None
            else native_request(target, native, labels, invocation.guardrail)
        )
        answer: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                if native is not None:
                    answer = await client.invoke_model(**request)
                    answer["body"] = await answer["body"].read()
                elif heard is None:
                    answer = await client.converse(**request)
                else:
                    if "guardrailConfig" in request:
                        # What the guardrail has not passed yet does not come: its documented default, said all the same.
                        request["guardrailConfig"]["streamProcessingMode"] = "sync"
                    answer = await client.converse_stream(**request)
                    await listen(answer["stream"], assembly, heard, self._patience)
                    answer |= assembly.answer()
            return completion(answer, target) if native is None else native_completion(answer, target)
        except (ClientError, BotoCoreError, AioHttpError, TimeoutError, *_UNFINISHED, *UNREADABLE) as error:
            told = translated(error, str(target))
            told.provider_request_id = told.provider_request_id or _request_id(answer)
            told.usage = None if assembly.usage is None else _usage(assembly.usage)
            raise (begun(told) if assembly.has_begun else told) from error


def converse_request(target: Target, invocation: Invocation, labels: Json) -> dict[str, Any]:
    """The keyword arguments of `converse`, binary decoded.

    Raises:
        InvocationRejected: it cannot be said in Converse.
    """
    config = {
        "maxTokens": invocation.max_tokens,
        "temperature": invocation.temperature,
        "topP": invocation.top_p,
        "stopSequences": list(invocation.stop_sequences) or None,
    }
    request: dict[str, Any] = {
        **{name: value for name, value in invocation.converse.items() if name not in OWNED_FIELDS},
        "modelId": target.model,
        "messages": list(invocation.messages),
    }
    # A prompt of Prompt management says itself how it is to be answered, and Converse refuses it beside that.
    # Source: the documentation of `converse` in botocore 1.43.117 (November 2026), `modelId`.
    if (known := known_model_id(target.model)) is None or known.kind is not Kind.PROMPT:
        request["inferenceConfig"] = {name: value for name, value in config.items() if value is not None}
    if invocation.system:
        request["system"] = list(invocation.system)
    if labels:
        request["requestMetadata"] = dict(labels)
    if guardrail := invocation.guardrail:
        request["guardrailConfig"] = {
            "guardrailIdentifier": guardrail.id,
            "guardrailVersion": guardrail.version,
            "trace": "enabled" if guardrail.trace else "disabled",
        }
    try:
        return decoded(request)
    except ValueError as error:
        raise InvocationRejected("a binary field is not base64", target=str(target)) from error


def completion(answer: Mapping[str, Any], target: Target) -> Completion:
    """Read Converse's answer. Nobody has checked it: members may be missing, or something else.

    Raises:
        MalformedCompletion: the model's output is unusable; it was billed.
        AttributeError, TypeError, ValueError: it has not even Converse's shape.
    """
    usage = _usage(answer.get("usage") or {})
    request_id = _request_id(answer)
    blocks: Any = ((answer.get("output") or {}).get("message") or {}).get("content")
    stop_reason: Any = answer.get("stopReason")
    fault = None
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks) or not isinstance(stop_reason, str):
        fault = "the answer is not Converse's"
    elif STOP_REASONS.get(stop_reason, False) is None:
        fault = f"the model stopped with {stop_reason}"
    if fault:
        raise MalformedCompletion(fault, target=str(target), provider_request_id=request_id, usage=usage)
    return Completion(
        content=tuple(_told(block) for block in blocks),
        stop_reason=stop_reason,
        filtered=STOP_REASONS.get(stop_reason) is True,
        usage=usage,
        served_by=target,
        provider_request_id=request_id,
    )


def native_request(target: Target, body: Json, labels: Json, guardrail: Guardrail | None = None) -> dict[str, Any]:
    """The keyword arguments of `invoke_model`: the body as it was submitted. A guardrail is in headers."""
    request = {
        "modelId": target.model,
        "body": json.dumps(body).encode(),
        "contentType": "application/json",
        "accept": "application/json",
    }
    if guardrail:
        request |= {"guardrailIdentifier": guardrail.id, "guardrailVersion": guardrail.version}
        request |= {"trace": "ENABLED" if guardrail.trace else "DISABLED"}
    # Here it is a header, whose value is JSON.
    return request | ({"requestMetadata": json.dumps(dict(labels))} if labels else {})


def native_completion(answer: Mapping[str, Any], target: Target) -> Completion:
    """Read InvokeModel's answer: counts from its headers, and what they do not say from the body.

    Raises:
        MalformedCompletion: it is not a JSON object; it was billed.
    """
    metadata = answer.get("ResponseMetadata", {})
    headers, request_id = metadata.get("HTTPHeaders", {}), metadata.get("RequestId")
    try:
        body = json.loads(answer["body"])
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        usage = _native_usage(headers, dialects.Reading())
        raise MalformedCompletion("the body is no JSON object", target=str(target), provider_request_id=request_id, usage=usage)
    reading = dialects.read(body)
    # Where a guardrail was asked for, the body says what it did: source, the example in the API reference of InvokeModel.
    intervened = body.get("amazon-bedrock-guardrailAction") == "INTERVENED"
    return Completion(
        content=({"native": body},),
        stop_reason=reading.stop_reason,
        filtered=STOP_REASONS.get(reading.stop_reason) is True or intervened,
        usage=_native_usage(headers, reading),
        served_by=target,
        provider_request_id=request_id,
    )


def _native_usage(headers: Mapping[str, str], reading: dialects.Reading) -> Usage:
    def count(name: str, read: int | None) -> int:
        value = headers.get(f"x-amzn-bedrock-{name}-token-count", "")
        return int(value) if value.isascii() and value.isdecimal() else read or 0

    sent, made = count("input", reading.input_tokens), count("output", reading.output_tokens)
    return Usage(
        input_tokens=sent,
        output_tokens=made,
        total_tokens=sent + made,
        cache_read_input_tokens=count("cache-read-input", reading.cache_read_input_tokens),
        cache_write_input_tokens=count("cache-write-input", reading.cache_write_input_tokens),
    )


def _request_id(answer: Mapping[str, Any]) -> str | None:
    request_id: str | None = answer.get("ResponseMetadata", {}).get("RequestId")
    return request_id


def _told(block: Json) -> Any:
    """A block as a caller may send it back: without nulls and type marks, binary as base64 text."""
    return encoded({name: value for name, value in block.items() if value is not None and name != "__type"})


def _usage(counted: Mapping[str, Any]) -> Usage:
    def count(name: str) -> int:
        try:
            return int(counted.get(name) or 0)
        except (TypeError, ValueError):
            return 0

    return Usage(
        input_tokens=count("inputTokens"),
        output_tokens=count("outputTokens"),
        total_tokens=count("totalTokens") or count("inputTokens") + count("outputTokens"),
        cache_read_input_tokens=count("cacheReadInputTokens"),
        cache_write_input_tokens=count("cacheWriteInputTokens"),
    )


def _judged(answer: Json) -> tuple[type[InvocationError], str]:
    fault = answer.get("Error", {})
    # Within a stream, an error is named like a member: `throttlingException`.
    code, message = fault.get("Code", ""), fault.get("Message") or ""
    return classify(code[:1].upper() + code[1:], message, answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)), message


#: An answer that is an error → its class, and its message.
Judge: TypeAlias = Callable[[Json], tuple[type[InvocationError], str]]


def translated(error: Exception, where: str, judge: Judge = _judged) -> InvocationError:
    """What the SDK, or the reading of its answer, raised, as one of ours. Answers are judged as Bedrock's by default."""
    match error:
        case ClientError():
            return _of_answer(error, where, judge)
        case StreamStalled():
            return InvocationTimedOut(f"the stream stalled: {error}", target=where)
        case StreamEnded():
            return ModelFailed("the stream ended before the answer did", target=where)
        case TimeoutError():
            return InvocationTimedOut("no answer in time", target=where)
        case BotoCoreError() if _never_sent(error):
            return ProviderUnavailable("no connection", target=where)
        case BotoCoreError() if isinstance(error, _NO_CREDENTIALS):
            return CredentialsExpired(f"there are no usable credentials ({type(error).__name__})", target=where)
        case ParamValidationError():
            # Its report quotes the request, and so the prompt.
            return InvocationRejected("the request does not have the operation's shape", target=where)
        case BotoCoreError() | AioHttpError():
            # InvokeModel's body is read after its head; aiobotocore does not wrap every error of that.
            return InvocationTimedOut(f"the connection broke before an answer was read ({type(error).__name__})", target=where)
    return MalformedCompletion("the answer cannot be read", target=where)


def _never_sent(error: BotoCoreError) -> bool:
    """Whether the connection itself failed, so that no request went out."""
    if isinstance(error, EndpointConnectionError):
        return isinstance(error.kwargs.get("error"), (ClientConnectorError, gaierror))
    return isinstance(error, (ConnectTimeoutError, ProxyConnectionError, SSLError))


def _of_answer(error: ClientError, where: str, judge: Judge) -> InvocationError:
    if error.operation_name not in _OURS:
        # Another service's, asked for credentials on the way (STS, SSO).
        return CredentialsExpired(f"{error.operation_name} gave no credentials", target=where)
    metadata = error.response.get("ResponseMetadata", {})
    kind, message = judge(error.response)
    return kind(
        scrub(message),
        target=where,
        provider_request_id=metadata.get("RequestId"),
        retry_after_seconds=retry_after(metadata.get("HTTPHeaders", {})),
    )
