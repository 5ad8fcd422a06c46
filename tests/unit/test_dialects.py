"""What is read of a native body: the answer's text, reason and counts, and the request's bound."""

from typing import Any

import pytest

from quarry.dialects import UNKNOWN, Reading, output_bound, read

ANTHROPIC = {
    "id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}],
    "usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 4},
}  # fmt: skip
NOVA = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hel"}, {"toolUse": {}}, {"text": "lo"}]}},
    "stopReason": "max_tokens",
    "usage": {
        "inputTokens": 5, "outputTokens": 2, "totalTokens": 7, "cacheReadInputTokenCount": 3, "cacheWriteInputTokenCount": 4,
    },
}  # fmt: skip
TITAN = {"inputTextTokenCount": 5, "results": [{"tokenCount": 2, "outputText": "Hello", "completionReason": "FINISHED"}]}
CHAT = {
    "id": "chatcmpl-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 3}},
}  # fmt: skip
LLAMA = {"generation": "Hello", "prompt_token_count": 5, "generation_token_count": 2, "stop_reason": "stop"}


@pytest.mark.parametrize(
    ("body", "reading"),
    [
        (ANTHROPIC, Reading("Hello", "end_turn", 5, 2, 3, 4)),
        (NOVA, Reading("Hello", "max_tokens", 5, 2, 3, 4)),
        (TITAN, Reading("Hello", "end_turn", 5, 2)),
        (LLAMA, Reading("Hello", "end_turn", 5, 2)),
        (CHAT, Reading("Hello", "end_turn", 5, 2, 3)),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "Hello"}]}}]}, Reading("Hello")),
        ({"choices": []}, Reading()),
        ({"embedding": [0.1], "inputTextTokenCount": 5}, Reading("", UNKNOWN, 5, 0)),
        ({"embeddings": [[0.1]], "response_type": "embeddings_floats"}, Reading("", UNKNOWN, None, 0)),
        ({"completion": "Hello"}, Reading()),
        ({}, Reading()),
    ],
    ids=[
        "anthropic",
        "nova",
        "titan",
        "llama",
        "chat",
        "chat-in-parts",
        "chat-of-nothing",
        "titan-embed",
        "cohere-embed",
        "another",
        "nothing",
    ],
)
def test_a_family_is_known_by_its_members(body: dict[str, Any], reading: Reading) -> None:
    """All that it counts is read; what it does not say is None, and a family that is not known says nothing."""
    assert read(body) == reading


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *(({"results": [{"completionReason": word}]}, reason) for word, reason in [
            ("FINISHED", "end_turn"), ("FINISH", "end_turn"), ("LENGTH", "max_tokens"),
            ("STOP_CRITERIA_MET", "stop_sequence"), ("CONTENT_FILTERED", "content_filtered"), ("RAG_QUERY", "RAG_QUERY"),
        ]),
        *(({"generation": "", "stop_reason": word}, reason) for word, reason in [("stop", "end_turn"), ("length", "max_tokens")]),
        *(({"choices": [{"finish_reason": word}]}, reason) for word, reason in [
            ("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "content_filtered"),
        ]),
        ({"content": [], "stop_reason": "refusal"}, "content_filtered"),
        ({"content": [], "stop_reason": "tool_use"}, "tool_use"),
        ({"content": [], "stop_reason": ""}, UNKNOWN),
        ({"content": [], "stop_reason": None}, UNKNOWN),
        ({"content": [], "stop_reason": 7}, UNKNOWN),
        ({"results": []}, UNKNOWN),
    ],
)  # fmt: skip
def test_stop_reasons_have_converse_s_names(body: dict[str, Any], reason: str) -> None:
    """A word that has none stays as it is; what is no word is unknown."""
    assert read(body).stop_reason == reason


@pytest.mark.parametrize(
    "body",
    [
        ANTHROPIC | {"content": "Hello"},
        ANTHROPIC | {"content": [None, 7, {"text": 7}, "text"]},
        NOVA | {"output": None},
        NOVA | {"output": {"message": []}},
        TITAN | {"results": [None]},
        TITAN | {"results": {"outputText": "Hello"}},
        LLAMA | {"generation": 7},
        CHAT | {"choices": [None]},
        CHAT | {"choices": {"message": {"content": "Hello"}}},
        CHAT | {"choices": [{"message": "Hello"}]},
    ],
)
def test_what_is_not_as_it_should_be_has_no_text(body: dict[str, Any]) -> None:
    """It never breaks the reading: the answer was paid for."""
    assert read(body).text == ""


@pytest.mark.parametrize("count", [-1, 1.5, "5", True, None, [5], 10**400])
def test_a_count_that_is_none_is_not_given(count: Any) -> None:
    """Zero is one."""
    body = ANTHROPIC | {"usage": {"input_tokens": count, "output_tokens": 0}}
    assert (read(body).input_tokens, read(body).output_tokens) == (None, 0)
    assert read(ANTHROPIC | {"usage": None}).input_tokens is None


@pytest.mark.parametrize(
    ("body", "bound"),
    [
        ({"max_tokens": 5}, ("max_tokens", 5)),
        ({"max_tokens": 5, "max_completion_tokens": 9}, ("max_completion_tokens", 9)),
        ({"max_gen_len": 5}, ("max_gen_len", 5)),
        ({"textGenerationConfig": {"maxTokenCount": 5}}, ("textGenerationConfig.maxTokenCount", 5)),
        ({"inferenceConfig": {"maxTokens": 5}}, ("inferenceConfig.maxTokens", 5)),
        ({"inferenceConfig": {"max_new_tokens": 5}}, ("inferenceConfig.max_new_tokens", 5)),
        ({"max_tokens": "5"}, None),
        ({"max_tokens": True}, None),
        ({"inferenceConfig": 5}, None),
        ({}, None),
    ],
)
def test_a_request_s_bound_is_found_where_its_family_has_it(body: dict[str, Any], bound: tuple[str, int] | None) -> None:
    """A whole number counts, and nothing else."""
    assert output_bound(body) == bound
