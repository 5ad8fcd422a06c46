"""A provider without a model: it answers with what it was asked, at once, and costs nothing."""

from datetime import timedelta
from typing import Final

from quarry.errors import InvocationRejected
from quarry.inference.providers.base import Heard
from quarry.invocation import Completion, Invocation, Json, Target, Usage

#: A rough size of a token, for counts that only need to be plausible.
CHARACTERS_PER_TOKEN: Final = 4


class EchoProvider:
    """Answers with the last user message's text."""

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        if invocation.native is not None:
            raise InvocationRejected("the echo provider has no native bodies", target=str(target))
        text = echo(invocation)
        if heard:
            heard(text)
        usage = count(invocation, text)
        return Completion(
            content=({"text": text},),
            stop_reason="end_turn",
            filtered=False,
            usage=usage,
            served_by=target,
        )


def echo(invocation: Invocation) -> str:
    """The text of the last user message."""
    for message in reversed(invocation.messages):
        if message["role"] == "user":
            return "".join(block.get("text", "") for block in message["content"])
    return ""


def count(invocation: Invocation, answer: str) -> Usage:
    """Plausible token counts."""
    asked = sum(len(block.get("text", "")) for message in invocation.messages for block in message["content"])
    input_tokens, output_tokens = -(-asked // CHARACTERS_PER_TOKEN), -(-len(answer) // CHARACTERS_PER_TOKEN)
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, total_tokens=input_tokens + output_tokens)
