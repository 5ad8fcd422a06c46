"""What the provider port promises of streams, over the scripted provider, and over the others against the simulator."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from quarry import errors
from quarry.aws import bedrock_client
from quarry.errors import InvocationError
from quarry.inference.converse_stream import Patience
from quarry.inference.providers.base import Provider
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.providers.openai import OpenAIProvider, chat_session
from quarry.inference.verdicts import ERROR_CODES
from quarry.invocation import Completion, Invocation, Target
from quarry.testing.provider import ScriptedProvider
from tests.support.processes import eventually
from tests.support.simulator import Simulator

TEXT = "Hello there, this is more than one piece of text, in two lines:\nund ein Gruß. 🚀"
LABELS = {"quarry_request_id": "0193"}
MODEL = "amazon.nova-lite-v1:0"
#: What a generation of the simulator begins with: its start, and two pieces of text.
TWO_PIECES = 3
IN_STREAM = ("internalServerException", "modelStreamErrorException", "validationException", "throttlingException",
             "serviceUnavailableException")  # fmt: skip


def asking(text: str = TEXT, **changes: Any) -> Invocation:
    return Invocation(messages=({"role": "user", "content": [{"text": text}]},), **changes)


@dataclass
class Listener:
    """A provider, and what was heard of it."""

    provider: Provider
    target: Target
    pieces: list[str] = field(default_factory=list)

    async def stream(self, invocation: Invocation | None = None, seconds: float = 30) -> Completion:
        return await self.provider.invoke(
            self.target, invocation or asking(), timeout=timedelta(seconds=seconds), labels=LABELS, heard=self.pieces.append
        )

    async def failed(self, seconds: float = 30) -> InvocationError:
        """What the call ends in, which names its target."""
        with pytest.raises(InvocationError) as caught:
            await self.stream(seconds=seconds)
        assert caught.value.target == str(self.target)
        return caught.value


@pytest.fixture
def patience() -> Patience:
    """More than any halt of the machine asks for. Tests of stalls have another one."""
    return Patience(first=20, next=20)


@pytest.fixture
async def bedrock(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, patience: Patience) -> AsyncIterator[Listener]:
    """Bedrock, simulated."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", simulator.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    async with bedrock_client("eu-west-3", 8) as client:
        provider = BedrockProvider({"eu-west-3": client}, patience)
        yield Listener(provider, Target("bedrock", "eu-west-3", MODEL))


@pytest.fixture
async def openai(simulator: Simulator, patience: Patience) -> AsyncIterator[Listener]:
    """A server of chat completions, simulated."""
    async with chat_session(8) as session:
        provider = OpenAIProvider(f"{simulator.url}/v1", None, session, patience)
        yield Listener(provider, Target("gateway", "", "gpt-oss-120b"))


@pytest.fixture(params=["bedrock", "openai"])
def real(request: pytest.FixtureRequest, patience: Patience) -> Listener:
    """Each provider that streams over the network."""
    made: Listener = request.getfixturevalue(request.param)
    return made


@pytest.fixture(params=["echo", "scripted", "bedrock", "openai"])
def anyone(request: pytest.FixtureRequest) -> Listener:
    """Each provider."""
    if request.param in ("bedrock", "openai"):
        made: Listener = request.getfixturevalue(request.param)
        return made
    return Listener(EchoProvider() if request.param == "echo" else ScriptedProvider(), Target(request.param, "", "m"))


async def test_what_is_heard_is_the_answer(anyone: Listener) -> None:
    """The pieces, joined, are its text; the completion is what the same call gives without a listener."""
    answer = await anyone.stream()
    assert "".join(anyone.pieces) == answer.text == TEXT
    quiet = await anyone.provider.invoke(anyone.target, asking(), timeout=timedelta(seconds=30), labels=LABELS)
    assert (quiet.content, quiet.stop_reason, quiet.usage) == (answer.content, answer.stop_reason, answer.usage)
    assert bool(quiet.provider_request_id) == bool(answer.provider_request_id)


