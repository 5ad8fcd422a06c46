"""Bedrock Runtime on the wire: reading a Converse call, writing an answer or an error.

Errors have the service's form: the HTTP status of the service model, the class in `x-amzn-ErrorType`, `{"message": …}` as body.
Where the words of a message were read stands beside them; all others are plausible, not copied. Nothing may depend on them but
what `inference/verdicts.py` does.
"""

import base64
import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

from aiohttp import web

from quarry.inference.converse import service_model
from quarry.invocation import Json

#: Sent by AWS's front ends for any service, so not in the service model. Source of what is there: "Common Errors" in the AWS
#: Management Console's documentation (November 2026); the others are our knowledge.
_COMMON_STATUSES: Final[Mapping[str, int]] = {
    "MissingAuthenticationTokenException": 403,
    "ExpiredTokenException": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "UnrecognizedClientException": 403,
    "InvalidSignatureException": 403,
    "IncompleteSignatureException": 400,
    "SerializationException": 400,
    "UnknownOperationException": 404,
}

_WORDS: Final[Mapping[str, str]] = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "ExpiredTokenException": "The security token included in the request is expired",
    "InternalServerException": "The system encountered an unexpected error during processing. Try your request again.",
    "MissingAuthenticationTokenException": "Missing Authentication Token",
    "ModelErrorException": "The model returned an error while it processed the request. Try your request again.",
    "ModelNotReadyException": "The model is not ready for inference. Wait and try your request again.",
    "ModelTimeoutException": "The model did not answer in time. Try your request again.",
    "ResourceNotFoundException": "Could not resolve the foundation model from the provided model identifier.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "UnknownOperationException": "The simulator does not speak that operation.",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "ValidationException": "The request is not valid.",
}

_SCOPE: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/(?:bedrock|sagemaker)/aws4_request,")
#: Where InvokeModel has its request metadata. Source: the Bedrock Runtime service model in botocore 1.43.117 (November 2026).
REQUEST_METADATA: Final = "X-Amzn-Bedrock-Request-Metadata"
#: What the chunks of InvokeModelWithResponseStream are; same source.
CONTENT_TYPE: Final = "X-Amzn-Bedrock-Content-Type"
#: Members of InvokeModel's input that its output repeats; same source.
_REPEATED: Final = ("X-Amzn-Bedrock-PerformanceConfig-Latency", "X-Amzn-Bedrock-Service-Tier")
#: Names a guardrail, without its version; same source.
GUARDRAIL: Final = "X-Amzn-Bedrock-GuardrailIdentifier"
#: How the class of an error goes on in the service's header, as github.com/aws-samples/amazon-bedrock-client-for-mac/issues/112
#: shows it. SDKs cut it off.
_NAMESPACE: Final = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
#: The request metadata by which Quarry marks its calls.
REQUEST_ID_LABEL: Final = "quarry_request_id"


