"""What Bedrock's provider makes of a network and of servers that misbehave: never a raw exception, never a wrong "not sent"."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from botocore import exceptions as aws

from quarry import errors
from quarry.aws import bedrock_client
from quarry.errors import InvocationError
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.invocation import Invocation, Target
from tests.support.processes import free_port
from tests.support.sigv4 import is_signed

TARGET = Target("bedrock", "us-east-1", "m")
HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello"}]},))
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


async def failure(url: str, monkeypatch: pytest.MonkeyPatch) -> InvocationError:
    """How a call to that endpoint fails."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
    async with bedrock_client(TARGET.region, 2) as client:
        provider = BedrockProvider({TARGET.region: client})
        with pytest.raises(InvocationError) as caught:
            await provider.invoke(TARGET, HELLO, timeout=timedelta(seconds=20), labels={})
    assert caught.value.target == str(TARGET)
    return caught.value


def reset(writer: asyncio.StreamWriter) -> None:
    """A TCP reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answer(status: str, headers: bytes, body: bytes, *, length: int | None = None) -> Callable[[asyncio.StreamWriter], None]:
    """Raw bytes of an answer; `length` is what it claims to be long."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n".encode()
    return lambda writer: writer.write(head + headers + b"\r\n" + body)


@asynccontextmanager
async def server(act: Callable[[asyncio.StreamWriter], None]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that reads a request, acts, and closes; yields its URL and the requests."""
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
        requests.append(head + await reader.readexactly(length))
        act(writer)
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", requests


BROKEN: dict[str, tuple[Callable[[asyncio.StreamWriter], None], type[InvocationError]]] = {
    "reset after send": (reset, errors.InvocationTimedOut),
    "closed without an answer": (lambda writer: None, errors.InvocationTimedOut),
    "truncated": (answer("200 OK", JSON, b'{"output":', length=500), errors.InvocationTimedOut),
    "not HTTP": (lambda writer: writer.write(b"SSH-2.0-OpenSSH_9.2\r\n"), errors.InvocationTimedOut),
    "no JSON": (answer("200 OK", JSON, b"hello"), errors.MalformedCompletion),
    "no UTF-8": (answer("200 OK", JSON, b'{"a": "\xff"}'), errors.MalformedCompletion),
    "a page of HTML": (answer("200 OK", b"Content-Type: text/html\r\n", b"<html>Log in</html>"), errors.MalformedCompletion),
    "empty": (answer("200 OK", JSON, b""), errors.MalformedCompletion),
    "a list": (answer("200 OK", JSON, b"[]"), errors.MalformedCompletion),
    "of an odd shape": (answer("200 OK", JSON, b'{"output": "hi"}'), errors.MalformedCompletion),
    "an error that is a list": (answer("400 Bad Request", JSON, b"[]"), errors.MalformedCompletion),
    "a proxy's 502": (answer("502 Bad Gateway", b"Content-Type: text/html\r\n", b"<html>"), errors.InvocationTimedOut),
    "a proxy's 503": (answer("503 Slow", b"Content-Type: text/html\r\n", b"<html>"), errors.ProviderUnavailable),
    "a proxy's 504": (answer("504 Late", b"", b""), errors.InvocationTimedOut),
}


@pytest.mark.parametrize(("act", "kind"), BROKEN.values(), ids=BROKEN)
async def test_a_server_that_had_the_request(
    act: Callable[[asyncio.StreamWriter], None], kind: type[InvocationError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes back, the request was sent once, and only a 503 says that nothing was billed."""
    async with server(act) as (url, requests):
        error = await failure(url, monkeypatch)
    assert type(error) is kind
    assert len(requests) == 1
    assert error.may_be_billed == (kind is not errors.ProviderUnavailable)


async def test_a_refused_connection_was_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: nothing can have been billed, so it may be tried again."""
    error = await failure(f"http://127.0.0.1:{free_port()}", monkeypatch)
    assert type(error) is errors.ProviderUnavailable


async def test_a_failed_handshake_was_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks no TLS never saw the request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        error = await failure(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", monkeypatch)
    assert type(error) is errors.ProviderUnavailable


async def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ours to mend, and never burns a job."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with server(reset) as (url, requests):
        error = await failure(url, monkeypatch)
    assert type(error) is errors.CredentialsExpired
    assert requests == []


@pytest.mark.parametrize(
    "model", ["anthropic.claude-3-haiku-20240307-v1:0", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a b"]
)
async def test_a_request_is_the_same_either_way(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way and the SDK's: path, body, and a signature that fits."""
    ways = []
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    request = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "Grüße"}, image]}]}
    for sdk in (False, True):
        async with server(answer("200 OK", JSON, b"{}")) as (url, requests):
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
            async with bedrock_client(TARGET.region, 2) as client:
                call: Any = partial(type(client)._make_api_call, client) if sdk else client._make_api_call  # type: ignore[attr-defined] # noqa: SLF001
                await call("Converse", request)
        assert is_signed(requests[0], "test")
        head, _, body = requests[0].partition(b"\r\n\r\n")
        ways.append((head.split(b"\r\n")[0], json.loads(body)))
    assert ways[0] == ways[1]


async def test_a_bearer_token_is_sent_by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API key of Bedrock's takes the place of a signature."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    async with server(answer("503 Slow", JSON, b"{}")) as (url, requests):
        await failure(url, monkeypatch)
    assert b"authorization: bearer token\r\n" in requests[0].lower()


class Refusing:
    """A client that fails before it sends, as botocore does in places that no test can bring about."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def converse(self, **_request: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        aws.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        aws.CredentialRetrievalError(provider="process", error_msg="boom"),
        aws.MetadataRetrievalError(error_msg="boom"),
        aws.TokenRetrievalError(provider="sso", error_msg="boom"),
        aws.UnauthorizedSSOTokenError(),
        aws.SSOTokenLoadError(error_msg="boom"),
        aws.NoAuthTokenError(),
        aws.LoginRefreshRequired(),
        aws.ClientError({"Error": {"Code": "AccessDenied", "Message": "boom"}}, "AssumeRole"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_credentials_that_cannot_be_had(error: Exception) -> None:
    """Whichever way botocore fails to get credentials, STS's own refusal included, the job waits for us."""
    with pytest.raises(errors.CredentialsExpired):
        await BedrockProvider({TARGET.region: Refusing(error)}).invoke(TARGET, HELLO, timeout=timedelta(seconds=1), labels={})


async def test_a_connection_that_is_not_made_in_time_was_never_sent() -> None:
    """A connect timeout is no read timeout."""
    error = aws.ConnectTimeoutError(endpoint_url="http://bedrock")
    with pytest.raises(errors.ProviderUnavailable):
        await BedrockProvider({TARGET.region: Refusing(error)}).invoke(TARGET, HELLO, timeout=timedelta(seconds=1), labels={})


async def test_a_request_that_does_not_fit_says_nothing_of_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own report, where it is the SDK that sends, would quote the request."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    odd = Invocation(messages=({"role": "user", "content": [{"text": {"secret": "my prompt"}}]},))
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://127.0.0.1:{free_port()}")
    async with bedrock_client(TARGET.region, 2) as client:
        with pytest.raises(errors.InvocationRejected) as caught:
            await BedrockProvider({TARGET.region: client}).invoke(TARGET, odd, timeout=timedelta(seconds=5), labels={})
    assert "my prompt" not in str(caught.value)