async def test_streams_side_by_side(anyone: Listener) -> None:
    """Concurrent streams do not mix."""

    async def ask(i: int) -> bool:
        alone = Listener(anyone.provider, anyone.target)
        text = f"{i} is the number of this one. " * 9
        return (await alone.stream(asking(text))).text == "".join(alone.pieces) == text

    assert all(await asyncio.gather(*map(ask, range(20))))


async def test_text_is_heard_as_it_comes(real: Listener, simulator: Simulator) -> None:
    """And not when all is there, which it never is here."""
    simulator.rule({"hang": True, "after_events": TWO_PIECES})
    task = asyncio.create_task(real.stream())
    await asyncio.to_thread(eventually, lambda: len(real.pieces) == 2)
    assert not task.done()
    assert TEXT.startswith("".join(real.pieces))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "Let me see."}, {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": ["é", 1.5, None]}}}],
        [{"reasoningContent": {"reasoningText": {"text": "Hm, this is hard to say.", "signature": "c2ln"}}}, {"text": "Yes."}],
        [{"reasoningContent": {"redactedContent": "AAEC"}}, {"text": "No."}],
        [{"image": {"format": "png", "source": {"bytes": "iVBORw=="}}}],
        [
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}},
            {"toolUse": {"toolUseId": "t2", "name": "go", "input": {}}},
        ],
    ],
    ids=["tool", "reasoning", "redacted", "image", "tools"],
)
async def test_blocks_are_put_together(bedrock: Listener, simulator: Simulator, content: list[Mapping[str, Any]]) -> None:
    """As Converse gives them whole."""
    simulator.rule({"content": content})
    answer = await bedrock.stream()
    assert list(answer.content) == content
    assert "".join(bedrock.pieces) == answer.text


@pytest.mark.parametrize("member", IN_STREAM)
async def test_an_error_before_the_first_content(bedrock: Listener, simulator: Simulator, member: str) -> None:
    """It is what the table says, and nothing was billed that the class does not say."""
    code = member[0].upper() + member[1:]
    simulator.rule({"error": code, "message": "because", "after_events": 1})
    error = await bedrock.failed()
    assert (type(error), str(error), bedrock.pieces) == (ERROR_CODES[code], "because", [])
    assert error.provider_request_id


@pytest.mark.parametrize("member", IN_STREAM)
async def test_an_error_in_the_middle(real: Listener, simulator: Simulator, member: str) -> None:
    """What was made by then is billed, whatever the error is called: no throttle, and nothing that another target makes undone."""
    simulator.rule({"error": member[0].upper() + member[1:], "message": "because", "after_events": TWO_PIECES})
    error = await real.failed()
    assert (type(error), error.may_be_billed, len(real.pieces)) == (errors.ModelFailed, True, 2)
    assert simulator.calls()["calls"] == 1


@pytest.mark.parametrize("patience", [Patience(first=2, next=1)], ids=["impatient"])
@pytest.mark.parametrize(("events", "pieces"), [(0, 0), (1, 0), (TWO_PIECES, 2)])
async def test_a_stall_is_told_from_a_slow_answer(real: Listener, simulator: Simulator, events: int, pieces: int) -> None:
    """Long before the time of the call is up; its connection is closed."""
    simulator.rule({"hang": True, "after_events": events})
    began = asyncio.get_running_loop().time()
    error = await real.failed()
    assert asyncio.get_running_loop().time() - began < 20
    assert (type(error), "stalled" in str(error), len(real.pieces)) == (errors.InvocationTimedOut, True, pieces)


@pytest.mark.parametrize("patience", [Patience(first=3, next=2.5)], ids=["less than all of it takes"])
async def test_a_slow_answer_is_no_stall(real: Listener, simulator: Simulator) -> None:
    """However long it takes in all, while something comes."""
    simulator.rule({"event_seconds": 0.4})
    assert (await real.stream()).text == TEXT


