"""The only maker of AWS clients: endpoints, timeouts, pools and retries are decided here, and what an error says of a repeat.

Who retries what:

* SQS, DynamoDB and S3 calls are made idempotent by us, so the SDK may repeat them (its `standard` mode). The first try of most
  goes a shorter way: `aws_shortway.py`; `total_max_attempts` counts those that follow.
* A model call is billed, and Bedrock takes no idempotency token: the SDK never repeats one. Source: botocore 1.43,
  `bedrock-runtime/2023-09-30/service-2.json` (November 2026): Converse and InvokeModel have no such member.

A process makes one session (`new_session`) and hands it to each of its clients: the credentials are then found and refreshed
once, and a client takes 20 ms less of CPU after the first (measured in November 2026).

The standard endpoint variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SQS`, …) are honoured by the SDK itself.
"""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from botocore.session import get_session as get_sync_session

from quarry import __version__
from quarry.aws_shortway import Observe, shorten
from quarry.errors import ConfigurationError, TransportError

if TYPE_CHECKING:
    import boto3
    from types_aiobotocore_bedrock_runtime import BedrockRuntimeClient
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

_Unavailable = TypeVar("_Unavailable", bound=TransportError)

#: SQS's longest long poll. Source: the SQS service model in botocore 1.43.117 (November 2026).
LONG_POLL_MAX_SECONDS: Final = 20

_CONNECT_TIMEOUT_SECONDS: Final = 5
#: What all clients have. The SDK would put its name together anew for each request, a fifth of what a request costs (measured in
#: November 2026).
_EVERY: Final[dict[str, Any]] = {"connect_timeout": _CONNECT_TIMEOUT_SECONDS, "user_agent": f"quarry/{__version__}"}
#: Those whose requests are all written by us. The SDK's check of each member is a tenth of what a request costs; AWS checks again.
_OURS: Final[dict[str, Any]] = {**_EVERY, "parameter_validation": False}
#: Above any model's time: each call brings its own bound, derived from what it asks for.
_MODEL_READ_TIMEOUT_SECONDS: Final = 3600


def new_session() -> AioSession:
    """What the clients of one process share: the profile, the credentials, the service models."""
    return get_session()


