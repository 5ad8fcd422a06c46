"""How many tokens a call may take: what Bedrock holds back for it when it begins. Pure.

That is its input and the most that it may say: "How tokens are counted in Amazon Bedrock" in the Bedrock User Guide, as public
files quote it (November 2026). The input is a guess: nobody has counted it yet. What was guessed wrong is settled at the end.
"""

from typing import Any, Final

from quarry.invocation import Invocation

#: English text; other languages take more. Our own choice.
_CHARACTERS_PER_TOKEN: Final = 4
#: Of an image or a document nobody knows: by their base64 text they would be huge. Our own choice.
_BLOB_TOKENS: Final = 1500


def reserved_tokens(invocation: Invocation) -> float:
    """Tokens at most."""
    return input_tokens(invocation) + invocation.max_tokens


def input_tokens(invocation: Invocation) -> float:
    """Tokens of the input, as they are guessed."""
    asked = invocation.native if invocation.native is not None else (invocation.system, invocation.messages, invocation.converse)
    return _tokens_in(asked)


def _tokens_in(value: Any) -> float:
    if isinstance(value, str):
        return len(value) / _CHARACTERS_PER_TOKEN
    if isinstance(value, list | tuple):
        return sum(map(_tokens_in, value))
    if isinstance(value, dict):
        return sum(_BLOB_TOKENS if key in ("bytes", "data") else _tokens_in(each) for key, each in value.items())
    return 0.0
