"""What the simulator says, against botocore's own model of Bedrock Runtime: on the wire, and as real clients parse it.

One table of calls. Each is made three times: as bytes, which are held to the model's output shape; by boto3; and by aiobotocore.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import boto3
import httpx
import pytest
import pytest_asyncio
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from botocore.serialize import create_serializer

from tests.contract.shapes import MODEL, in_body, in_headers, spoiled, unfit
from tests.support.simulator import Simulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "meta.llama3-8b-instruct-v1:0"
TITAN = "amazon.titan-text-express-v1"
TEXT = "Hello, this is more than one piece of text."
HELLO = [{"role": "user", "content": [{"text": TEXT}]}]
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host"}
STOP_REASONS = MODEL.shape_for("StopReason").metadata["enum"]
BLOCKS = [
    {"text": TEXT},
    {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}},
    {"reasoningContent": {"reasoningText": {"text": TEXT, "signature": "s"}}},
    {"reasoningContent": {"reasoningText": {"text": TEXT}}},
    {"reasoningContent": {"redactedContent": "aGk="}},
    {"image": {"format": "png", "source": {"bytes": "aGk="}}},
]
CONVERSED: dict[str, Any] = {"modelId": NOVA, "messages": HELLO}
ANTHROPIC = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": TEXT}]}
STREAMED = {CLAUDE: ANTHROPIC, NOVA: {"messages": HELLO}, TITAN: {"inputText": TEXT}, LLAMA: {"prompt": TEXT}}
EMBEDDED = {
    "amazon.titan-embed-text-v2:0": {"inputText": TEXT, "dimensions": 256},
    "amazon.titan-embed-text-v1": {"inputText": TEXT},
    "cohere.embed-english-v3": {"texts": [TEXT, "more"], "input_type": "search_query"},
}
METHODS = {
    "Converse": "converse",
    "ConverseStream": "converse_stream",
    "InvokeModel": "invoke_model",
    "InvokeModelWithResponseStream": "invoke_model_with_response_stream",
    "CountTokens": "count_tokens",
    "ApplyGuardrail": "apply_guardrail",
}
#: Where an answer has its events.
EVENTS_IN = {"ConverseStream": ("stream",), "InvokeModelWithResponseStream": ("body",)}
#: A plain call of each operation.
PLAIN: dict[str, dict[str, Any]] = {
    "Converse": CONVERSED,
    "ConverseStream": CONVERSED,
    "InvokeModel": {"modelId": CLAUDE, "body": json.dumps(ANTHROPIC)},
    "InvokeModelWithResponseStream": {"modelId": CLAUDE, "body": json.dumps(ANTHROPIC)},
    "CountTokens": {"modelId": CLAUDE.removeprefix("us."), "input": {"converse": {"messages": HELLO}}},
    "ApplyGuardrail": {
        "guardrailIdentifier": "gr1", "guardrailVersion": "1", "source": "INPUT", "content": [{"text": {"text": TEXT}}],
    },
}  # fmt: skip
SAID_NO, CUT = "That is not asked.", "That is not answered."


@dataclass(frozen=True)
class Case:
    """A call, by the words of the service model, and the rule that is in force."""

    name: str
    operation: str
    request: dict[str, Any]
    act: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation} {self.name}"


def cases() -> Iterator[Case]:
    for operation, request in PLAIN.items():
        yield Case("plain", operation, request)
    for operation in ("Converse", "ConverseStream"):
        for reason in STOP_REASONS:
            yield Case(reason, operation, CONVERSED, {"stop_reason": reason})
        yield Case("blocks", operation, CONVERSED, {"content": BLOCKS, "stop_reason": "tool_use"})
        echoed = {"serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "optimized"}}
        yield Case("echoed", operation, CONVERSED | echoed)
    headers = {"serviceTier": "flex", "performanceConfigLatency": "optimized", "guardrailIdentifier": "a", "guardrailVersion": "1"}
    for operation in ("InvokeModel", "InvokeModelWithResponseStream"):
        yield Case("headers", operation, PLAIN[operation] | headers)
        for model, body in STREAMED.items():
            yield Case(model, operation, {"modelId": model, "body": json.dumps(body)})
            yield Case(f"{model} blocks", operation, {"modelId": model, "body": json.dumps(body)}, {"content": BLOCKS})
    for model, body in EMBEDDED.items():
        yield Case(model, "InvokeModel", {"modelId": model, "body": json.dumps(body)})
    native = {"invokeModel": {"body": json.dumps(ANTHROPIC)}}
    yield Case("native", "CountTokens", PLAIN["CountTokens"] | {"input": native})
    for source in ("INPUT", "OUTPUT"):
        for words in ("kraken", "an octopus"):
            content = [{"text": {"text": each, "qualifiers": ["query"]}} for each in (TEXT, words)]
            yield Case(f"{source} {words}", "ApplyGuardrail", PLAIN["ApplyGuardrail"] | {"source": source, "content": content})


CASES = list(cases())


@dataclass
class Clients:
    """The two real clients, by one way of calling them: what a stream brings is a list in its place."""

    boto: Any
    aio: Any

    async def call(self, kind: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Make a call, and read its answer to the end."""
        if kind == "boto3":
            return await asyncio.to_thread(self._synchronously, operation, request)
        answer: dict[str, Any] = await getattr(self.aio, METHODS[operation])(**request)
        for name in EVENTS_IN.get(operation, ()):
            # Read to its end or not, the client keeps the connection until it is closed.
            with closing(answer[name]) as events:
                answer[name] = [event async for event in events]
        if operation == "InvokeModel":
            answer["body"] = await answer["body"].read()
        return answer

    def _synchronously(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.boto, METHODS[operation])(**request)
        for name in EVENTS_IN.get(operation, ()):
            with closing(answer[name]) as events:
                answer[name] = list(events)
        if operation == "InvokeModel":
            answer["body"] = answer["body"].read()
        return answer


