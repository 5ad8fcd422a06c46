"""Converse's request from an invocation, and a completion from its answer; no network."""

import json
from typing import Any

import pytest

from quarry.errors import InvocationRejected, MalformedCompletion
from quarry.inference.providers.bedrock import completion, converse_request
from quarry.inference.verdicts import STOP_REASONS
from quarry.invocation import Invocation, Target, Usage

TARGET = Target("bedrock", "eu-west-1", "eu.amazon.nova-lite-v1:0")
HELLO = ({"role": "user", "content": [{"text": "hello"}]},)


def answer(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "ResponseMetadata": {"RequestId": "r-1"},
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4, "cacheReadInputTokens": 2},
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def test_all_that_is_asked_is_sent() -> None:
    """Parameters under their AWS names, further Converse fields unchanged, labels as request metadata."""
    invocation = Invocation(
        messages=HELLO,
        system=({"text": "be brief"},),
        max_tokens=7,
        temperature=0.0,
        top_p=0.5,
        stop_sequences=("END",),
        converse={"serviceTier": {"type": "flex"}},
    )
    assert converse_request(TARGET, invocation, {"quarry_request_id": "abc"}) == {
        "modelId": "eu.amazon.nova-lite-v1:0",
        "messages": list(HELLO),
        "system": [{"text": "be brief"}],
        "inferenceConfig": {"maxTokens": 7, "temperature": 0.0, "topP": 0.5, "stopSequences": ["END"]},
        "serviceTier": {"type": "flex"},
        "requestMetadata": {"quarry_request_id": "abc"},
    }


def test_what_is_not_asked_is_not_sent() -> None:
    """Some models refuse a temperature beside top_p, and Converse refuses empty metadata."""
    assert converse_request(TARGET, Invocation(messages=HELLO), {}) == {
        "modelId": TARGET.model,
        "messages": list(HELLO),
        "inferenceConfig": {"maxTokens": 500},
    }


def test_a_stored_prompt_says_itself_how_it_is_answered() -> None:
    """Beside its ARN, Converse takes no `inferenceConfig`."""
    target = Target("bedrock", "eu-west-1", "arn:aws:bedrock:eu-west-1:123456789012:prompt/ABCDEFGHIJ:1")
    assert converse_request(target, Invocation(messages=HELLO), {}) == {"modelId": target.model, "messages": list(HELLO)}


def test_passed_through_fields_never_replace_ours() -> None:
    """However a job came to be, it cannot choose another model than its target's."""
    passed = {"modelId": "dear", "system": [{"text": "obey"}], "requestMetadata": {"quarry_request_id": "another"}}
    assert converse_request(TARGET, Invocation(messages=HELLO, converse=passed), {}) == {
        "modelId": TARGET.model,
        "messages": list(HELLO),
        "inferenceConfig": {"maxTokens": 500},
    }


@pytest.mark.parametrize(
    "invocation",
    [
        Invocation(messages=({"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "?"}}}]},)),
    ],
)
def test_what_converse_cannot_say_is_rejected(invocation: Invocation) -> None:
    """It ends the job, without a call."""
    with pytest.raises(InvocationRejected) as caught:
        converse_request(TARGET, invocation, {})
    assert caught.value.target == str(TARGET)


def test_an_answer_is_read() -> None:
    """Text is the text blocks joined; content is all blocks, JSON-safe; usage is what the service counted."""
    blocks = [
        {"reasoningContent": {"redactedContent": b"\x00\x01"}},
        {"text": "a"},
        {"toolUse": {"input": {"x": 1}}},
        {"text": "b"},
    ]
    read = completion(answer(output={"message": {"content": blocks}}), TARGET)
    assert (read.text, read.stop_reason, read.filtered, read.provider_request_id) == ("ab", "end_turn", False, "r-1")
    assert json.loads(json.dumps(read.content))[0] == {"reasoningContent": {"redactedContent": "AAE="}}
    assert read.usage == Usage(input_tokens=3, output_tokens=1, total_tokens=4, cache_read_input_tokens=2)
    assert read.served_by == Target("bedrock", "eu-west-1", TARGET.model)


@pytest.mark.parametrize("reason", sorted(STOP_REASONS))
def test_a_stop_reason_decides_what_the_answer_is_worth(reason: str) -> None:
    """Complete, complete but filtered, or paid and unusable: then the error carries what was paid."""
    if STOP_REASONS[reason] is None:
        with pytest.raises(MalformedCompletion) as caught:
            completion(answer(stopReason=reason), TARGET)
        assert (caught.value.usage, caught.value.provider_request_id) == (completion(answer(), TARGET).usage, "r-1")
    else:
        read = completion(answer(stopReason=reason), TARGET)
        assert (read.stop_reason, read.filtered) == (reason, STOP_REASONS[reason])


def test_a_stop_reason_nobody_knows_yet_is_an_answer() -> None:
    """A reason that AWS adds tomorrow does not throw away what was paid for."""
    assert completion(answer(stopReason="enough_said"), TARGET).filtered is False


@pytest.mark.parametrize("usage", [None, {}, {"inputTokens": "many"}])
def test_an_answer_without_usage_is_an_answer(usage: Any) -> None:
    """Unknown counts are zero."""
    assert completion(answer(usage=usage), TARGET).usage == Usage()


@pytest.mark.parametrize(
    "odd",
    [
        {"output": None},
        {"output": {"SDK_UNKNOWN_MEMBER": {"name": "thought"}}},
        {"output": {"message": {}}},
        {"output": {"message": {"content": [None]}}},
        {"stopReason": None},
    ],
)
def test_an_answer_of_an_odd_shape_is_malformed(odd: dict[str, Any]) -> None:
    """It was billed, so it is no crash and no `unknown outcome`."""
    with pytest.raises(MalformedCompletion) as caught:
        completion(answer(**odd), TARGET)
    assert caught.value.target == str(TARGET)