async def test_the_time_of_a_call_ends_a_stream_too(real: Listener, simulator: Simulator) -> None:
    """However steadily it comes."""
    simulator.rule({"event_seconds": 0.1})
    with pytest.raises(InvocationError) as caught:
        await real.stream(asking("word " * 1000), seconds=2)
    error = caught.value
    assert (type(error), "stalled" in str(error), real.pieces != []) == (errors.InvocationTimedOut, False, True)
    assert error.provider_request_id


async def test_an_error_of_a_chat_completion_before_the_first_content(openai: Listener, simulator: Simulator) -> None:
    """It has no code of AWS's there, but a status; nothing was billed that the class does not say."""
    simulator.rule({"error": "ServiceUnavailableException", "message": "because", "after_events": 1})
    error = await openai.failed()
    assert (type(error), str(error), openai.pieces) == (errors.ProviderUnavailable, "because", [])


@pytest.mark.parametrize("short_by", [2, 3])
async def test_a_chat_completion_without_its_end_is_a_failure(openai: Listener, simulator: Simulator, short_by: int) -> None:
    """The last event alone says nothing; without the one before it, nobody knows what it cost."""
    whole = -(-len(TEXT) // 16) + 4
    simulator.rule({"close": True, "after_events": whole - short_by})
    assert type(await openai.failed()) is errors.ModelFailed
    assert "".join(openai.pieces) == TEXT


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "Let me see."}, {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": ["é", 1.5, None]}}}],
        [
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}},
            {"toolUse": {"toolUseId": "t2", "name": "go", "input": {}}},
        ],
    ],
    ids=["tool", "tools"],
)
async def test_blocks_of_a_chat_completion_are_put_together(
    openai: Listener, simulator: Simulator, content: list[Mapping[str, Any]]
) -> None:
    """As they come whole."""
    simulator.rule({"content": content, "stop_reason": "tool_use"})
    answer = await openai.stream()
    assert (list(answer.content), answer.stop_reason) == (content, "tool_use")


@pytest.mark.parametrize("short_by", [1, 2, 3])
async def test_a_stream_without_its_end_is_a_failure(bedrock: Listener, simulator: Simulator, short_by: int) -> None:
    """Be it that only the last event is missing, which says what it cost."""
    whole = -(-len(TEXT) // 16) + 4
    simulator.rule({"close": True, "after_events": whole - short_by})
    assert type(await bedrock.failed()) is errors.ModelFailed
    assert "".join(bedrock.pieces) == TEXT


async def test_a_stream_that_breaks_is_an_unknown_outcome(real: Listener, simulator: Simulator) -> None:
    """The connection is reset in the middle of it."""
    simulator.rule({"reset": True, "after_events": TWO_PIECES})
    assert type(await real.failed()) is errors.InvocationTimedOut


async def test_a_refusal_comes_as_without_a_stream(real: Listener, simulator: Simulator) -> None:
    """With a status of its own, before any event."""
    simulator.rule({"error": "ThrottlingException", "headers": {"Retry-After": "7"}})
    error = await real.failed()
    assert (type(error), error.retry_after_seconds) == (errors.Throttled, 7)


async def test_cancelling_closes_the_connection(real: Listener, simulator: Simulator) -> None:
    """In the middle of a stream: nobody writes to it any more."""
    simulator.rule({"event_seconds": 0.2})
    task = asyncio.create_task(real.stream(asking("word " * 1000)))
    await asyncio.to_thread(eventually, lambda: real.pieces)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, lambda: simulator.calls()["by_outcome"].get("client_left") == 1)


async def test_a_native_body_is_answered_in_silence(bedrock: Listener) -> None:
    """Its answer is the model's own, in one piece, and nothing is heard before it is there."""
    answer = await bedrock.stream(Invocation(native={"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}))
    assert (answer.text, bedrock.pieces) == ("Hi", [])