def options(url: str) -> dict[str, Any]:
    return {
        "endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test",
        "config": Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10),
    }  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def clients(running_simulator: Simulator) -> AsyncIterator[Clients]:
    """Of both kinds, at the simulator; making one takes longer than a test."""
    boto = boto3.client("bedrock-runtime", **options(running_simulator.url))
    async with get_session().create_client("bedrock-runtime", **options(running_simulator.url)) as aio:
        yield Clients(boto, aio)
    boto.close()


@pytest.fixture(scope="module")
def http(running_simulator: Simulator) -> Iterator[httpx.Client]:
    """A client that knows nothing of AWS."""
    with httpx.Client(base_url=running_simulator.url, headers=SIGNED, timeout=10) as client:
        yield client


def posted(http: httpx.Client, operation: str, request: dict[str, Any]) -> httpx.Response:
    """The call's answer as it is on the wire; the request is botocore's."""
    made = create_serializer("rest-json").serialize_to_request(request, MODEL.operation_model(operation))
    return http.post(made["url_path"], headers=made["headers"], content=made["body"])


def frames(content: bytes) -> list[tuple[Any, Any]]:
    """The headers and bodies of an event stream's messages."""
    buffer = EventStreamBuffer()
    buffer.add_data(content)
    return [(frame.headers, json.loads(frame.payload)) for frame in buffer]


def stream_shape(operation: str) -> Any:
    """The union of the events that an operation's answer can have."""
    return MODEL.operation_model(operation).get_event_stream_output()


