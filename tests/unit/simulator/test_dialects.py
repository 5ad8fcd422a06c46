"""The simulator's native bodies: each family's request read, and a generation said in its words, whole and in pieces."""

import json
import math
from typing import Any

import pytest

from quarry.dialects import Reading, read
from quarry.simulator.anthropic import VERSION
from quarry.simulator.dialects import dialect_of, read_native
from quarry.simulator.wire import Generation, Refusal

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-text-express-v1"
LLAMA = "meta.llama3-8b-instruct-v1:0"
EMBED = "amazon.titan-embed-text-v2:0"
G1 = "amazon.titan-embed-text-v1"
COHERE = "cohere.embed-multilingual-v3"
OPAQUE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
TEXT = "Hello, this is more than one piece of text."
SAID = Generation([{"text": TEXT}], "end_turn", 5, 11)
TOOL = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}}


def asked(model: str, body: dict[str, Any]) -> dict[str, Any]:
    """A request as Converse would have it."""
    return read_native(dialect_of(model, body), body)


def claude(*content: Any, **members: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": list(content) or "Hi"}]
    return {"anthropic_version": VERSION, "max_tokens": 9, "messages": messages, **members}


def refusal(model: str, body: dict[str, Any]) -> str:
    with pytest.raises(Refusal) as caught:
        asked(model, body)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    return caught.value.message


def prompted(text: str) -> list[Any]:
    return [{"role": "user", "content": [{"text": text}]}]


STEERED = {"maxTokens": 9, "temperature": 0.5, "topP": 0.25}


@pytest.mark.parametrize(
    ("model", "body", "read_as"),
    [
        (CLAUDE, claude(temperature=0.5, top_p=0.25), {"messages": prompted("Hi"), "inferenceConfig": STEERED}),
        (
            CLAUDE,
            claude(system="Be brief", stop_sequences=["x"]),
            {
                "messages": prompted("Hi"),
                "system": [{"text": "Be brief"}],
                "inferenceConfig": {"maxTokens": 9, "stopSequences": ["x"]},
            },
        ),
        (
            NOVA,
            {"messages": prompted("Hi"), "system": [{"text": "s"}], "inferenceConfig": STEERED | {"stopSequences": ["x"]}},
            {"messages": prompted("Hi"), "system": [{"text": "s"}], "inferenceConfig": STEERED | {"stopSequences": ["x"]}},
        ),
        (
            NOVA,
            {"messages": prompted("Hi"), "inferenceConfig": {"max_new_tokens": 9, "top_p": 0.25}, "toolConfig": {"tools": [1]}},
            {"messages": prompted("Hi"), "inferenceConfig": {"maxTokens": 9, "topP": 0.25}, "toolConfig": {"tools": [1]}},
        ),
        (NOVA, {"messages": prompted("Hi")}, {"messages": prompted("Hi")}),
        (
            TITAN,
            {"inputText": "Hi", "textGenerationConfig": {
                "maxTokenCount": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["x"],
            }},
            {"messages": prompted("Hi"), "inferenceConfig": STEERED | {"stopSequences": ["x"]}},
        ),
        (TITAN, {"inputText": "Hi"}, {"messages": prompted("Hi")}),
        (
            LLAMA,
            {"prompt": "Hi", "max_gen_len": 9, "temperature": 0.5, "top_p": 0.25},
            {"messages": prompted("Hi"), "inferenceConfig": STEERED},
        ),
        (EMBED, {"inputText": "Hi"}, {"messages": prompted("Hi")}),
        (
            COHERE,
            {"texts": ["Hi", "you"], "input_type": "clustering", "truncate": "END"},
            {"messages": [{"role": "user", "content": [{"text": "Hi"}, {"text": "you"}]}]},
        ),
    ],
)  # fmt: skip
def test_a_request_is_read_as_converse_s(model: str, body: dict[str, Any], read_as: dict[str, Any]) -> None:
    """Words, bounds and what steers the sampling."""
    assert asked(model, body) == read_as


def test_claude_s_blocks_are_all_kept() -> None:
    """Each in Converse's words, tools and their results too."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    body = claude(
        {"type": "text", "text": "Look"},
        image,
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}, "title": "paper"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
        {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
        {"type": "tool_result", "tool_use_id": "t2", "content": [image], "is_error": True},
        {"type": "tool_result", "tool_use_id": "t3"},
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "aGk="},
        tools=[
            {"name": "weather", "description": "Tells it", "input_schema": {"type": "object"}},
            {"name": "plain", "input_schema": {}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
    )
    given = asked(CLAUDE, body)
    shown = {"image": {"format": "png", "source": {"bytes": "aGk="}}}
    assert given["messages"][0]["content"] == [
        {"text": "Look"},
        shown,
        {"document": {"name": "paper", "format": "pdf", "source": {"bytes": "aGk="}}},
        {"document": {"name": "document", "format": "txt", "source": {"text": "words"}}},
        TOOL,
        {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}},
        {"toolResult": {"toolUseId": "t2", "content": [shown], "status": "error"}},
        {"toolResult": {"toolUseId": "t3", "content": []}},
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "aGk="}},
    ]
    assert given["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}, "description": "Tells it"}},
            {"toolSpec": {"name": "plain", "inputSchema": {"json": {}}}},
        ]
    }


def test_claude_s_turns_are_combined() -> None:
    """Messages of one role that follow each other are one; Converse would refuse them."""
    said = [("user", "a"), ("user", [{"type": "text", "text": "b"}]), ("assistant", "c"), ("user", "d")]
    body = claude(messages=[{"role": role, "content": content} for role, content in said])
    assert asked(CLAUDE, body)["messages"] == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "c"}]},
        {"role": "user", "content": [{"text": "d"}]},
    ]


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (CLAUDE, {"max_tokens": 9, "messages": []}, "anthropic_version: Field required"),
        (CLAUDE, {"anthropic_version": VERSION, "messages": []}, "max_tokens: Field required"),
        (CLAUDE, {"anthropic_version": VERSION, "max_tokens": 9}, "messages: Field required"),
        (CLAUDE, claude(anthropic_version="2023-06-01"), "Invalid API version: 2023-06-01"),
        (CLAUDE, claude({"type": "video"}), "messages.0.content.0.type: the simulator reads text, image"),
        (CLAUDE, claude({"text": "no type"}), "of the wrong type"),
        (CLAUDE, claude(messages=7), "of the wrong type"),
        (CLAUDE, claude(messages=["Hi"]), "of the wrong type"),
        (NOVA, {}, "Malformed input request: #: required key [messages] not found, please reformat"),
        (TITAN, {"prompt": "Hi"}, "#: required key [inputText] not found"),
        (TITAN, {"inputText": "Hi", "maxTokens": 9}, "#: extraneous key [maxTokens] is not permitted"),
        (TITAN, {"inputText": "Hi", "textGenerationConfig": []}, "of the wrong type"),
        (LLAMA, {"inputText": "Hi"}, "#: required key [prompt] not found"),
        (EMBED, {"inputText": "Hi", "dimensions": 7}, "dimensions: must be one of 1024, 512, 256"),
        (EMBED, {"inputText": "Hi", "embeddingTypes": ["int8"]}, "embeddingTypes"),
        (EMBED, {"inputText": "Hi", "texts": []}, "extraneous key [texts]"),
        (G1, {"inputText": "Hi", "dimensions": 256}, "extraneous key [dimensions]"),
        (COHERE, {"texts": ["Hi"]}, "required key [input_type]"),
        (COHERE, {"texts": ["Hi"], "input_type": "query"}, "#/input_type"),
        (COHERE, {"texts": ["Hi"], "input_type": "clustering", "images": []}, "texts only"),
        (COHERE, {"texts": ["Hi"], "input_type": "clustering", "embedding_types": ["int8"]}, "float only"),
        (COHERE, {"texts": ["x"] * 97, "input_type": "clustering"}, "#/texts: expected maximum item count: 96, found: 97"),
        (COHERE, {"texts": ["", "x" * 2049], "input_type": "clustering"}, "#/texts/1: expected maxLength: 2048, actual: 2049"),
        ("amazon.titan-embed-image-v1", {"inputText": "Hi"}, "does not speak the bodies of amazon.titan-embed-image-v1"),
        ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hi"}, "does not speak"),
        (OPAQUE, {"unheard": "of"}, "does not speak"),
        ("sonnet", {"prompt": "Hi"}, "The provided model identifier is invalid."),
    ],
)
def test_a_wrong_request_is_refused(model: str, body: dict[str, Any], words: str) -> None:
    """In words that name the place."""
    assert words in refusal(model, body)


@pytest.mark.parametrize("kind", ["search_document", "search_query", "classification", "clustering"])
def test_cohere_embeds_for_each_purpose(kind: str) -> None:
    """The vectors are the same."""
    assert asked(COHERE, {"texts": ["Hi"], "input_type": kind}) == {"messages": prompted("Hi")}


def test_a_bound_itself_is_allowed() -> None:
    """Of how many texts, and how long."""
    assert asked(COHERE, {"texts": ["x" * 2048] * 96, "input_type": "clustering", "embedding_types": ["float"]})


@pytest.mark.parametrize(
    ("model", "body"),
    [(CLAUDE, claude()), (NOVA, {"messages": prompted("Hi")}), (TITAN, {"inputText": "Hi"}), (LLAMA, {"prompt": "Hi"}),
     (COHERE, {"texts": ["Hi"], "input_type": "clustering"})],
)  # fmt: skip
def test_where_the_id_does_not_say_the_body_does(model: str, body: dict[str, Any]) -> None:
    """As behind an application's inference profile."""
    assert dialect_of(OPAQUE, body) is dialect_of(model, {}) is dialect_of(f"us.{model}", {})


@pytest.mark.parametrize("model", [CLAUDE, NOVA, TITAN, LLAMA])
def test_what_is_said_is_what_the_product_reads(model: str) -> None:
    """Text, reason and counts, by the members that a family has for them."""
    assert read(dialect_of(model, {}).say(SAID, {})) == Reading(TEXT, "end_turn", 5, 11)


@pytest.mark.parametrize(
    ("model", "reason", "word"),
    [
        (TITAN, "end_turn", "FINISHED"), (TITAN, "max_tokens", "LENGTH"), (TITAN, "stop_sequence", "STOP_CRITERIA_MET"),
        (TITAN, "content_filtered", "CONTENT_FILTERED"), (LLAMA, "end_turn", "stop"), (LLAMA, "max_tokens", "length"),
    ],
)  # fmt: skip
def test_a_stop_reason_is_said_in_the_family_s_word(model: str, reason: str, word: str) -> None:
    """Whole and at the stream's end."""
    generation = Generation([{"text": TEXT}], reason, 5, 11)
    dialect = dialect_of(model, {})
    assert dialect.stream is not None
    last = list(dialect.stream(generation))[-1]
    said = dialect.say(generation, {})
    if model == TITAN:
        assert said["results"][0]["completionReason"] == last["completionReason"] == word
    else:
        assert said["stop_reason"] == last["stop_reason"] == word


def test_claude_says_more_than_text() -> None:
    """Tools and thoughts, whole and in pieces."""
    thought = {"reasoningContent": {"reasoningText": {"text": TEXT, "signature": "s"}}}
    redacted = {"reasoningContent": {"redactedContent": "aGk="}}
    generation = Generation([thought, redacted, {"text": TEXT}, TOOL], "tool_use", 5, 11)
    dialect = dialect_of(CLAUDE, {})
    blocks = [
        {"type": "thinking", "thinking": TEXT, "signature": "s"},
        {"type": "redacted_thinking", "data": "aGk="},
        {"type": "text", "text": TEXT},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
    ]
    assert dialect.say(generation, {}) == {
        "id": "msg_bdrk_simulated", "type": "message", "role": "assistant", "content": blocks, "stop_reason": "tool_use",
        "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 11},
    }  # fmt: skip
    assert dialect.stream is not None
    events = list(dialect.stream(generation))
    assert [event["content_block"] for event in events if event["type"] == "content_block_start"] == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "aGk="},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {}},
    ]
    for kind in ("content_block_start", "content_block_stop"):
        assert [event["index"] for event in events if event["type"] == kind] == [0, 1, 2, 3]
    deltas = [(event["index"], event["delta"]) for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta["thinking"] for i, delta in deltas if i == 0 and delta["type"] == "thinking_delta") == TEXT
    assert (0, {"type": "signature_delta", "signature": "s"}) in deltas
    assert "".join(delta["text"] for i, delta in deltas if i == 2) == TEXT
    assert {delta["type"] for i, delta in deltas if i == 2} == {"text_delta"}
    [tool] = [delta for i, delta in deltas if i == 3]
    assert (tool["type"], json.loads(tool["partial_json"])) == ("input_json_delta", {"city": "Bern"})
    assert not [delta for i, delta in deltas if i == 1]


