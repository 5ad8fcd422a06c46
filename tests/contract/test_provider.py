"""What the provider port promises, over every provider: the echo, the scripted one, and Bedrock against the simulator."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from quarry import errors
from quarry.aws import bedrock_client
from quarry.errors import InvocationError
from quarry.inference.providers.base import Provider
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.verdicts import ERROR_CODES
from quarry.invocation import Completion, Invocation, Target
from quarry.testing.provider import Hold, ScriptedProvider
from tests.support.processes import eventually
from tests.support.simulator import Simulator

HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello there"}]},), system=({"text": "be brief"},))
LABELS = {"quarry_request_id": "0193", "quarry_attempt": "1"}
LONG = timedelta(seconds=30)


class Subject(ABC):
    """A provider, and what a test must do to see it fail."""

    provider: Provider
    target: Target

    @abstractmethod
    def call_count(self) -> int:
        """How many calls the model has had."""

    @abstractmethod
    def fail(self, code: str) -> None:
        """Have every call fail with that exception of Bedrock."""

    @abstractmethod
    def hang(self) -> None:
        """Have the next call never answer."""

    @abstractmethod
    def abandoned(self) -> bool:
        """Whether the call that hung has been given up."""

    @abstractmethod
    def labels(self) -> set[str]:
        """The request ids that calls were labelled with."""

    async def invoke(self, invocation: Invocation = HELLO, timeout: timedelta = LONG) -> Completion:
        """Call it."""
        return await self.provider.invoke(self.target, invocation, timeout=timeout, labels=LABELS)


class Scripted(Subject):
    """The fake."""

    def __init__(self) -> None:
        self.provider: ScriptedProvider = ScriptedProvider()
        self.target = Target("scripted", "", "m")
        self._hold = Hold()

    def call_count(self) -> int:
        return len(self.provider.calls)

    def fail(self, code: str) -> None:
        self.provider.play(*[ERROR_CODES[code]("because") for _ in range(9)])

    def hang(self) -> None:
        self.provider.play(self._hold)

    def abandoned(self) -> bool:
        return self._hold.reached.is_set() and self.provider.cancelled == 1

    def labels(self) -> set[str]:
        return {call.labels["quarry_request_id"] for call in self.provider.calls}


class Bedrock(Subject):
    """The real one; `region` and `model` are matched by the rules, so a wrong one shows."""

    def __init__(self, provider: BedrockProvider, simulator: Simulator) -> None:
        self.provider = provider
        self.target = Target(
            "bedrock", "eu-west-3", "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
        )
        self._simulator = simulator
        self._match = {"region": self.target.region, "model": self.target.model}

    def call_count(self) -> int:
        calls: int = self._simulator.calls()["calls"]
        return calls

    def fail(self, code: str) -> None:
        self._simulator.rule({"error": code, "message": "because"}, match=self._match)

    def hang(self) -> None:
        # A delay and not a `hang`: the ledger tells when the client of a delayed call went away.
        self._simulator.rule({"delay_seconds": 600}, match=self._match)

    def abandoned(self) -> bool:
        return bool(self._simulator.calls()["by_outcome"].get("client_left") == 1)

    def labels(self) -> set[str]:
        return set(self._simulator.calls()["by_request_id"])


@pytest.fixture
async def bedrock(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bedrock]:
    """Bedrock, simulated."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", simulator.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    async with bedrock_client("eu-west-3", 8) as client:
        yield Bedrock(BedrockProvider({"eu-west-3": client}), simulator)


@pytest.fixture(params=["scripted", "bedrock"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each provider that can be made to fail."""
    made: Subject = Scripted() if request.param == "scripted" else request.getfixturevalue("bedrock")
    return made


@pytest.fixture(params=["echo", "scripted", "bedrock"])
def answering(request: pytest.FixtureRequest) -> tuple[Provider, Target]:
    """Each provider, with a target of its own."""
    if request.param == "echo":
        return EchoProvider(), Target("echo", "", "echo")
    subject: Subject = Scripted() if request.param == "scripted" else request.getfixturevalue("bedrock")
    return subject.provider, subject.target


async def test_an_answer(answering: tuple[Provider, Target]) -> None:
    """An answer has text, JSON-safe content, a stop reason, counts, and names the target that gave it."""
    provider, target = answering
    answer = await provider.invoke(target, HELLO, timeout=LONG, labels=LABELS)
    assert answer.text == "hello there"
    assert json.loads(json.dumps(answer.content)) == [{"text": "hello there"}]
    assert (answer.stop_reason, answer.filtered) == ("end_turn", False)
    assert answer.served_by == target
    assert min(answer.usage.input_tokens, answer.usage.output_tokens) > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


async def test_calls_side_by_side(answering: tuple[Provider, Target]) -> None:
    """Concurrent calls do not mix."""
    provider, target = answering

    async def ask(text: str) -> str:
        invocation = Invocation(messages=({"role": "user", "content": [{"text": text}]},))
        return (await provider.invoke(target, invocation, timeout=LONG, labels=LABELS)).text

    texts = [f"number {i}" for i in range(20)]
    assert await asyncio.gather(*map(ask, texts)) == texts


async def test_labels_are_passed(subject: Subject) -> None:
    """The vendor gets the labels, so that a call can be traced to its job."""
    await subject.invoke()
    assert subject.labels() == {"0193"}


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
async def test_an_error_is_one_of_ours_after_one_call(subject: Subject, code: str) -> None:
    """Each vendor's error comes out as its class, with target and message, and the call is never repeated here."""
    subject.fail(code)
    with pytest.raises(InvocationError) as caught:
        await subject.invoke()
    assert type(caught.value) is ERROR_CODES[code]
    assert (caught.value.target, str(caught.value)) == (str(subject.target), "because")
    assert subject.call_count() == 1


async def test_a_timeout_is_an_unknown_outcome(subject: Subject) -> None:
    """No answer within the timeout: perhaps billed, and given up for good."""
    subject.hang()
    with pytest.raises(errors.InvocationTimedOut) as caught:
        # Time enough for the request to arrive, on a busy machine too.
        await subject.invoke(timeout=timedelta(seconds=1))
    assert caught.value.target == str(subject.target)
    assert subject.call_count() == 1


async def test_cancelling_gives_the_call_up(subject: Subject) -> None:
    """A cancelled call raises nothing of ours, and its connection is closed: nobody waits for an answer any more."""
    subject.hang()
    task = asyncio.create_task(subject.invoke())
    await asyncio.to_thread(eventually, lambda: subject.call_count() == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, subject.abandoned)
