"""The only maker of AWS clients: endpoints, timeouts, pools and retries are decided here.

Who retries what:

* SQS and DynamoDB calls are made idempotent by us, so the SDK may repeat them (its `standard` mode).
* A model call is billed, and Bedrock takes no idempotency token: the SDK never repeats one. Source: botocore 1.43,
  `bedrock-runtime/2023-09-30/service-2.json` (November 2026): Converse and InvokeModel have no such member.

The standard endpoint variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SQS`, …) are honoured by the SDK itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.config import Config

from quarry.errors import ConfigurationError

if TYPE_CHECKING:
    from types_aiobotocore_bedrock_runtime import BedrockRuntimeClient
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_sqs import SQSClient

#: SQS's longest long poll. Source: the SQS service model in botocore 1.43.117 (November 2026).
LONG_POLL_MAX_SECONDS: Final = 20

_CONNECT_TIMEOUT_SECONDS: Final = 5
#: Above any model's time: each call brings its own bound, derived from what it asks for.
_MODEL_READ_TIMEOUT_SECONDS: Final = 3600


@asynccontextmanager
async def sqs_client(region: str, connections: int) -> AsyncIterator["SQSClient"]:
    """An SQS client whose read timeout outlasts a long poll."""
    config = AioConfig(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=LONG_POLL_MAX_SECONDS + 10,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    async with _client("sqs", region, config) as client:
        yield client


@asynccontextmanager
async def dynamodb_client(region: str, connections: int) -> AsyncIterator["DynamoDBClient"]:
    """A DynamoDB client that gives up on a silent server soon: the next try may meet a healthy one."""
    config = AioConfig(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=5,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
    async with _client("dynamodb", region, config) as client:
        yield client


@asynccontextmanager
async def bedrock_client(region: str, connections: int) -> AsyncIterator["BedrockRuntimeClient"]:
    """A Bedrock Runtime client that never sends a request twice."""
    config = AioConfig(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=_MODEL_READ_TIMEOUT_SECONDS,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    async with _client("bedrock-runtime", region, config) as client:
        yield client


@asynccontextmanager
async def _client(service: str, region: str, config: AioConfig) -> AsyncIterator[Any]:
    try:
        making = get_session().create_client(service, region_name=region, config=config)  # type: ignore[call-overload]
        client = await making.__aenter__()
    except ValueError as error:
        variable = f"AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        raise ConfigurationError(f"no client for {service} can be made: {error}; look at AWS_REGION, {variable}") from error
    try:
        yield client
    finally:
        await making.__aexit__(None, None, None)


def sync_session(region: str) -> boto3.session.Session:
    """A boto3 session, for what is synchronous by nature: provisioning and `doctor`."""
    return boto3.session.Session(region_name=region)


def sync_config() -> Config:
    """The configuration of the clients made from it: fail soon, a person is waiting."""
    return Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
