"""InvokeModel's request from a native body, and a completion from its answer; no network."""

import json
from typing import Any

import pytest

from quarry.errors import MalformedCompletion
from quarry.inference.providers.bedrock import native_completion, native_request
from quarry.invocation import Target, Usage

TARGET = Target("bedrock", "eu-west-1", "eu.amazon.nova-lite-v1:0")
NATIVE = {
    "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 5},
}  # fmt: skip
COUNTED = {
    "x-amzn-bedrock-input-token-count": "30",
    "x-amzn-bedrock-output-token-count": "10",
    "x-amzn-bedrock-cache-read-input-token-count": "20",
    "x-amzn-bedrock-cache-write-input-token-count": "50",
}


def native_answer(body: Any, headers: Any = None) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"ResponseMetadata": {"RequestId": "r-1", "HTTPHeaders": headers or {}}, "body": raw}


def test_a_native_body_is_sent_as_it_is() -> None:
    """As JSON, with the labels in their header, or without that header."""
    sent = native_request(TARGET, {"inputText": "é"}, {"quarry_request_id": "abc"})
    assert (json.loads(sent.pop("body")), json.loads(sent.pop("requestMetadata"))) == (
        {"inputText": "é"},
        {"quarry_request_id": "abc"},
    )
    assert sent == {"modelId": TARGET.model, "contentType": "application/json", "accept": "application/json"}
    assert "requestMetadata" not in native_request(TARGET, {}, {})


def test_a_native_answer_is_kept_whole() -> None:
    """One block with the body as it came; text and reason are read from it, who served it is the target."""
    read = native_completion(native_answer(NATIVE), TARGET)
    assert read.content == ({"native": NATIVE},)
    assert (read.text, read.stop_reason, read.filtered, read.provider_request_id) == ("hi", "end_turn", False, "r-1")
    assert (read.served_by.provider, read.served_by.region, read.served_by.model) == ("bedrock", "eu-west-1", TARGET.model)


def test_native_counts_are_the_headers_then_the_body_s() -> None:
    """Each by itself; the total is of input and output, since the service names none."""
    assert native_completion(native_answer(NATIVE, COUNTED), TARGET).usage == Usage(30, 10, 40, 20, 50)
    assert native_completion(native_answer(NATIVE), TARGET).usage == Usage(3, 1, 4, 2, 5)
    mixed = {"x-amzn-bedrock-input-token-count": "30", "x-amzn-bedrock-output-token-count": "many"}
    assert native_completion(native_answer(NATIVE, mixed), TARGET).usage == Usage(30, 1, 31, 2, 5)
    assert native_completion(native_answer({}), TARGET).usage == Usage()
    assert native_completion(native_answer(NATIVE, {"x-amzn-bedrock-input-token-count": "²"}), TARGET).usage.input_tokens == 3
    assert native_completion(native_answer(NATIVE, {"x-amzn-bedrock-input-token-count": "0"}), TARGET).usage.input_tokens == 0


@pytest.mark.parametrize(
    ("change", "filtered"),
    [
        ({"stop_reason": "refusal"}, True),
        ({"amazon-bedrock-guardrailAction": "INTERVENED"}, True),
        ({"amazon-bedrock-guardrailAction": "NONE"}, False),
        ({"stop_reason": "max_tokens"}, False),
        ({"stop_reason": "enough_said"}, False),
    ],
)
def test_a_native_answer_says_that_it_was_filtered(change: dict[str, Any], filtered: bool) -> None:
    """By its stop reason, or by a guardrail."""
    assert native_completion(native_answer(NATIVE | change), TARGET).filtered is filtered


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000])
def test_a_native_answer_that_is_no_object_is_malformed(body: bytes) -> None:
    """It was billed, and says for how much where the headers do."""
    with pytest.raises(MalformedCompletion) as caught:
        native_completion(native_answer(body, COUNTED), TARGET)
    assert (caught.value.usage, caught.value.provider_request_id) == (Usage(30, 10, 40, 20, 50), "r-1")