class Refusal(Exception):
    """An error answer. `code` is an exception of the service, `message` is for people; empty takes the usual one."""

    def __init__(
        self, code: str, message: str = "", *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or _WORDS.get(code, code)
        self.status = status or statuses().get(code, 400)
        self.headers = headers or {}


@dataclass(frozen=True)
class Call:
    """One call. `region` is the one it was signed for; empty with a bearer token, which names none."""

    model: str
    region: str
    body: Json
    #: The input shape of the service model that `body` is said in.
    shape: str = "ConverseRequest"
    #: The request's: InvokeModel has members of its input there.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Whether there is anything to say: not by CountTokens and by embeddings, whose tokens are only counted.
    generates: bool = True
    #: Of an operation that streams where it is asked to.
    streams: bool = False

    @property
    def request_id(self) -> str:
        """The job it is made for; empty where the caller is not Quarry."""
        metadata = self.body.get("requestMetadata")
        with suppress(Refusal):
            # InvokeModel's is a header, and not in the body before that was read.
            metadata = metadata or labelled(self.headers.get(REQUEST_METADATA, "")).get("requestMetadata")
        value = metadata.get(REQUEST_ID_LABEL, "") if isinstance(metadata, dict) else ""
        return value if isinstance(value, str) else ""

    @cached_property
    def user_texts(self) -> list[str]:
        """The text of each user message, in order. Only for a body that was found to be in shape."""
        return [text_of(message["content"]) for message in self.body["messages"] if message["role"] == "user"]


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model came up with: Converse content blocks as they are on the wire."""

    content: list[Any]
    stop_reason: str
    input_tokens: int
    output_tokens: int
    #: Members of the request that the answer repeats.
    echoed: Mapping[str, Any] = field(default_factory=dict)


@cache
def statuses() -> Mapping[str, int]:
    """HTTP status by exception: all that this service can answer with."""
    modelled = {shape.name: shape.metadata.get("error", {}).get("httpStatusCode", 400) for shape in service_model().error_shapes}
    return {**_COMMON_STATUSES, **modelled}


@cache
def streamed_errors(*streams: str) -> frozenset[str]:
    """The exceptions that a stream can send as events; ModelTimeoutException only that of InvokeModelWithResponseStream."""
    return frozenset(
        each.name
        for stream in streams or ("ConverseStreamOutput", "ResponseStream")
        for each in service_model().shape_for(stream).members.values()  # type: ignore[attr-defined]
        if each.metadata.get("exception")
    )


@cache
def stop_reasons() -> frozenset[str]:
    """Why Converse says that a model stopped."""
    return frozenset(service_model().shape_for("StopReason").enum)  # type: ignore[attr-defined]


def text_of(blocks: list[Any]) -> str:
    """The text blocks, joined."""
    return "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))


def labelled(header: str) -> dict[str, Any]:
    """InvokeModel's request metadata, which is a header there, as Converse has it.

    Raises:
        Refusal: it is not JSON.
    """
    try:
        value = json.loads(header) if header else None
    except (ValueError, RecursionError) as error:
        raise Refusal("ValidationException", "The request metadata is not JSON.") from error
    return {"requestMetadata": value} if value else {}


async def read(request: web.Request) -> Call:
    """Read a call, as far as it can be read.

    Raises:
        Refusal: it is not signed, or not JSON.
    """
    region = region_of(request.headers.get("Authorization", ""))
    return Call(request.match_info["model"], region, await read_object(request), headers=request.headers)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body.

    Raises:
        Refusal: it is no JSON object.
    """
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal("SerializationException", "The request body is not JSON.") from error
    if not isinstance(body, dict):
        raise Refusal("SerializationException", "The request body is not an object.")
    return body


def region_of(authorization: str) -> str:
    """The region that a request was signed for.

    Raises:
        Refusal: there is no signature. Whether one is *right* is not looked at.
    """
    if authorization.startswith("Bearer "):
        return ""
    if not authorization:
        raise Refusal("MissingAuthenticationTokenException")
    scope = _SCOPE.match(authorization)
    if scope is None:
        raise Refusal("IncompleteSignatureException", "The Authorization header has no credential scope of the service.")
    return scope["region"]


def answered(generation: Generation, latency_ms: int) -> web.Response:
    """Converse's answer."""
    used = {"inputTokens": generation.input_tokens, "outputTokens": generation.output_tokens}
    body = {
        "output": {"message": {"role": "assistant", "content": generation.content}},
        "stopReason": generation.stop_reason,
        "usage": {**used, "totalTokens": generation.input_tokens + generation.output_tokens},
        "metrics": {"latencyMs": latency_ms},
        **generation.echoed,
    }
    return web.json_response(body, headers=request_headers())


def invoked(call: Call, body: Json, generation: Generation, latency_ms: int) -> web.Response:
    """InvokeModel's answer, its counts in headers too: those are not in the service model, but public clients read them."""
    counted = {
        "X-Amzn-Bedrock-Input-Token-Count": str(generation.input_tokens),
        "X-Amzn-Bedrock-Output-Token-Count": str(generation.output_tokens),
        "X-Amzn-Bedrock-Invocation-Latency": str(latency_ms),
    }
    return web.json_response({**body, **guarded(call, generation)}, headers=request_headers() | repeated_headers(call) | counted)


def guarded(call: Call, generation: Generation) -> dict[str, Any]:
    """What InvokeModel's body says of the guardrail that was asked for. Source: the example in the API reference of InvokeModel."""
    if GUARDRAIL not in call.headers:
        return {}
    return {"amazon-bedrock-guardrailAction": "INTERVENED" if generation.stop_reason == "guardrail_intervened" else "NONE"}


def repeated_headers(call: Call) -> dict[str, str]:
    """The members of InvokeModel's input that its answer repeats, streamed or not."""
    return {name: call.headers[name] for name in _REPEATED if name in call.headers}


def counted(generation: Generation, _latency_ms: int) -> web.Response:
    """CountTokens' answer."""
    return web.json_response({"inputTokens": generation.input_tokens}, headers=request_headers())


def decoded_object(text: str) -> dict[str, Any]:
    """A JSON object that travels as base64.

    Raises:
        Refusal: it is none.
    """
    try:
        value = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError) as error:
        raise Refusal("ValidationException", "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise Refusal("ValidationException", "The body is not an object.")
    return value


def refused(refusal: Refusal) -> web.Response:
    """An error, as a client of the service reads it."""
    modelled = refusal.code in statuses().keys() - _COMMON_STATUSES.keys()
    kind = f"{refusal.code}{_NAMESPACE}" if modelled else refusal.code
    headers = {**request_headers(), "x-amzn-ErrorType": kind, **refusal.headers}
    return web.json_response({"message": refusal.message}, status=refusal.status, headers=headers)


def request_headers() -> dict[str, str]:
    """Those of every answer."""
    return {"x-amzn-RequestId": str(uuid.uuid4())}
