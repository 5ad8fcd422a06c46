"""An invocation in the words of chat completions, and what has none there."""

import json
from typing import Any

import pytest

from quarry.errors import NotCapable
from quarry.inference import converse
from quarry.inference.chat_request import _FIELDS, _HINTS, chat_request
from quarry.invocation import Invocation

HELLO = ({"role": "user", "content": [{"text": "hello"}]},)
USE = {"toolUse": {"toolUseId": "t-1", "name": "weather", "input": {"city": "Bath"}}}
SCHEMA = {"type": "object", "properties": {"sky": {"type": "string"}}}


def said(*messages: Any, **more: Any) -> list[Any]:
    """The messages that it comes to."""
    found: list[Any] = chat_request(Invocation(messages=messages, **more))["messages"]
    return found


def test_all_that_is_asked_is_sent() -> None:
    """Parameters under the dialect's names; a system prompt is its first message."""
    invocation = Invocation(
        messages=HELLO, system=({"text": "be brief"},), max_tokens=7, temperature=0.0, top_p=0.5, stop_sequences=("END",)
    )
    assert chat_request(invocation) == {
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["END"],
    }


def test_what_is_not_asked_is_not_sent() -> None:
    """Servers have defaults, and some models refuse parameters that others take."""
    assert chat_request(Invocation(messages=HELLO), "max_completion_tokens") == {
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 500,
    }


def test_an_image_is_a_data_url_beside_its_text() -> None:
    """In the order in which the caller has them; several texts stay several."""
    assert said({"role": "user", "content": [{"text": "a"}, {"text": "b"}]}) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]
    image = {"image": {"format": "png", "source": {"bytes": "aGk="}}}
    assert said({"role": "user", "content": [image, {"text": "what is it?"}]}) == [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "text", "text": "what is it?"},
            ],
        }
    ]


def test_tools_and_the_choice_among_them() -> None:
    """A cache point between tools says nothing here."""
    spec = {"name": "weather", "description": "tells", "inputSchema": {"json": SCHEMA}, "strict": True}
    config = {"tools": [{"toolSpec": spec}, {"cachePoint": {"type": "default"}}]}
    function = {"name": "weather", "description": "tells", "strict": True, "parameters": SCHEMA}
    for choice, sent in (
        (None, None),
        ({"auto": {}}, "auto"),
        ({"any": {}}, "required"),
        ({"tool": {"name": "weather"}}, {"type": "function", "function": {"name": "weather"}}),
    ):
        given: dict[str, Any] = config | ({"toolChoice": choice} if choice else {})
        body = chat_request(Invocation(messages=HELLO, converse={"toolConfig": given}))
        assert (body["tools"], body.get("tool_choice")) == ([{"type": "function", "function": function}], sent)


def test_a_tool_s_use_and_its_result() -> None:
    """The call is part of the assistant's message; a result is a message of its own, before what the user says with it."""
    result = {"toolResult": {"toolUseId": "t-1", "content": [{"json": {"sky": "gréy"}}, {"text": "as ever"}], "status": "success"}}
    assistant, tool, user = said(
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, USE]},
        {"role": "user", "content": [{"text": "and now?"}, result]},
    )
    [call] = assistant["tool_calls"]
    assert (assistant["role"], assistant["content"], call["id"], call["type"]) == ("assistant", None, "t-1", "function")
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", {"city": "Bath"})
    assert tool == {"role": "tool", "tool_call_id": "t-1", "content": '{"sky": "gréy"}\nas ever'}
    assert user == {"role": "user", "content": "and now?"}


def test_an_answer_by_a_schema() -> None:
    """`outputConfig` with a JSON schema, which Converse has as text."""
    wanted = {"schema": json.dumps(SCHEMA), "name": "sky", "description": "of the day"}
    config = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": wanted}}}
    body = chat_request(Invocation(messages=HELLO, converse={"outputConfig": config}))
    form = {"name": "sky", "description": "of the day", "schema": SCHEMA, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": form}


def test_what_only_says_how_to_serve_is_left_out() -> None:
    """No answer would be another one for it."""
    hints = {"serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "optimized"}}
    message = {"role": "user", "content": [{"text": "hello"}, {"cachePoint": {"type": "default"}}]}
    plain = chat_request(Invocation(messages=HELLO))
    assert chat_request(Invocation(messages=(message,), system=({"cachePoint": {"type": "default"}},), converse=hints)) == plain


@pytest.mark.parametrize(
    "block",
    [
        {"document": {"format": "pdf", "name": "it", "source": {"bytes": "aGk="}}},
        {"video": {"format": "mp4", "source": {"bytes": "aGk="}}},
        {"guardContent": {"text": {"text": "hello"}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}},
        {"toolResult": {"toolUseId": "t-1", "content": [{"image": {"format": "png", "source": {"bytes": "aGk="}}}]}},
        {"something": "new"},
    ],
)
def test_a_block_without_words_skips_the_target(block: Any) -> None:
    """Left out, the model would answer another question."""
    with pytest.raises(NotCapable):
        said({"role": "user", "content": [{"text": "hello"}, block]})


@pytest.mark.parametrize(
    "fields",
    [
        {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}},
        {"additionalModelRequestFields": {"top_k": 5}},
        {"outputConfig": {"effort": "high"}},
        {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
        {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}},
    ],
)
def test_a_field_without_words_skips_the_target(fields: Any) -> None:
    """A guardrail that is silently off would be worse than no answer."""
    with pytest.raises(NotCapable):
        chat_request(Invocation(messages=HELLO, converse=fields))


def test_every_field_of_converse_is_decided_on() -> None:
    """One that a newer botocore brings is refused until it is one of these: the test says that it came."""
    refused = {"guardrailConfig", "additionalModelRequestFields", "additionalModelResponseFieldPaths", "promptVariables"}
    assert set(converse.request_shape().members) == {*converse.OWNED_FIELDS, *_FIELDS, *_HINTS, *refused}


def test_more_stop_sequences_than_the_dialect_takes() -> None:
    """A server would refuse the request as wrong, and the job would fail, though another target takes it."""
    chat_request(Invocation(messages=HELLO, stop_sequences=("a", "b", "c", "d")))
    with pytest.raises(NotCapable):
        chat_request(Invocation(messages=HELLO, stop_sequences=("a", "b", "c", "d", "e")))


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "hi"}], "top_k": 5},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": None}]},
    ],
)
def test_a_native_body_of_the_dialect_is_sent_as_it_is(body: Any) -> None:
    """What the server makes of it is its own affair."""
    assert chat_request(Invocation(native=body)) == body


@pytest.mark.parametrize(
    "body",
    [
        {"inputText": "hi"},
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        {"messages": [{"role": "user", "content": "hi"}], "anthropic_version": "bedrock-2023-05-31", "max_tokens": 5},
        {"messages": [{"role": "user", "content": "hi"}], "system": "be brief"},
        {"messages": [{"role": "user", "content": "hi"}], "stream": True},
    ],
)
def test_a_native_body_of_another_family_skips_the_target(body: Any) -> None:
    """It is for the models whose it is."""
    with pytest.raises(NotCapable):
        chat_request(Invocation(native=body))