def test_claude_s_stream_is_in_order() -> None:
    """A start without content, a block, the reason with the count, the end."""
    dialect = dialect_of(CLAUDE, {})
    assert dialect.stream is not None
    start, block, *deltas, stop, ended, last = dialect.stream(SAID)
    assert start["type"] == "message_start"
    assert (start["message"]["content"], start["message"]["stop_reason"]) == ([], None)
    assert start["message"]["usage"] == {"input_tokens": 5, "output_tokens": 0}
    assert [block["type"], stop["type"], last] == ["content_block_start", "content_block_stop", {"type": "message_stop"}]
    assert len(deltas) == 3
    assert ended["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert ended["usage"] == {"output_tokens": 11}


def test_nova_s_stream_has_converse_s_events() -> None:
    """Tools too; its metadata is the usage alone."""
    dialect = dialect_of(NOVA, {})
    assert dialect.stream is not None
    chunks = list(dialect.stream(Generation([{"text": TEXT}, TOOL], "tool_use", 5, 11)))
    assert [next(iter(chunk)) for chunk in chunks] == [
        "messageStart", *["contentBlockDelta"] * 3, "contentBlockStop",
        "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert chunks[-1] == {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 11, "totalTokens": 16}}}


def test_titan_and_llama_count_at_the_end() -> None:
    """Each piece is text; the last has none, and says the rest."""
    titan, llama = dialect_of(TITAN, {}).stream, dialect_of(LLAMA, {}).stream
    assert titan is not None
    assert llama is not None
    *pieces, end = titan(SAID)
    assert "".join(piece["outputText"] for piece in pieces) == TEXT
    unsaid = {"index": 0, "completionReason": None, "totalOutputTextTokenCount": None}
    assert all(piece == {**unsaid, "outputText": piece["outputText"]} for piece in pieces)
    assert end == {
        "index": 0, "outputText": "", "completionReason": "FINISHED", "inputTextTokenCount": 5, "totalOutputTextTokenCount": 11,
    }  # fmt: skip
    *pieces, end = llama(SAID)
    assert "".join(piece["generation"] for piece in pieces) == TEXT
    assert {piece["stop_reason"] for piece in pieces} == {None}
    assert end == {"generation": "", "prompt_token_count": 5, "generation_token_count": 11, "stop_reason": "stop"}


def test_embeddings_are_unit_vectors_that_repeat() -> None:
    """Of the size that was asked for, as the family says it; another text has another."""
    titan = dialect_of(EMBED, {})
    said = titan.say(SAID, {"inputText": "Hi", "dimensions": 256, "embeddingTypes": ["binary", "float"]})
    assert (len(said["embedding"]), said["inputTextTokenCount"]) == (256, 5)
    assert math.isclose(sum(value * value for value in said["embedding"]), 1)
    assert (
        said["embeddingsByType"]["float"]
        == said["embedding"]
        == titan.say(SAID, {"inputText": "Hi", "dimensions": 256})["embedding"]
    )
    assert said["embeddingsByType"]["binary"] == [int(value > 0) for value in said["embedding"]]
    assert {0, 1} == set(said["embeddingsByType"]["binary"])
    other = titan.say(SAID, {"inputText": "Ho"})
    assert (len(other["embedding"]), set(other["embeddingsByType"])) == (1024, {"float"})
    assert other["embedding"][:256] != said["embedding"]
    first = dialect_of(G1, {}).say(SAID, {"inputText": "Hi"})
    assert (len(first["embedding"]), set(first)) == (1536, {"embedding", "inputTextTokenCount"})
    assert dialect_of("amazon.titan-embed-g1-text-02", {}) is dialect_of(G1, {})


def test_cohere_embeds_each_text() -> None:
    """As a list, or by type where types were asked for."""
    cohere = dialect_of(COHERE, {})
    plain = cohere.say(SAID, {"texts": ["a", "b", "a"]})
    assert (plain["response_type"], plain["texts"], len(plain["embeddings"])) == ("embeddings_floats", ["a", "b", "a"], 3)
    assert plain["embeddings"][0] == plain["embeddings"][2] != plain["embeddings"][1]
    assert {len(each) for each in plain["embeddings"]} == {1024}
    typed = cohere.say(SAID, {"texts": ["a"], "embedding_types": ["float"]})
    assert (typed["response_type"], typed["embeddings"]) == ("embeddings_by_type", {"float": plain["embeddings"][:1]})


@pytest.mark.parametrize("model", [EMBED, G1, COHERE])
def test_an_embedding_is_neither_streamed_nor_generated(model: str) -> None:
    """There is nothing to say."""
    dialect = dialect_of(model, {})
    assert (dialect.stream, dialect.generates) == (None, False)
    assert dialect_of(CLAUDE, {}).generates
