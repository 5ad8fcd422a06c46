"""What the provider port promises, over every provider: the echo, the scripted one, and the others against the simulator."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from quarry import errors
from quarry.aws import bedrock_client, sagemaker_client
from quarry.errors import CredentialsExpired, InvocationError
from quarry.inference import chat_verdicts
from quarry.inference.providers import sagemaker as sagemaker_provider
from quarry.inference.providers.base import Provider
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.inference.providers.echo import EchoProvider
from quarry.inference.providers.openai import OpenAIProvider, chat_session
from quarry.inference.providers.sagemaker import SageMakerProvider
from quarry.inference.verdicts import ERROR_CODES
from quarry.invocation import Completion, Invocation, Target
from quarry.testing.provider import Hold, ScriptedProvider
from tests.support.processes import eventually
from tests.support.simulator import Simulator

HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello there"}]},), system=({"text": "be brief"},))
LABELS = {"quarry_request_id": "0193", "quarry_attempt": "1"}
LONG = timedelta(seconds=30)


@dataclass(frozen=True)
class Fault:
    """An error of a vendor, and what it is to be of ours."""

    code: str
    kind: type[InvocationError]
    status: int | None = None
    message: str = "because"

    def __str__(self) -> str:
        return f"{self.code}-{self.status}" if self.status else self.code


def _of_chat(code: str, kind: type[InvocationError], status: int) -> Fault:
    # OpenAI's words to a wrong key hold a part of it.
    return Fault(code, kind, status, "the key is missing, wrong or expired" if kind is CredentialsExpired else "because")


_SAGEMAKER = ServiceModel(Loader().load_service_model("sagemaker-runtime", "service-2"), "sagemaker-runtime")
#: So that an SDK which repeats what looks passing would do so.
_SAGEMAKER_STATUSES = {shape.name: shape.metadata.get("error", {}).get("httpStatusCode", 400) for shape in _SAGEMAKER.error_shapes}

#: Every row of every table.
FAULTS = {
    "scripted": [Fault(code, kind) for code, kind in ERROR_CODES.items()],
    "bedrock": [Fault(code, kind) for code, kind in ERROR_CODES.items()],
    "openai": [
        *(_of_chat(code, kind, 400) for code, kind in chat_verdicts.CODES.items()),
        *(_of_chat("of_another_server", kind, status) for status, kind in chat_verdicts.STATUSES.items()),
        *(
            _of_chat("of_another_server", kind, status)
            for status, kind in ((400, errors.InvocationRejected), (500, errors.ModelFailed))
        ),
    ],
    "sagemaker": [Fault(code, kind, _SAGEMAKER_STATUSES.get(code, 400)) for code, kind in sagemaker_provider.ERROR_CODES.items()],
}


class Subject(ABC):
    """A provider, and what a test must do to see it fail."""

    provider: Provider
    target: Target

    @abstractmethod
    def call_count(self) -> int:
        """How many calls the model has had."""

    @abstractmethod
    def fail(self, fault: Fault) -> None:
        """Have every call fail so."""

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

    def fail(self, fault: Fault) -> None:
        self.provider.play(*[fault.kind(fault.message) for _ in range(9)])

    def hang(self) -> None:
        self.provider.play(self._hold)

    def abandoned(self) -> bool:
        return self._hold.reached.is_set() and self.provider.cancelled == 1

    def labels(self) -> set[str]:
        return {call.labels["quarry_request_id"] for call in self.provider.calls}


class Real(Subject):
    """A real one; `region` and `model` are matched by the rules, so a wrong one shows."""

    def __init__(self, provider: Provider, target: Target, simulator: Simulator) -> None:
        self.provider = provider
        self.target = target
        self._simulator = simulator
        self._match = {"model": target.model} | ({"region": target.region} if target.region else {})

    def call_count(self) -> int:
        calls: int = self._simulator.calls()["calls"]
        return calls

    def fail(self, fault: Fault) -> None:
        act = {"error": fault.code, "message": "because"} | ({"status": fault.status} if fault.status else {})
        self._simulator.rule(act, match=self._match)

    def hang(self) -> None:
        # A delay and not a `hang`: the ledger tells when the client of a delayed call went away.
        self._simulator.rule({"delay_seconds": 600}, match=self._match)

    def abandoned(self) -> bool:
        return bool(self._simulator.calls()["by_outcome"].get("client_left") == 1)

    def labels(self) -> set[str]:
        return set(self._simulator.calls()["by_request_id"])


@pytest.fixture
def scripted() -> Scripted:
    """The fake."""
    return Scripted()


@pytest.fixture
def _aws(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", simulator.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", simulator.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
async def bedrock(simulator: Simulator, _aws: None) -> AsyncIterator[Real]:
    """Bedrock, simulated."""
    model = "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
    async with bedrock_client("eu-west-3", 8) as client:
        yield Real(BedrockProvider({"eu-west-3": client}), Target("bedrock", "eu-west-3", model), simulator)


@pytest.fixture
async def sagemaker(simulator: Simulator, _aws: None) -> AsyncIterator[Real]:
    """An endpoint of SageMaker, simulated."""
    async with sagemaker_client("eu-west-3", 8) as client:
        yield Real(SageMakerProvider(client), Target("endpoints", "eu-west-3", "llama-8b"), simulator)


@pytest.fixture
async def openai(simulator: Simulator) -> AsyncIterator[Real]:
    """A server of chat completions, simulated."""
    async with chat_session(8) as session:
        yield Real(OpenAIProvider(f"{simulator.url}/v1/", None, session), Target("litellm", "", "openai/gpt-oss-120b"), simulator)


@pytest.fixture(params=FAULTS)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each provider that can be made to fail."""
    made: Subject = request.getfixturevalue(request.param)
    return made


