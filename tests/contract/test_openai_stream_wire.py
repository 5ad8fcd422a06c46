"""What goes over the wire to a server of chat completions that streams, and what becomes of a stream that nobody vouches for."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from quarry import errors
from quarry.inference.providers.openai import OpenAIProvider, chat_session
from quarry.invocation import Completion, Invocation
from tests.contract.chat_server import HELLO, LABELS, TARGET, Server, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """It answers as usual."""
    made = Server()
    async with serving(made):
        yield made


async def listen_to(server: Server, *lines: bytes) -> tuple[Completion, str]:
    """The answer to one call that is streamed so, and what was heard of it."""

    async def streamed(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "x-request-id": "r-1"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        return response

    server.answer = streamed
    pieces: list[str] = []
    async with chat_session(4) as session:
        provider = OpenAIProvider(f"http://127.0.0.1:{server.port}/v1", None, session)
        answer = await provider.invoke(TARGET, HELLO, timeout=timedelta(seconds=20), labels=LABELS, heard=pieces.append)
    return answer, "".join(pieces)


def chunk(**choice: Any) -> bytes:
    """An event with a choice."""
    return b"data: " + json.dumps({"id": "c-1", "choices": [{"index": 0, "delta": {}, **choice}]}).encode() + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'


async def test_a_stream_is_read_however_it_is_cut(server: Server) -> None:
    """Byte by byte, with comments and line breaks of another kind, and what nobody knows; a listener asks for counts."""
    events = b": hello\r\n\r\nevent: x\r\n" + chunk(delta={"role": "assistant", "content": None, "new": 1}).replace(b"\n", b"\r\n")
    events += chunk(delta={"reasoning_content": "hm"}) + chunk(delta={"content": "h\u00e9"}) + chunk(delta={"content": "llo"})
    events += chunk(delta={"content": "another answer"}, index=1)
    events += chunk(finish_reason="stop", stop_reason="END") + USAGE + b"data: [DONE]\n\n"
    answer, heard = await listen_to(server, *(bytes([each]) for each in events))
    assert (answer.text, heard, answer.stop_reason, answer.usage.total_tokens) == ("h\u00e9llo", "h\u00e9llo", "stop_sequence", 5)
    assert answer.content[0] == {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    assert answer.provider_request_id == "r-1"
    [(_, body)] = server.requests
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


async def test_a_server_that_counts_nothing_answers_all_the_same(server: Server) -> None:
    """Its end is told by `[DONE]`."""
    answer, _ = await listen_to(server, chunk(delta={"content": "hi"}), chunk(finish_reason="stop"), b"data: [DONE]\n\n")
    assert (answer.text, answer.usage.total_tokens) == ("hi", 0)


async def test_a_server_that_does_not_stream_is_heard_in_the_end(server: Server) -> None:
    """It took no notice of what it was asked."""
    pieces: list[str] = []
    async with chat_session(4) as session:
        provider = OpenAIProvider(f"http://127.0.0.1:{server.port}/v1", None, session)
        answer = await provider.invoke(TARGET, HELLO, timeout=timedelta(seconds=20), labels=LABELS, heard=pieces.append)
    assert (answer.text, pieces) == ("hi", [])


@pytest.mark.parametrize(
    "line",
    [b"data: {\n", b"data: []\n", b"data: {}\n", b'data: {"choices": 7}\n', b'data: {"choices": [7]}\n', b"data: \xff\n",
     b'data: {"choices": [{"delta": {"content": 7}}]}\n', b'data: {"choices": [{"delta": {"tool_calls": [7]}}]}\n',
     b"data: " + b"[" * 100_000 + b"\n", b'data: {"choices": [{"delta": []}]}\n\ndata: 1\n',
     b'data: {"choices": [{"delta": {"tool_calls": [{"index": 0}, {"index": "b"}]}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n'],
    ids=range(11),
)  # fmt: skip
async def test_a_chunk_of_any_shape_breaks_nothing_else(server: Server, line: bytes) -> None:
    """What had come was billed, and it is said to be."""
    with pytest.raises(errors.MalformedCompletion) as caught:
        await listen_to(server, chunk(delta={"content": "hi"}), USAGE, line)
    assert (caught.value.target, caught.value.provider_request_id) == (str(TARGET), "c-1")
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens == 2


async def test_a_line_without_end_is_not_read_to_its_end(server: Server) -> None:
    """It does not fill the worker's memory."""
    with pytest.raises(errors.MalformedCompletion):
        await listen_to(server, b"data: ", *(b" " * 1_000_000 for _ in range(40)))


async def test_an_error_in_the_middle_of_a_stream(server: Server) -> None:
    """Whatever it is called, what had come was billed."""
    fault = b'data: {"error": {"message": "because", "code": "rate_limit_exceeded"}}\n\n'
    with pytest.raises(errors.Throttled):
        await listen_to(server, chunk(delta={"role": "assistant", "content": ""}), fault)
    for delta in ({"content": "hi"}, {"tool_calls": [{"index": 0, "id": "t-1", "function": {"name": "look"}}]}):
        with pytest.raises(errors.ModelFailed, match="throttled: because"):
            await listen_to(server, chunk(delta=delta), fault)


async def test_an_error_s_code_is_its_status_in_a_stream(server: Server) -> None:
    """Where it is a number, as vLLM has it."""
    with pytest.raises(errors.ProviderUnavailable):
        await listen_to(server, b'data: {"error": {"message": "because", "code": 503}}\n\n')


async def test_a_refusal_is_no_stream_whatever_it_calls_itself(server: Server) -> None:
    """Its status says so."""

    async def refused(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "slow down"}}, status=429, content_type="text/event-stream")

    server.answer = refused
    async with chat_session(4) as session:
        provider = OpenAIProvider(f"http://127.0.0.1:{server.port}/v1", None, session)
        with pytest.raises(errors.Throttled, match="slow down"):
            await provider.invoke(TARGET, HELLO, timeout=timedelta(seconds=20), labels=LABELS, heard=print)


async def test_a_native_body_is_never_streamed(server: Server) -> None:
    """It is sent as it is, and its answer kept as it came, in one piece."""
    native = Invocation(native={"messages": [{"role": "user", "content": "hi"}]})
    async with chat_session(4) as session:
        provider = OpenAIProvider(f"http://127.0.0.1:{server.port}/v1", None, session)
        await provider.invoke(TARGET, native, timeout=timedelta(seconds=20), labels=LABELS, heard=print)
    [(_, body)] = server.requests
    assert body.keys() == {"model", "messages"}
