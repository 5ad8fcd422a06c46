"""What Converse refuses with a ValidationException: the shape by the service model, and its commonest other complaints."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from quarry.inference.converse import body_faults
from quarry.simulator.wire import Call, Refusal


def check(call: Call) -> None:
    """Refuse what the service would.

    Raises:
        Refusal: a ValidationException.
    """
    for fault in body_faults(call.body):
        raise _invalid(f"1 validation error detected: Value at '{fault.path}' failed to satisfy constraint: {fault.message}")
    _check_conversation(call.body.get("messages", []))


def _check_conversation(messages: Sequence[Any]) -> None:
    # A system message may stand anywhere: it takes no turn.
    roles = [message["role"] for message in messages if message["role"] != "system"]
    if not roles or roles[0] != "user":
        raise _invalid("A conversation must start with a user message.")
    if any(role == following for role, following in pairwise(roles)):
        raise _invalid("A conversation must alternate between user and assistant roles.")
    for i, message in enumerate(messages):
        if not message["content"]:
            raise _invalid(f"The content field in the Message object at messages.{i} is empty.")
        for j, block in enumerate(message["content"]):
            if "text" in block and not block["text"].strip():
                raise _invalid(f"The text field in the ContentBlock object at messages.{i}.content.{j} is blank.")


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)