@pytest.fixture(params=["bedrock", "openai", "sagemaker"])
def real(request: pytest.FixtureRequest) -> Real:
    """Each provider that goes over the network."""
    made: Real = request.getfixturevalue(request.param)
    return made


@pytest.fixture(params=["echo", *FAULTS])
def answering(request: pytest.FixtureRequest) -> tuple[Provider, Target]:
    """Each provider, with a target of its own."""
    if request.param == "echo":
        return EchoProvider(), Target("echo", "", "echo")
    subject: Subject = request.getfixturevalue(request.param)
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


@pytest.mark.parametrize(
    ("subject", "fault"),
    [pytest.param(name, fault, id=f"{name}-{fault}") for name, faults in FAULTS.items() for fault in faults],
    indirect=["subject"],
)
async def test_an_error_is_one_of_ours_after_one_call(subject: Subject, fault: Fault) -> None:
    """Each vendor's error comes out as its class, with target and message, and the call is never repeated here."""
    subject.fail(fault)
    with pytest.raises(InvocationError) as caught:
        await subject.invoke()
    assert type(caught.value) is fault.kind
    assert (caught.value.target, str(caught.value)) == (str(subject.target), fault.message)
    assert subject.call_count() == 1


async def test_a_tool_is_called_in_converse_s_words(real: Real, simulator: Simulator) -> None:
    """A caller can send the same tools to each, reads the same call of one, and sends its result back in the same way."""
    use = {"toolUse": {"toolUseId": "t-1", "name": "weather", "input": {"city": "Bath"}}}
    simulator.rule({"content": [{"text": "Let me see."}, use], "stop_reason": "tool_use"}, times=1)
    spec = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}
    asked = Invocation(messages=HELLO.messages, converse={"toolConfig": {"tools": [spec], "toolChoice": {"any": {}}}})
    answer = await real.invoke(asked)
    assert (answer.stop_reason, list(answer.content)) == ("tool_use", [{"text": "Let me see."}, use])
    result = {"toolResult": {"toolUseId": "t-1", "content": [{"json": {"sky": "grey"}}]}}
    turns = ({"role": "assistant", "content": list(answer.content)}, {"role": "user", "content": [result, {"text": "And now?"}]})
    answer = await real.invoke(Invocation(messages=(*asked.messages, *turns), converse=asked.converse))
    assert (answer.text, answer.stop_reason) == ("And now?", "end_turn")


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens", "tool_use", "content_filtered"])
async def test_a_stop_reason_is_converse_s(real: Real, reason: str, simulator: Simulator) -> None:
    """Whatever a vendor calls it."""
    simulator.rule({"text": "hm", "stop_reason": reason})
    answer = await real.invoke()
    assert (answer.text, answer.stop_reason, answer.filtered) == ("hm", reason, reason == "content_filtered")


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
async def test_an_unusable_answer_was_billed(real: Real, reason: str, simulator: Simulator) -> None:
    """And says what it took."""
    simulator.rule({"text": "hm", "stop_reason": reason})
    with pytest.raises(errors.MalformedCompletion) as caught:
        await real.invoke()
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens > 0


@pytest.mark.parametrize("fault", [{"reset": True}, {"close": True}])
async def test_a_broken_connection_is_an_unknown_outcome(real: Real, fault: dict[str, bool], simulator: Simulator) -> None:
    """The request was read: perhaps billed, and not sent again."""
    simulator.rule(fault)
    with pytest.raises(errors.InvocationTimedOut) as caught:
        await real.invoke()
    assert caught.value.target == str(real.target)
    assert real.call_count() == 1


async def test_a_timeout_is_an_unknown_outcome(subject: Subject) -> None:
    """No answer within the timeout: perhaps billed, and given up for good."""
    subject.hang()
    with pytest.raises(errors.InvocationTimedOut) as caught:
        # Time enough for the request to arrive, on a busy machine too.
        await subject.invoke(timeout=timedelta(seconds=1))
    assert caught.value.target == str(subject.target)
    await asyncio.to_thread(eventually, lambda: subject.call_count() == 1)


async def test_cancelling_gives_the_call_up(subject: Subject) -> None:
    """A cancelled call raises nothing of ours, and its connection is closed: nobody waits for an answer any more."""
    subject.hang()
    task = asyncio.create_task(subject.invoke())
    await asyncio.to_thread(eventually, lambda: subject.call_count() == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, subject.abandoned)
