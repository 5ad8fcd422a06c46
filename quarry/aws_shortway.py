"""A shorter way to AWS than the SDK's, for the few requests that are made for each job.

What we hand to these operations is what goes over the wire, but for one detail (bytes become base64 text). The SDK walks it by the
service's model there and back, and asks some twenty hooks on the way: 0.7 ms of CPU for each request, of which this way needs less
than half (measured in November 2026; ADR 0014).

The SDK's are still the credentials, the signature, the endpoint, and the connections with their TLS, proxies and time-outs. Here
nothing is tried twice. What DynamoDB or SQS did not answer, or refused for the moment, goes to the SDK after a pause, and so does
everything for a while: its rules for repeats, which also bound how many there are, then govern. A model call is billed, so
whatever becomes of it is raised.
"""

import asyncio
import base64
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit
from zlib import crc32

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

#: Told the `Date` of each answer, and when it was asked for, on the monotonic clock.
Observe: TypeAlias = Callable[[str, float], None]
#: An answer: its JSON, and what the SDK calls its metadata.
_Answer: TypeAlias = tuple[dict[str, Any], dict[str, Any]]

#: Service → the operations that go the short way. Their answers, and but for bytes their requests, are plain JSON.
OPERATIONS: Final[Mapping[str, frozenset[str]]] = {
    "bedrock-runtime": frozenset({"Converse"}),
    "dynamodb": frozenset(
        {"BatchExecuteStatement", "BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"}
    ),
    "sqs": frozenset({"ChangeMessageVisibilityBatch", "DeleteMessageBatch", "ReceiveMessage", "SendMessage", "SendMessageBatch"}),
}
#: Refusals that pass. Source: those that botocore 1.43.117 repeats in its `standard` mode (`retries/standard.py`, November 2026).
_PASSING: Final = frozenset(
    {
        "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
        "RequestTimeout", "RequestTimeoutException", "SlowDown", "Throttling", "ThrottlingException", "ThrottledException",
        "TooManyRequestsException", "TransactionInProgressException",
    }
)  # fmt: skip
#: Before the SDK asks again: uniform between nothing and this; and for how long it is then asked first. Our own choices.
_PAUSE_SECONDS: Final = 0.2
_LONG_WAY_SECONDS: Final = 1.0


def shorten(client: Any, observe: Observe | None = None) -> None:
    """Let a client take the short way. Its methods stay what they are; their answers too, but for bytes, which stay base64 text.

    The seam is the one that instrumentation of botocore uses: `_make_api_call(operation, request)`.
    """
    client._make_api_call = ShortWay(client, client._make_api_call, observe)  # noqa: SLF001 - see above


