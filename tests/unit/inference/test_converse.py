"""Converse's request shape: what is refused at submission, and how binary is carried."""

import base64
from typing import Any

import pytest
from botocore.validate import ParamValidator

from quarry.errors import FieldFault
from quarry.inference import converse

PIXELS = base64.b64encode(b"\x89PNG pixels").decode()
HELLO: list[Any] = [{"role": "user", "content": [{"text": "hello"}]}]
SCHEMA = {"json": {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}}


def user(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def image(value: Any) -> dict[str, Any]:
    return {"image": {"format": "png", "source": {"bytes": value}}}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


GOOD: list[tuple[list[Any], list[Any], dict[str, Any]]] = [
    (HELLO, [], {}),
    (user({"text": ""}, image(PIXELS)), [{"text": "be brief"}, {"cachePoint": {"type": "default", "ttl": "1h"}}], {}),
    (
        [
            *HELLO,
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "f", "input": {"x": [1, None, 2.5]}}}]},
            *user({"toolResult": {"toolUseId": "t1", "content": [{"json": [1]}, image(PIXELS)], "status": "success"}}),
        ],
        [],
        {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": SCHEMA, "strict": True}}], "toolChoice": {"auto": {}}}},
    ),
    (
        HELLO,
        [],
        {
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            "additionalModelResponseFieldPaths": ["/stop_sequence"],
            "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled"},
            "performanceConfig": {"latency": "optimized"},
            "promptVariables": {"name": {"text": "Ada"}},
            "serviceTier": {"type": "flex"},
        },
    ),
]

BAD: list[tuple[str, Any, Any, Any, str, str]] = [
    ("no message", [], [], {}, "messages", "must not be empty"),
    ("messages no list", {"role": "user"}, [], {}, "messages", "must be a list"),
    ("message no object", ["hello"], [], {}, "messages[0]", "must be an object"),
    ("no content", [{"role": "user", "content": []}], [], {}, "messages[0].content", "must not be empty"),
    ("content missing", [{"role": "user"}], [], {}, "messages[0].content", "is missing"),
    ("content a text", [{"role": "user", "content": "hi"}], [], {}, "messages[0].content", "must be a list"),
    ("role missing", [{"content": [{"text": "a"}]}], [], {}, "messages[0].role", "is missing"),
    ("odd role", [{"role": "bot", "content": [{"text": "a"}]}], [], {}, "messages[0].role", "must be one of user, assistant"),
    ("odd member", [HELLO[0] | {"name": "x"}], [], {}, "messages[0].name", "is unknown"),
    ("empty block", user({}), [], {}, "messages[0].content[0]", "needs exactly one of text, image"),
    ("two in one", user({"text": "a", "image": {}}), [], {}, "messages[0].content[0]", "needs exactly one of"),
    ("odd block", user({"txt": "a"}), [], {}, "messages[0].content[0].txt", "is unknown"),
    ("text a number", user({"text": 3}), [], {}, "messages[0].content[0].text", "must be a text"),
    ("text null", user({"text": None}), [], {}, "messages[0].content[0].text", "must be a text"),
    ("bad base64", user({"text": "a"}, image("no base64!")), [], {}, "messages[0].content[1].image.source.bytes", "base64"),
    ("bytes a list", user(image([1, 2])), [], {}, "messages[0].content[0].image.source.bytes", "must be base64 text"),
    ("no bytes", user(image("")), [], {}, "messages[0].content[0].image.source.bytes", "must not be empty"),
    ("format missing", user({"image": {"source": {"bytes": PIXELS}}}), [], {}, "messages[0].content[0].image.format", "is missing"),
    ("empty system", HELLO, [{"text": ""}], {}, "system[0].text", "must not be empty"),
    ("system a text", HELLO, "be brief", {}, "system", "must be a list"),
    ("converse a list", HELLO, [], [], "converse", "must be an object"),
    ("unknown field", HELLO, [], {"toolconfig": {}}, "converse.toolconfig", "is not a field of Converse"),
    ("no tools", HELLO, [], {"toolConfig": {"tools": []}}, "converse.toolConfig.tools", "must not be empty"),
    ("odd tool", HELLO, [], {"toolConfig": {"tools": ["f"]}}, "converse.toolConfig.tools[0]", "must be an object"),
    ("true is no text", HELLO, [], {"serviceTier": {"type": True}}, "converse.serviceTier.type", "must be a text"),
    ("map of texts", HELLO, [], {"promptVariables": {"a": "b"}}, "converse.promptVariables.a", "must be an object"),
    ("deep", HELLO, [], {"additionalModelRequestFields": nested(40)}, "converse.additionalModelRequestFields", "nested deeper"),
]


