"""What goes over the wire to a server of chat completions, and what becomes of answers that nobody vouches for."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr

from quarry import errors
from quarry.errors import ConfigurationError, InvocationError
from quarry.inference.provider_key import ProviderKey
from quarry.inference.providers import reading
from quarry.inference.providers.openai import OpenAIProvider, chat_session
from quarry.invocation import Completion, Invocation
from quarry.testing import FakeClock
from tests.contract.chat_server import ANSWER, HELLO, LABELS, TARGET, Server, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """It answers as usual."""
    made = Server()
    async with serving(made):
        yield made


async def ask(base_url: str, key: ProviderKey | None = None, invocation: Invocation = HELLO, seconds: float = 20) -> Completion:
    """One call, over a connection of its own."""
    async with chat_session(4) as session:
        provider = OpenAIProvider(base_url, key, session)
        return await provider.invoke(TARGET, invocation, timeout=timedelta(seconds=seconds), labels=LABELS)


async def test_one_request_is_sent(server: Server) -> None:
    """To the path below the base, with the model, the key, and a mark by which the server's log leads to the job."""
    key = ProviderKey("gateway", _reads("sk-1"), FakeClock())
    answer = await ask(f"http://127.0.0.1:{server.port}/proxy/v1/", key)
    [(request, body)] = server.requests
    assert (request.method, request.path) == ("POST", "/proxy/v1/chat/completions")
    assert body == {"model": "gpt-oss", "messages": [{"role": "user", "content": "hello there"}], "max_tokens": 500}
    assert (request.headers["Authorization"], request.headers["X-Request-Id"]) == ("Bearer sk-1", "0193-2")
    assert (answer.text, answer.provider_request_id, answer.served_by) == ("hi", "r-1", TARGET)


async def test_a_server_that_takes_no_key_gets_none(server: Server) -> None:
    """Nothing is sent in its place."""
    await ask(f"http://127.0.0.1:{server.port}/v1")
    [(request, _)] = server.requests
    assert "Authorization" not in request.headers


async def test_the_target_s_model_is_asked(server: Server) -> None:
    """A native body cannot choose another one than its target's."""
    native = {"model": "dear", "messages": [{"role": "user", "content": "hi"}], "top_k": 3}
    await ask(f"http://127.0.0.1:{server.port}/v1", invocation=Invocation(native=native))
    [(_, body)] = server.requests
    assert body == native | {"model": "gpt-oss"}


async def test_what_cannot_be_said_is_not_sent(server: Server) -> None:
    """The next target is asked instead."""
    invocation = Invocation(messages=HELLO.messages, converse={"guardrailConfig": {}})
    with pytest.raises(errors.NotCapable) as caught:
        await ask(f"http://127.0.0.1:{server.port}/v1", invocation=invocation)
    assert (caught.value.target, server.requests) == (str(TARGET), [])


def _reads(*keys: str) -> Callable[[], Awaitable[SecretStr]]:
    left = list(keys)

    async def read() -> SecretStr:
        if not left:
            raise ConfigurationError("the secret is gone")
        return SecretStr(left.pop(0))

    return read


async def test_a_rotated_key_is_read_again_after_a_refusal(server: Server) -> None:
    """One call fails, by an error that costs its job nothing; the next one has the new key."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer new":
            fault = {"message": "Incorrect API key provided: o*d", "code": "invalid_api_key"}
            return web.json_response({"error": fault}, status=401)
        return web.json_response(ANSWER)

    server.answer = guarded
    clock = FakeClock()
    key = ProviderKey("gateway", _reads("old", "new"), clock)
    await key.load()
    await clock.advance(60)
    with pytest.raises(errors.CredentialsExpired) as caught:
        await ask(f"http://127.0.0.1:{server.port}/v1", key)
    assert "o*d" not in str(caught.value)
    assert (await ask(f"http://127.0.0.1:{server.port}/v1", key)).text == "hi"
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 200])
async def test_a_server_that_quotes_the_key_is_not_passed_on(server: Server, status: int) -> None:
    """A rejection goes to the caller in the server's words, and every error to the log: as a whole answer, or within a stream."""
    fault = {"error": {"message": "what is Bearer sk-0123456789?", "code": 400}}

    async def quoting(_request: web.Request) -> web.StreamResponse:
        if status == 400:
            return web.json_response(fault, status=400)
        return web.Response(body=f"data: {json.dumps(fault)}\n\n", content_type="text/event-stream")

    server.answer = quoting
    key = ProviderKey("gateway", _reads("sk-0123456789"), FakeClock())
    async with chat_session(4) as session:
        provider = OpenAIProvider(f"http://127.0.0.1:{server.port}/v1", key, session)
        with pytest.raises(errors.InvocationRejected, match=r"^what is Bearer \[key\]\?$"):
            await provider.invoke(TARGET, HELLO, timeout=timedelta(seconds=20), labels=LABELS, heard=lambda _: None)