def rule(simulator: Simulator, operation: str, act: dict[str, Any]) -> None:
    """A rule that is in force; and a guardrail, where one is asked."""
    simulator.rule(act)
    if operation == "ApplyGuardrail":
        simulator.guardrail("gr1", "kraken", input_message=SAID_NO, output_message=CUT)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_answer_fits_the_model_on_the_wire(simulator: Simulator, http: httpx.Client, case: Case) -> None:
    """Status, headers and body, or each event: no member too many, none missing, of the right kinds and words."""
    rule(simulator, case.operation, case.act)
    answer = posted(http, case.operation, case.request)
    model = MODEL.operation_model(case.operation)
    assert answer.status_code == model.http["responseCode"], answer.text
    assert len(answer.headers["x-amzn-RequestId"]) == 36
    output = model.output_shape
    for name, member in in_headers(output).items():
        if name in answer.headers:
            assert list(unfit(member, answer.headers[name])) == []
    required = {output.members[name].serialization.get("name") for name in output.required_members} & in_headers(output).keys()
    assert {name.lower() for name in required} <= set(answer.headers)
    if model.has_event_stream_output:
        assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
        members = stream_shape(case.operation).members
        for headers, body in frames(answer.content):
            assert headers.keys() == {":event-type", ":content-type", ":message-type"}
            assert (headers[":message-type"], headers[":content-type"]) == ("event", "application/json")
            assert list(unfit(members[headers[":event-type"]], body, headers[":event-type"])) == []
    else:
        assert answer.headers["content-type"].partition(";")[0] == "application/json"
        if model.output_shape.serialization.get("payload") is None:
            body = answer.json()
            assert [f"{name} is unknown" for name in body if name not in in_body(output)] == []
            assert list(unfit(output, body)) == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ["boto3", "aiobotocore"])
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_answer_is_parsed_by_real_clients(simulator: Simulator, clients: Clients, case: Case, kind: str) -> None:
    """With all that the service model has them give: nothing is lost on the way, and no event is unknown to them."""
    rule(simulator, case.operation, case.act)
    answer = await clients.call(kind, case.operation, case.request)
    assert set(MODEL.operation_model(case.operation).output_shape.required_members) <= answer.keys()
    if case.operation == "Converse":
        texts = [block["text"] for block in answer["output"]["message"]["content"] if "text" in block]
        assert ("".join(texts), answer["stopReason"]) == (TEXT, case.act.get("stop_reason", "end_turn"))
        assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"] > 11
    elif case.operation == "ConverseStream":
        names = [next(iter(event)) for event in answer["stream"]]
        assert (names[0], names[-2:]) == ("messageStart", ["messageStop", "metadata"])
        assert names.count("contentBlockStop") == len(case.act.get("content", [TEXT]))
        deltas = [event["contentBlockDelta"]["delta"] for event in answer["stream"] if "contentBlockDelta" in event]
        assert "".join(delta["text"] for delta in deltas if "text" in delta) == TEXT
        assert answer["stream"][-2]["messageStop"]["stopReason"] == case.act.get("stop_reason", "end_turn")
    elif case.operation == "CountTokens":
        assert answer["inputTokens"] == 11
    elif case.operation == "ApplyGuardrail":
        blocked = case.name.endswith("kraken")
        assert answer["action"] == ("GUARDRAIL_INTERVENED" if blocked else "NONE")
        words_said = SAID_NO if case.request["source"] == "INPUT" else CUT
        assert [each["text"] for each in answer["outputs"]] == ([words_said] if blocked else [])
        words = [each for one in answer["assessments"] for each in one.get("wordPolicy", {}).get("customWords", [])]
        assert [each["match"] for each in words] == (["kraken"] if blocked else [])
        assert answer["usage"]["wordPolicyUnits"] == 1
    elif case.operation == "InvokeModel":
        assert (json.loads(answer["body"]), answer["contentType"].partition(";")[0]) != ({}, "")
    else:
        assert answer["contentType"] == "application/json"
        last = json.loads(answer["body"][-1]["chunk"]["bytes"])
        assert last["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == 11
    if case.name in ("headers", "echoed"):
        said = answer["stream"][-1]["metadata"] if "stream" in answer else answer
        tier, latency = case.request["serviceTier"], case.request.get("performanceConfigLatency")
        assert said["serviceTier"] == tier
        assert said.get("performanceConfigLatency") == latency
        assert said.get("performanceConfig") == case.request.get("performanceConfig")


ERRORS = [(name, error.name) for name in METHODS for error in MODEL.operation_model(name).error_shapes]


@pytest.mark.parametrize(("operation", "error"), ERRORS)
def test_an_error_fits_the_model_on_the_wire(simulator: Simulator, http: httpx.Client, operation: str, error: str) -> None:
    """The modelled status, the class in the header as the service has it, and a body of the exception's shape."""
    shape = MODEL.shape_for(error)
    rule(simulator, operation, {"error": error})
    answer = posted(http, operation, PLAIN[operation])
    assert answer.status_code == shape.metadata["error"]["httpStatusCode"]
    assert answer.headers["x-amzn-ErrorType"] == f"{error}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    assert list(unfit(shape, answer.json())) == []
    assert answer.json()["message"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ["boto3", "aiobotocore"])
@pytest.mark.parametrize(("operation", "error"), ERRORS)
async def test_an_error_is_the_client_s_own(simulator: Simulator, clients: Clients, operation: str, error: str, kind: str) -> None:
    """Each operation's errors are raised as the classes that the client makes of the model."""
    rule(simulator, operation, {"error": error, "message": "because"})
    with pytest.raises(getattr(clients.aio.exceptions, error) if kind == "aiobotocore" else ClientError) as caught:
        await clients.call(kind, operation, PLAIN[operation])
    assert type(caught.value).__name__ == error
    assert caught.value.response["Error"] == {"Code": error, "Message": "because"}
    assert caught.value.operation_name == operation


EVENTS = [
    (operation, name) for operation in ("ConverseStream", "InvokeModelWithResponseStream")
    for name, member in stream_shape(operation).members.items() if member.metadata.get("exception")
]  # fmt: skip


@pytest.mark.parametrize(("operation", "name"), EVENTS)
def test_an_error_event_fits_the_model(simulator: Simulator, http: httpx.Client, operation: str, name: str) -> None:
    """After an event it comes as an exception message of its shape, under the name that the stream has for it."""
    shape = stream_shape(operation).members[name]
    simulator.rule({"error": shape.name, "after_events": 1})
    (first, _), (headers, body) = frames(posted(http, operation, PLAIN[operation]).content)
    assert first[":message-type"] == "event"
    assert headers == {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    assert list(unfit(shape, body)) == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ["boto3", "aiobotocore"])
@pytest.mark.parametrize(("operation", "name"), EVENTS)
async def test_an_error_event_is_raised_by_real_clients(
    simulator: Simulator, clients: Clients, operation: str, name: str, kind: str
) -> None:
    """While they read the stream."""
    simulator.rule({"error": stream_shape(operation).members[name].name, "after_events": 1, "message": "because"})
    with pytest.raises(EventStreamError) as caught:
        await clients.call(kind, operation, PLAIN[operation])
    assert caught.value.response["Error"] == {"Code": name, "Message": "because"}


def test_the_judge_judges() -> None:
    """A good answer passes, and each of its parts is missed, told from another kind, and found when it is one too many."""
    shape = MODEL.operation_model("Converse").output_shape
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    good = {
        "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": "end_turn", "usage": usage,
        "metrics": {"latencyMs": 1},
    }  # fmt: skip
    assert list(unfit(shape, good)) == []
    tried = [what for what, other in spoiled(shape, good) if not list(unfit(shape, other))]
    assert tried == []