@pytest.mark.parametrize(("messages", "system", "further"), GOOD)
def test_what_botocore_takes_is_taken(messages: list[Any], system: list[Any], further: dict[str, Any]) -> None:
    """A valid request has no faults, and botocore agrees once its binary is decoded."""
    assert converse.faults(messages=messages, system=system, converse=further) == ()
    request = converse.decoded({"modelId": "m", "messages": messages, "system": system, **further})
    assert not ParamValidator().validate(request, converse.request_shape()).has_errors()


@pytest.mark.parametrize(
    ("messages", "system", "further", "path", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_a_fault_names_its_place(messages: Any, system: Any, further: Any, path: str, message: str) -> None:
    """Each fault is found before submission, under the path that the caller wrote."""
    [fault] = converse.faults(messages=messages, system=system, converse=further)
    assert fault.path == path
    assert message in fault.message


@pytest.mark.parametrize("name", sorted(converse.OWNED_FIELDS))
def test_owned_fields_are_refused(name: str) -> None:
    """What Quarry sets itself cannot be passed through; the fault says what to use instead. Each is a member of Converse."""
    [fault] = converse.faults(messages=HELLO, system=[], converse={name: {}})
    assert fault == FieldFault(f"converse.{name}", f"cannot be given here: {converse.OWNED_FIELDS[name]}")
    assert name in converse.request_shape().members


def test_new_enum_values_are_left_to_aws() -> None:
    """An image format or service tier that the installed botocore does not know yet is no fault; a role is."""
    picture = {"image": {"format": "avif", "source": {"bytes": PIXELS}}}
    assert converse.faults(messages=user(picture), system=[], converse={"serviceTier": {"type": "turbo"}}) == ()


def test_the_report_is_bounded() -> None:
    """However much is wrong, a caller gets twenty faults, and no path repeats a long name."""
    found = converse.faults(messages=user(*[{}] * 1000), system=[], converse={})
    assert len(found) == 20
    [fault] = converse.faults(messages=HELLO, system=[], converse={"x" * 10_000: 1})
    assert len(fault.path) < 100


def test_numbers_are_checked() -> None:
    """On the wire, a bool is no number and a bound that the model gives from below holds."""
    message = HELLO[0]
    assert converse.body_faults({"messages": [message], "inferenceConfig": {"maxTokens": 5, "topP": 1}}) == ()
    for wrong in (0, True, "5", 1.5):
        [fault] = converse.body_faults({"messages": [message], "inferenceConfig": {"maxTokens": wrong}})
        assert fault.path == "inferenceConfig.maxTokens"


def test_binary_survives_both_directions() -> None:
    """Base64 text becomes bytes for botocore, at any depth, and bytes in an answer become base64 text again."""
    blocks = [{"text": PIXELS}, image(PIXELS), {"toolResult": {"toolUseId": "t", "content": [image(PIXELS)]}}]
    request = {"modelId": "m", "messages": user(*blocks), "additionalModelRequestFields": {"bytes": PIXELS}}
    decoded = converse.decoded(request)
    content = decoded["messages"][0]["content"]
    assert content[0]["text"] == PIXELS
    assert content[1]["image"]["source"]["bytes"] == b"\x89PNG pixels"
    assert content[2]["toolResult"]["content"][0]["image"]["source"]["bytes"] == b"\x89PNG pixels"
    assert decoded["additionalModelRequestFields"] == {"bytes": PIXELS}
    assert converse.encoded(content) == blocks


def test_text_that_is_not_base64_never_becomes_bytes() -> None:
    """The SDK would take the text itself for the bytes, and bill a broken picture."""
    with pytest.raises(ValueError, match="base64"):
        converse.decoded({"messages": user(image("no base64!"))})
