"""What of a request would make one of Bedrock's guardrails look at less than all of it. Pure.

Sources: the pages "Include a guardrail with the Converse API" (where there are `guardContent` blocks, only they are looked at) and
"Apply tags to user input to filter content" of the Amazon Bedrock User Guide (read November 2026).
"""

from collections.abc import Mapping
from typing import Any, Final

from quarry.guard.texts import Steps
from quarry.invocation import Invocation

#: Members that choose what is looked at, and in a native body how its tags are named.
_CHOOSING: Final = frozenset({"guardContent", "amazon-bedrock-guardrailConfig"})


def narrowing(invocation: Invocation) -> Steps | None:
    """Where a request narrows a guardrail, or asks for another one; None where it does not."""
    if "guardrailConfig" in invocation.converse:
        return "converse", "guardrailConfig"
    # Texts and bytes may be long, and nothing in them chooses.
    parts = {"messages": invocation.messages, "system": invocation.system, "native": invocation.native}
    return next((found for name, value in parts.items() if (found := _chosen(value, (name,)))), None)


def _chosen(value: Any, steps: Steps) -> Steps | None:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name in _CHOOSING:
                return *steps, name
            if found := _chosen(each, (*steps, name)):
                return found
    elif isinstance(value, list | tuple):
        for i, each in enumerate(value):
            if found := _chosen(each, (*steps, i)):
                return found
    return None