class ShortWay:
    """The calls of one client."""

    def __init__(self, client: Any, long_way: Callable[[str, Any], Awaitable[Any]], observe: Observe | None) -> None:
        self._client = client
        self._long_way = long_way
        self._observe = observe
        self._model = client.meta.service_model
        self._operations = OPERATIONS[self._model.service_name]
        self._is_billed = self._model.service_name == "bedrock-runtime"
        self._scope = (self._model.signing_name, client.meta.region_name)
        self._credentials = client._request_signer._credentials  # noqa: SLF001 - the SDK's own: it refreshes them
        self._send = client._endpoint.http_session.send  # noqa: SLF001 - its connections
        #: Where requests go; None before the first. And the host of that: the signature would work it out for each request anew,
        #: which takes a twentieth of a job's CPU (measured in November 2026).
        self._url: str | None = None
        self._host = ""
        #: Until then, on the monotonic clock, the SDK is asked: something has just failed.
        self._shut_until = 0.0

    async def __call__(self, operation: str, request: Mapping[str, Any]) -> Any:
        """One call, as the client's method would make it.

        Raises:
            ClientError, BotoCoreError: as the SDK raises them.
            ValueError: the answer of a billed call is not JSON.
        """
        if operation not in self._operations or not await self._is_open(operation, request):
            return await self._long_way(operation, request)
        if time.monotonic() < self._shut_until:
            return await self._by_the_sdk(operation, request)
        try:
            answer, metadata = await self._ask(operation, request)
        except (BotoCoreError, ValueError):  # the SDK reads the body within `send`, and wraps what goes wrong there
            if self._is_billed:
                raise
            return await self._again(operation, request, unknown=True)
        status = metadata["HTTPStatusCode"]
        if _is_done(status):
            return {**answer, "ResponseMetadata": metadata}
        error = _refusal(operation, answer, metadata)
        if self._is_billed or _is_decided(error):
            raise error
        return await self._again(operation, request, unknown=not _is_refused(status))

    async def _is_open(self, operation: str, request: Mapping[str, Any]) -> bool:
        """Whether requests are signed in the usual way: with credentials, and not with a bearer token, say."""
        if self._url is None:
            client, model = self._client, self._model.operation_model(operation)
            context = {
                "client_config": client.meta.config,
                "client_region": client.meta.region_name,
                "auth_type": model.resolved_auth_type,
                "auth_options": self._model.metadata.get("auth"),
            }
            version = await client._request_signer._choose_signer(operation, "standard", context)  # noqa: SLF001 - nobody else says it
            if self._credentials is None or version != "v4":
                return False
            self._url, *_ = await client._resolve_endpoint_ruleset(model, dict(request), context)  # noqa: SLF001 - the same
            self._host = _host(str(self._url))
        return True

    async def _ask(self, operation: str, request: Mapping[str, Any]) -> _Answer:
        """One request, and its answer, whatever its status."""
        asked_at = time.monotonic()
        signed = AWSRequest("POST", *self._placed(operation, request))
        SigV4Auth(await self._credentials.get_frozen_credentials(), *self._scope).add_auth(signed)
        response = await self._send(signed.prepare())
        content, headers, status = await response.content, response.headers, response.status_code
        if "x-amz-crc32" in headers and int(headers["x-amz-crc32"]) != crc32(content):
            raise ValueError("the answer was damaged on its way")
        if self._observe and "date" in headers:
            self._observe(headers["date"], asked_at)
        metadata = {
            "RequestId": headers.get("x-amzn-requestid"), "HTTPStatusCode": status, "HTTPHeaders": headers, "RetryAttempts": 0,
        }  # fmt: skip
        return _read(content, status), metadata

    def _placed(self, operation: str, request: Mapping[str, Any]) -> tuple[str, dict[str, str], bytes]:
        """A request's URL, headers and body: by target where the protocol is JSON, by path where it is REST."""
        url, headers = (
            f"{str(self._url).rstrip('/')}/",
            {
                "Host": self._host,
                "User-Agent": self._client.meta.config.user_agent,
            },
        )
        if self._is_billed:
            body = {name: value for name, value in request.items() if name != "modelId"}
            url += f"model/{quote(request['modelId'], safe='-._~')}/{operation.lower()}"
            headers["Content-Type"] = "application/json"
            return url, headers, json.dumps(body, default=_base64).encode()
        metadata = self._model.metadata
        headers["Content-Type"] = f"application/x-amz-json-{metadata['jsonVersion']}"
        headers["X-Amz-Target"] = f"{metadata['targetPrefix']}.{operation}"
        if "awsQueryCompatible" in metadata:
            headers["x-amzn-query-mode"] = "true"
        return url, headers, json.dumps(request, default=_base64).encode()

    async def _again(self, operation: str, request: Mapping[str, Any], *, unknown: bool) -> Any:
        """By the SDK. Where nobody knows whether the first try was carried out, what comes of it says that it is a repeat."""
        self._shut()
        await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - no secret
        try:
            answer = await self._by_the_sdk(operation, request)
        except ClientError as error:
            _count(error.response, unknown)
            raise
        _count(answer, unknown)
        return answer

    async def _by_the_sdk(self, operation: str, request: Mapping[str, Any]) -> Any:
        try:
            return await self._long_way(operation, request)
        except (ClientError, BotoCoreError) as error:
            if not _is_decided(error):
                self._shut()
            raise

    def _shut(self) -> None:
        self._shut_until = time.monotonic() + _LONG_WAY_SECONDS


def _count(answer: Any, unknown: bool) -> None:
    metadata = answer.setdefault("ResponseMetadata", {})
    metadata["RetryAttempts"] = metadata.get("RetryAttempts", 0) + unknown


def _host(url: str) -> str:
    """As the `Host` header has it: without user, and without the port that goes without saying."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.netloc.rpartition("@")[2]
    return host.removesuffix(f":{usual}")


def _is_done(status: int) -> bool:
    return 200 <= status < 300


def _is_refused(status: int) -> bool:
    return 400 <= status < 500


def _is_decided(error: Exception) -> bool:
    """Whether asking again would be refused again."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _is_refused(status) and error.response["Error"].get("Code") not in _PASSING


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _read(content: bytes, status: int) -> dict[str, Any]:
    """The JSON of an answer without its nulls, which mean nothing; empty where somebody on the way made up the error, a proxy say.

    Raises:
        ValueError: it has none, or another one.
    """
    try:
        answer = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        if _is_done(status):
            raise ValueError("the answer is no JSON") from error
        return {}
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004 - as for what is no JSON at all
    return {name: value for name, value in answer.items() if value is not None}


def _refusal(operation: str, answer: dict[str, Any], metadata: Mapping[str, Any]) -> ClientError:
    """An error as the SDK would have it: its code from the header or the body, else its status; beside it, what the body says."""
    told = metadata["HTTPHeaders"].get("x-amzn-errortype") or answer.get("code") or answer.get("Code") or answer.get("__type", "")
    code = str(told).partition(":")[0].rpartition("#")[2] or str(metadata["HTTPStatusCode"])
    fault = {"Code": code, "Message": str(answer.get("message") or answer.get("Message") or "")}
    return ClientError({**answer, "Error": fault, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]
