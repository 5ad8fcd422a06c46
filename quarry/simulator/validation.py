"""What the service refuses with a ValidationException: what the service model rules out, and its commonest other complaints.

A member that the model does not know is refused too. That is our own choice: a mistyped name is found here and not in production.
The model's constraints are worded as AWS's validators word them; where the other words were read stands beside them.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from quarry.inference.converse import body_faults, body_members, service_model
from quarry.simulator.catalogue import tokens_max
from quarry.simulator.wire import Call, Refusal

#: How the service begins the names of its own headers.
_OURS: Final = "x-amzn-bedrock-"
_LENGTHS: Final = frozenset({"string", "list", "map", "blob"})


def check(call: Call) -> None:
    """Refuse what the service would.

    Raises:
        Refusal: a ValidationException.
    """
    check_members(call.body, call.shape)
    _check_conversation(call.body.get("messages", []))
    _check_length(call)


def check_members(body: Mapping[str, Any], shape: str) -> None:
    """Refuse what the service model rules out in a body. `shape` names the input there.

    Raises:
        Refusal: a ValidationException.
    """
    for fault in body_faults(body, shape):
        raise _invalid(f"1 validation error detected: Value at '{fault.path}' failed to satisfy constraint: {fault.message}")
    members = body_members(shape)
    for name, value in body.items():
        _check_bounds(members[name], value, name)


def check_headers(call: Call, shape: str) -> None:
    """Refuse what InvokeModel's headers cannot say. `shape` names the input in the service model.

    Raises:
        Refusal: a ValidationException.
    """
    members: Mapping[str, Shape] = service_model().shape_for(shape).members  # type: ignore[attr-defined]
    known = {
        each.serialization["name"].lower(): (name, each)
        for name, each in members.items()
        if each.serialization.get("location") == "header"
    }
    given = {known[header.lower()][0] for header in call.headers if header.lower() in known}
    for header, value in call.headers.items():
        if header.lower() in known:
            name, member = known[header.lower()]
            _check_bounds(member, value, name)
        elif header.lower().startswith(_OURS):
            raise _invalid(f"1 validation error detected: Value at '{header}' failed to satisfy constraint: is unknown")
    if len(given & {"guardrailIdentifier", "guardrailVersion"}) == 1:
        # That the one is refused without the other says the API reference of InvokeModel; the words are ours.
        raise _invalid("A guardrail needs both guardrailIdentifier and guardrailVersion.")


def _check_bounds(shape: Shape, value: Any, path: str) -> None:
    for place, broken in _beyond(shape, value, path):
        raise _invalid(f"1 validation error detected: Value at '{place}' failed to satisfy constraint: Member must {broken}")


def _beyond(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Where a value of the right kinds goes beyond the model's enums, upper bounds and patterns; and what it had to do."""
    broken = _broken(shape, value)
    if broken:
        yield path, broken
    elif isinstance(shape, StructureShape) and not shape.is_document_type:
        for name, each in value.items():
            yield from _beyond(shape.members[name], each, f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for i, each in enumerate(value):
            yield from _beyond(shape.member, each, f"{path}[{i}]")
    elif isinstance(shape, MapShape):
        for name, each in value.items():
            yield from _beyond(shape.key, name, f"{path}.{name}")
            yield from _beyond(shape.value, each, f"{path}.{name}")


def _broken(shape: Shape, value: Any) -> str | None:
    rules = shape.metadata
    most = rules.get("max")
    if "enum" in rules and value not in rules["enum"]:
        return f"satisfy enum value set: [{', '.join(rules['enum'])}]"
    if most is not None and shape.type_name in _LENGTHS:
        size = len(base64.b64decode(value)) if shape.type_name == "blob" else len(value)
        if size > most:
            return f"have length less than or equal to {most}"
    elif most is not None and value > most:
        return f"have value less than or equal to {most}"
    if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        return f"satisfy regular expression pattern: {rules['pattern']}"
    return None


def _check_conversation(messages: Sequence[Any]) -> None:
    # A system message may stand anywhere: it takes no turn.
    roles = [message["role"] for message in messages if message["role"] != "system"]
    if not roles or roles[0] != "user":
        # github.com/pydantic/pydantic-ai/issues/4495
        raise _invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message."
        )
    if any(role == following for role, following in pairwise(roles)):
        # github.com/langchain-ai/langchain-aws/issues/130
        raise _invalid(
            "A conversation must alternate between user and assistant roles. "
            "Make sure the conversation alternates between user and assistant roles and try again."
        )
    for i, message in enumerate(messages):
        if not message["content"]:
            # github.com/langchain-ai/langchain/issues/26968
            raise _invalid(
                f"The content field in the Message object at messages.{i} is empty. "
                "Add a ContentBlock object to the content field and try again."
            )
        for j, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                # github.com/aws-samples/bedrock-engineer/issues/8
                raise _invalid(
                    f"The text field in the ContentBlock object at messages.{i}.content.{j} is blank. "
                    "Add text to the text field, and try again."
                )


def _check_length(call: Call) -> None:
    limit, asked = tokens_max(call.model), call.body.get("inferenceConfig", {}).get("maxTokens")
    if limit is not None and asked is not None and asked > limit:
        # github.com/vercel/ai/issues/2772, of Converse; that InvokeModel says the same is our assumption.
        raise _invalid(
            f"The maximum tokens you requested exceeds the model limit of {limit}. "
            f"Try again with a maximum tokens value that is lower than {limit}."
        )


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)