async def test_a_key_that_is_slow_to_come_is_no_call_that_may_have_been_paid() -> None:
    """Nothing is sent before it is there: where it never comes, the next target is asked."""

    async def read() -> SecretStr:
        await asyncio.to_thread(lambda: None)
        raise ConfigurationError("the secret cannot be read")

    with pytest.raises(errors.CredentialsExpired):
        await ask("http://127.0.0.1:9", ProviderKey("gateway", read, FakeClock()), seconds=0)


async def test_a_key_that_cannot_be_had_is_ours_to_mend(server: Server) -> None:
    """Nothing is sent without it."""
    key = ProviderKey("gateway", _reads(), FakeClock())
    with pytest.raises(errors.CredentialsExpired) as caught:
        await ask(f"http://127.0.0.1:{server.port}/v1", key)
    assert (caught.value.target, server.requests) == (str(TARGET), [])


async def test_a_redirect_is_not_followed(server: Server) -> None:
    """It would take prompt and key to another place, and call twice."""

    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("/v2/chat/completions")

    server.answer = elsewhere
    with pytest.raises(errors.ModelNotFound):
        await ask(f"http://127.0.0.1:{server.port}/v1")
    assert len(server.requests) == 1


async def test_an_answer_without_end_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is broken, or hostile, does not fill the worker's memory; compressed or not."""
    monkeypatch.setattr(reading, "BODY_MAX_BYTES", 1_000_000)
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        response.enable_compression()
        await response.prepare(request)
        while written < 10_000:
            await response.write(b" " * 100_000)
            written += 1
        return response

    server.answer = endless
    with pytest.raises(errors.MalformedCompletion):
        await ask(f"http://127.0.0.1:{server.port}/v1")
    assert written < 10_000


async def test_nothing_of_one_call_is_in_the_next(server: Server) -> None:
    """A server's cookie, say: the calls are of jobs of different callers."""

    async def baking(_request: web.Request) -> web.StreamResponse:
        return web.json_response(ANSWER, headers={"Set-Cookie": "session=1"})

    server.answer = baking
    async with chat_session(4) as session:
        provider = OpenAIProvider(f"http://localhost:{server.port}/v1", None, session)
        for _ in range(2):
            await provider.invoke(TARGET, HELLO, timeout=timedelta(seconds=20), labels=LABELS)
    assert [request.headers.get("Cookie") for request, _ in server.requests] == [None, None]


@pytest.mark.parametrize("status", [200, 204, 206])
async def test_what_is_no_answer_is_malformed(server: Server, status: int) -> None:
    """It is perhaps billed."""

    async def odd(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="" if status == 204 else "<html>")

    server.answer = odd
    with pytest.raises((errors.MalformedCompletion, errors.ModelFailed)) as caught:
        await ask(f"http://127.0.0.1:{server.port}/v1")
    assert caught.value.may_be_billed


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
async def test_a_server_s_hint_is_passed_on(server: Server, headers: dict[str, str], seconds: float | None) -> None:
    """In seconds; what is none is not there."""

    async def full(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "slow down", "code": None}}, status=429, headers=headers)

    server.answer = full
    with pytest.raises(errors.Throttled) as caught:
        await ask(f"http://127.0.0.1:{server.port}/v1")
    assert caught.value.retry_after_seconds == seconds


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_what_is_not_even_http_may_have_been_billed() -> None:
    """The request was sent; nobody knows what was done with it."""
    listening = await asyncio.start_server(_garbage, "127.0.0.1", 0)
    async with listening:
        with pytest.raises(errors.InvocationTimedOut):
            await ask(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")


async def test_a_refused_connection_was_never_sent() -> None:
    """So the next target is asked, and the call may be made again."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(errors.ProviderUnavailable) as caught:
            await ask(f"http://127.0.0.1:{port}/v1")
    assert caught.value.target == str(TARGET)


@pytest.mark.parametrize("base_url", ["http://no-such-host.invalid/v1", "http://1.2.3/v1"])
async def test_a_name_that_is_none_was_never_sent(base_url: str) -> None:
    """Likewise."""
    with pytest.raises(errors.ProviderUnavailable):
        await ask(base_url)


async def test_tls_that_fails_was_never_sent(server: Server) -> None:
    """A server that speaks no TLS, or whose certificate does not hold, gets neither prompt nor key."""
    with pytest.raises(InvocationError) as caught:
        await ask(f"https://127.0.0.1:{server.port}/v1")
    assert (type(caught.value), server.requests) == (errors.ProviderUnavailable, [])
