"""What the simulator takes and refuses, against botocore's own model of Bedrock Runtime: every member of every input."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from quarry.simulator.guardrails import Guardrails
from quarry.simulator.operations import OPERATIONS, Operation
from quarry.simulator.validation import check
from quarry.simulator.wire import Call, Refusal
from tests.contract.shapes import MODEL, in_body, in_headers, samples, spoiled, unfit

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
#: Operation of the model → the last part of its path.
PATHS = {
    name: MODEL.operation_model(name).http["requestUri"].rpartition("/")[2]
    for name in ("Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream", "CountTokens")
}
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
NATIVE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
#: What a body needs beside the member that is tried, by operation.
BASE: dict[str, dict[str, Any]] = {
    "Converse": {"messages": HELLO},
    "ConverseStream": {"messages": HELLO},
    "CountTokens": {},
    "ApplyGuardrail": {"source": "INPUT", "content": [{"text": {"text": "Hello"}}]},
}
GUARDRAILS = Guardrails()
GUARDRAILS.add({"id": "gr1", "words": ["kraken"]})


def admitted(name: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
    """Go through all that a call goes through before a model is asked; or of a guardrail, all."""
    if name == "ApplyGuardrail":
        GUARDRAILS.apply("us-east-1", "gr1", "1", body)
        return
    operation: Operation = OPERATIONS[PATHS[name]]
    model = CLAUDE.removeprefix("us.") if name == "CountTokens" else CLAUDE
    check(operation.speak(Call(model, "us-east-1", body, headers=headers or {}))[0])


def refusal(name: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Refusal | None:
    """What such a call is refused with."""
    try:
        admitted(name, body, headers)
    except Refusal as refused:
        return refused
    return None


def fitting(name: str, member: str) -> Iterator[Any]:
    """Values for a member. A conversation has to begin with the user, and CountTokens counts native bodies that there are."""
    for value in samples(in_body(MODEL.operation_model(name).input_shape)[member]):
        if "invokeModel" in value:
            continue
        yield value


MEMBERS = [(name, member) for name in BASE for member in in_body(MODEL.operation_model(name).input_shape)]


def test_all_operations_are_spoken() -> None:
    """Each path of the simulator is one of the model's."""
    assert set(OPERATIONS) == set(PATHS.values())


@pytest.mark.parametrize(("name", "member"), MEMBERS)
def test_every_member_is_taken(name: str, member: str) -> None:
    """With each kind of part that it can have, down to the last block."""
    refused = [
        (value, reason.message) for value in fitting(name, member) if (reason := refusal(name, BASE[name] | {member: value}))
    ]
    assert refused == []


@pytest.mark.parametrize(("name", "member"), MEMBERS)
def test_what_the_model_rules_out_is_refused(name: str, member: str) -> None:
    """An unknown member, a missing one, another kind, a word that is not in the list, too much and too little: at every place."""
    shape = in_body(MODEL.operation_model(name).input_shape)[member]
    tried, taken = 0, []
    for value in fitting(name, member):
        for what, other in spoiled(shape, value, member):
            assert list(unfit(shape, other)), f"{what} fits: the table is wrong"
            reason = refusal(name, BASE[name] | {member: other})
            tried += 1
            if reason is None or (reason.code, reason.status) != ("ValidationException", 400):
                taken.append(what)
    assert taken == []
    assert tried or shape.type_name == "structure"  # A document takes any JSON.


@pytest.mark.parametrize("name", BASE)
def test_an_unknown_member_is_refused(name: str) -> None:
    """So is the model's id in the body: it is in the path."""
    for other in ("temprature", "modelId"):
        reason = refusal(name, BASE[name] | {"input": {"converse": {"messages": HELLO}}, other: "x"})
        assert reason is not None
        assert reason.code == "ValidationException"


@pytest.mark.parametrize("missing", [("source",), ("content",), ("source", "content")])
@pytest.mark.parametrize("beside", [{}, {"outputScope": "FULL"}])
def test_a_guardrail_is_applied_to_something(missing: tuple[str, ...], beside: dict[str, Any]) -> None:
    """What is required is missed, whatever else is there."""
    body = {name: value for name, value in (BASE["ApplyGuardrail"] | beside).items() if name not in missing}
    reason = refusal("ApplyGuardrail", body)
    assert reason is not None
    assert (reason.code, reason.status) == ("ValidationException", 400)


@pytest.mark.parametrize(
    ("region", "name", "version"), [("us-west-2", "gr1", "1"), ("us-east-1", "gr2", "1"), ("us-east-1", "gr1", "2")]
)
def test_a_guardrail_that_is_not_there_is_not_found(region: str, name: str, version: str) -> None:
    """Neither under another id, nor as another version, nor in another region; its ARN is as good as its id."""
    body = BASE["ApplyGuardrail"]
    with pytest.raises(Refusal) as refused:
        GUARDRAILS.apply(region, name, version, body)
    assert (refused.value.code, refused.value.status) == ("ResourceNotFoundException", 404)
    GUARDRAILS.apply("us-east-1", "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr1", "1", body)


def test_a_stream_s_guardrail_is_its_own() -> None:
    """ConverseStream's input has a member that Converse's has not."""
    guardrail = {"guardrailIdentifier": "a", "guardrailVersion": "1", "streamProcessingMode": "async"}
    body = {"messages": HELLO, "guardrailConfig": guardrail}
    admitted("ConverseStream", body)
    assert refusal("Converse", body) is not None


def test_tokens_are_counted_of_native_bodies() -> None:
    """Of a body in base64; nothing else is taken for one."""
    body = base64.b64encode(json.dumps(NATIVE).encode()).decode()
    admitted("CountTokens", {"input": {"invokeModel": {"body": body}}})
    for wrong in ({}, {"body": 7}, {"body": "?"}, {"body": "e30="}, {"body": "W10="}, {"body": body, "other": 1}, "x"):
        assert refusal("CountTokens", {"input": {"invokeModel": wrong}}) is not None, wrong


HEADERS = [
    (name, header) for name in ("InvokeModel", "InvokeModelWithResponseStream")
    for header in in_headers(MODEL.operation_model(name).input_shape)
]  # fmt: skip


@pytest.mark.parametrize(("name", "header"), HEADERS)
def test_invoke_s_headers_are_held_to_the_model(name: str, header: str) -> None:
    """Each is taken as it should be, and refused else. A guardrail's two stand together."""
    shape = in_headers(MODEL.operation_model(name).input_shape)[header]
    value = '{"a": "b"}' if header.endswith("Metadata") else samples(shape)[0]
    both = {"X-Amzn-Bedrock-GuardrailIdentifier": "a", "X-Amzn-Bedrock-GuardrailVersion": "1"}
    beside = both if header in both else {}
    admitted(name, NATIVE, beside | {header: value})
    for what, other in spoiled(shape, value):
        if isinstance(other, str) and list(unfit(shape, other)):
            assert refusal(name, NATIVE, beside | {header: other}) is not None, what
    if beside:
        assert refusal(name, NATIVE, {header: value}) is not None


@pytest.mark.parametrize("name", ["InvokeModel", "InvokeModelWithResponseStream"])
def test_a_header_of_the_service_that_is_none_is_refused(name: str) -> None:
    """Headers of others are nobody's business."""
    admitted(name, NATIVE, {"User-Agent": "me"})
    assert refusal(name, NATIVE, {"X-Amzn-Bedrock-Servicetier": "flex"}) is not None
    assert refusal(name, NATIVE, {"X-Amzn-Bedrock-Request-Metadata": "{"}) is not None
