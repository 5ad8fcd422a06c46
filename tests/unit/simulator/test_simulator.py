"""The simulator without its server: what is answered, what is refused, what is counted."""

from typing import Any

import pytest

from quarry.simulator.brain import echo
from quarry.simulator.ledger import Ledger
from quarry.simulator.validation import check
from quarry.simulator.wire import Call, Refusal, region_of


def message(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": text} for text in texts]}


def call(*messages: Any, model: str = "amazon.nova-lite-v1:0", **members: Any) -> Call:
    return Call(model, "us-east-1", {"messages": list(messages), **members})


async def test_the_echo_is_the_last_user_message() -> None:
    """Always the same for the same request, counted by length."""
    asked = call(message("user", "first"), message("assistant", "ok"), message("user", "to ", "you"), system=[{"text": "12345678"}])
    given = await echo(asked)
    assert (given.content, given.stop_reason) == ([{"text": "to you"}], "end_turn")
    assert (given.input_tokens, given.output_tokens) == (6, 2)
    assert await echo(asked) == given


@pytest.mark.parametrize(
    ("config", "text", "stop_reason"),
    [
        ({"maxTokens": 3}, "one two thre", "max_tokens"),
        ({"maxTokens": 4}, "one two three", "end_turn"),
        ({"stopSequences": ["three", "two"]}, "one ", "stop_sequence"),
        ({"stopSequences": ["three"], "maxTokens": 1}, "one ", "max_tokens"),
    ],
)
async def test_the_echo_stops_where_it_is_told(config: dict[str, Any], text: str, stop_reason: str) -> None:
    """`maxTokens` and stop sequences cut the answer, and the stop reason says which."""
    given = await echo(call(message("user", "one two three"), inferenceConfig=config))
    assert (given.content, given.stop_reason) == ([{"text": text}], stop_reason)


async def test_the_tier_is_repeated() -> None:
    """As in Converse's answer, by which a call is priced."""
    given = await echo(call(message("user", "a"), serviceTier={"type": "flex"}))
    assert given.echoed == {"serviceTier": {"type": "flex"}}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (call(), "must start with a user message"),
        (Call("amazon.nova-lite-v1:0", "", {}), "must start with a user message"),
        (call(message("assistant", "a")), "must start with a user message"),
        (call(message("user", "a"), message("user", "b")), "must alternate"),
        (call(message("user")), "messages.0 is empty"),
        (call(message("user", "a", " ")), "messages.0.content.1 is blank"),
        (call(message("user", "a"), inferenceConfig={"maxTokens": 0}), "'inferenceConfig.maxTokens'"),
        (call(message("user", "a"), temprature=1), "'temprature'"),
        (call("hello"), "'messages[0]'"),
        (call(message("user", "a"), modelId="other"), "'modelId'"),
        (call(message("user", "a"), inferenceConfig={"temperature": 1.5}), "'inferenceConfig.temperature'"),
        (call(message("user", "a"), inferenceConfig={"temperature": 1.5}), "Member must have value less than or equal to 1"),
        (call(message("user", "a"), inferenceConfig={"topP": 1.01}), "'inferenceConfig.topP'"),
        (call(message("user", "a"), serviceTier={"type": "cheap"}), "Member must satisfy enum value set: [priority, default"),
        (call(message("user", "a"), requestMetadata={f"k{i}": "v" for i in range(17)}), "length less than or equal to 16"),
        (
            call(message("user", "a"), model="amazon.titan-text-lite-v1", inferenceConfig={"maxTokens": 4097}),
            "model limit of 4096.",
        ),
    ],
)
def test_common_mistakes_are_refused(asked: Call, words: str) -> None:
    """As a ValidationException that names the place."""
    with pytest.raises(Refusal) as caught:
        check(asked)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    assert words in caught.value.message


def test_a_conversation_passes() -> None:
    """Roles alternate; a system message takes no turn."""
    check(
        call(message("system", "s"), message("user", "a"), message("assistant", "b"), message("system", "s"), message("user", "c"))
    )


def test_the_bounds_themselves_pass() -> None:
    """Of the service model, and of a model's output where it is known."""
    edge = {"temperature": 1, "topP": 0, "maxTokens": 4096}
    check(call(message("user", "a"), model="amazon.titan-text-lite-v1", inferenceConfig=edge))
    check(call(message("user", "a"), inferenceConfig={"maxTokens": 10**6}))


def test_the_region_is_the_one_signed_for() -> None:
    """One endpoint serves all regions; a bearer token names none."""
    signed = "AWS4-HMAC-SHA256 Credential=AKID/20261121/ap-south-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
    assert region_of(signed) == "ap-south-1"
    assert region_of("Bearer key") == ""


@pytest.mark.parametrize(
    ("authorization", "code", "status"),
    [
        ("", "MissingAuthenticationTokenException", 403),
        ("AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/sqs/aws4_request, ", "IncompleteSignatureException", 400),
    ],
)
def test_an_unsigned_call_is_refused(authorization: str, code: str, status: int) -> None:
    """No signature, or one for another service."""
    with pytest.raises(Refusal) as caught:
        region_of(authorization)
    assert (caught.value.code, caught.value.status) == (code, status)


def test_the_ledger_is_bounded() -> None:
    """A long run forgets the counts of old ids, says how many, and keeps its totals."""
    ledger = Ledger(ids_max=2)
    for request_id in ("a", "b", "a", "c", ""):
        ledger.began(request_id)
    ledger.billed("a")
    ledger.ended("answered")
    summary = ledger.summary()
    assert summary["by_request_id"] == {"c": {"calls": 1, "billed": 0}, "a": {"calls": 2, "billed": 1}}
    assert (summary["calls"], summary["billed"], summary["answered"], summary["request_ids_forgotten"]) == (5, 1, 1, 1)
    ledger.reset()
    assert ledger.summary()["calls"] == 0