@asynccontextmanager
async def sqs_client(region: str, connections: int, session: AioSession | None = None) -> AsyncIterator["SQSClient"]:
    """An SQS client whose read timeout outlasts a long poll."""
    config = AioConfig(
        **_OURS,
        read_timeout=LONG_POLL_MAX_SECONDS + 10,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    async with _client("sqs", region, config, session) as client:
        shorten(client)
        yield client


@asynccontextmanager
async def dynamodb_client(
    region: str, connections: int, session: AioSession | None = None, observe: Observe | None = None
) -> AsyncIterator["DynamoDBClient"]:
    """A DynamoDB client that gives up on a silent server soon: the next try may meet a healthy one.

    `observe` is told the `Date` of each answer, and when it was asked for, on the monotonic clock.
    """
    config = AioConfig(
        **_OURS,
        read_timeout=5,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    async with _client("dynamodb", region, config, session) as client:
        if observe:
            _watch_date(client, observe)
        shorten(client, observe)
        yield client


@asynccontextmanager
async def s3_client(region: str, connections: int, session: AioSession | None = None) -> AsyncIterator["S3Client"]:
    """An S3 client that gives up on a silent server soon. Presigned URLs are of signature version 4."""
    config = AioConfig(
        **_OURS,
        # Between two reads, not for a whole object.
        read_timeout=10,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",
        # The one form that every endpoint understands, an emulator's and a VPC's too.
        s3={"addressing_style": "path"},
        # Each object has its SHA-256 in the request and in the record: a checksum by the SDK beside it would be a second one.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with _client("s3", region, config, session) as client:
        yield client


@asynccontextmanager
async def bedrock_client(region: str, connections: int, session: AioSession | None = None) -> AsyncIterator["BedrockRuntimeClient"]:
    """A Bedrock Runtime client that never sends a request twice."""
    config = AioConfig(
        **_EVERY,
        read_timeout=_MODEL_READ_TIMEOUT_SECONDS,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    async with _client("bedrock-runtime", region, config, session) as client:
        shorten(client)
        yield client


@asynccontextmanager
async def sagemaker_client(region: str, connections: int, session: AioSession | None = None) -> AsyncIterator[Any]:
    """A SageMaker Runtime client that never sends a request twice: InvokeEndpoint takes no idempotency token either."""
    config = AioConfig(
        **_EVERY,
        read_timeout=_MODEL_READ_TIMEOUT_SECONDS,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    async with _client("sagemaker-runtime", region, config, session) as client:
        yield client


@asynccontextmanager
async def secrets_client(region: str, session: AioSession | None = None) -> AsyncIterator[Any]:
    """A Secrets Manager client, for keys of providers."""
    config = AioConfig(**_EVERY, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    async with _client("secretsmanager", region, config, session) as client:
        yield client


@asynccontextmanager
async def events_client(service: str, region: str, connections: int, session: AioSession | None = None) -> AsyncIterator[Any]:
    """A client of SNS (`sns`) or EventBridge (`events`), for ends of jobs. What is sent twice has the same id."""
    config = AioConfig(
        **_EVERY, read_timeout=5, max_pool_connections=connections, retries={"mode": "standard", "total_max_attempts": 2}
    )
    async with _client(service, region, config, session) as client:
        yield client


async def read_secret(client: Any, name: str) -> str:
    """The text of a secret. It is looked for each time anew.

    Raises:
        ConfigurationError: it cannot be had; the message names it, and the service's reason.
    """
    try:
        secret = (await client.get_secret_value(SecretId=name)).get("SecretString")
    except (ClientError, BotoCoreError) as error:
        raise ConfigurationError(f"the secret {name} cannot be read: {code_of(error) or type(error).__name__}") from error
    if not isinstance(secret, str):
        raise ConfigurationError(f"the secret {name} is binary; it must be a text")
    return secret


def _watch_date(client: Any, observe: Observe) -> None:
    """Hand the `Date` of every answer that comes the SDK's way to `observe`, and when it was asked for, on the monotonic clock."""

    def asked(context: dict[str, Any], **_: object) -> None:
        context["quarry_asked_at"] = time.monotonic()

    def answered(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        date = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            observe(date, context["quarry_asked_at"])

    client.meta.events.register("before-call", asked)
    client.meta.events.register("after-call", answered)


#: A permission is missing. Source: the service models of botocore 1.43.117 (November 2026), and S3's error codes.
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "KmsAccessDenied"})


_DENIAL: Final = re.compile(r"is not authorized to perform: [\w:-]+(?: on resource: [\w:./*-]+)?")


def missing_permission(message: str) -> str | None:
    """What a service's message says of a permission that a role lacks: the action, and the resource where it is said."""
    found = _DENIAL.search(message)
    return found[0] if found else None


def said(error: Exception) -> str:
    """What an error says to an operator: its code, and, where a permission is missing, AWS's sentence, which has the role, the
    action and (from most services) the resource.
    """
    code = code_of(error)
    sentence = str(error.response["Error"].get("Message") or "") if isinstance(error, ClientError) and code in DENIED else ""
    return ": ".join(filter(None, (code, sentence)))


def code_of(error: Exception) -> str:
    """The code of an answer that is an error; empty where it has none, or where no answer came."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def unavailable(kind: type[_Unavailable], service: str, verb: str, error: Exception) -> _Unavailable:
    """What the SDK raised for want of an answer, or of a useful one, as the error of a port."""
    if not isinstance(error, ClientError):
        return kind(f"{service} could not {verb}: {type(error).__name__}{_place_of(error)}")
    answer = error.response["ResponseMetadata"]
    # An answer below 500 is a refusal, unless it is that of a repeat: the first try may have been carried out.
    refused = answer.get("HTTPStatusCode", 500) < 500 and not answer.get("RetryAttempts")
    return kind(f"{service} could not {verb}: {said(error)}", applied=False if refused else None)


def _place_of(error: Exception) -> str:
    """Where no answer came from, as far as the SDK says; not what was asked there."""
    url = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url") or ""))
    return f" at {url.scheme}://{url.netloc}" if url.netloc else ""


@asynccontextmanager
async def _client(service: str, region: str, config: AioConfig, session: AioSession | None) -> AsyncIterator[Any]:
    try:
        making = (session or new_session()).create_client(service, region_name=region, config=config)  # type: ignore[call-overload]
        client = await making.__aenter__()
    except ProfileNotFound as error:
        raise _no_profile(error) from error
    except ValueError as error:
        variable = f"AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        raise ConfigurationError(f"no client for {service} can be made: {error}; look at AWS_REGION, {variable}") from error
    try:
        yield client
    finally:
        await making.__aexit__(None, None, None)


@cache
def regions_of(service: str) -> frozenset[str]:
    """The regions of all partitions in which the installed botocore knows a service, by the name of its endpoints.

    Bedrock Runtime is among those of `bedrock`: botocore 1.43.117 lists it under no name of its own (November 2026).
    """
    session = get_sync_session()
    partitions = session.get_available_partitions()
    return frozenset(region for each in partitions for region in session.get_available_regions(service, partition_name=each))


def sync_session(region: str) -> "boto3.session.Session":
    """A boto3 session, for what is synchronous by nature: provisioning and `doctor`.

    Raises:
        ConfigurationError: the profile that the environment names does not exist.
    """
    import boto3  # a quarter of a worker's imports, and workers have no use for it

    try:
        return boto3.session.Session(region_name=region)
    except ProfileNotFound as error:
        raise _no_profile(error) from error


def _no_profile(error: ProfileNotFound) -> ConfigurationError:
    return ConfigurationError(f"AWS_PROFILE: {error}; name one of ~/.aws/config, or unset it")


def sync_config() -> Config:
    """The configuration of the clients made from it: fail soon, a person is waiting. A bucket's name is in the path."""
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    return Config(connect_timeout=3, read_timeout=10, retries=retries, s3={"addressing_style": "path"})
