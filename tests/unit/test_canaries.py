"""What the search for leaks finds: a canary, or a piece of one, in whatever encoding."""

import base64
import json
import urllib.parse
from collections.abc import Callable

import pytest

from tests.support.canaries import PIECE, Canaries, Said

WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "in capitals": str.upper,
    "as JSON in JSON": lambda text: json.dumps(json.dumps({"a\n": f"é{text}"})),
    "in a URL": lambda text: urllib.parse.quote(f"ä {text}?"),
    "in hexadecimal": lambda text: f"x{text}".encode().hex(),
    "in hexadecimal capitals": lambda text: text.encode().hex().upper(),
    "in base64": lambda text: base64.b64encode(f"{text}!".encode()).decode(),
    "in base64, one further": lambda text: base64.b64encode(f"a{text}??".encode()).decode(),
    "in base64, two further": lambda text: base64.urlsafe_b64encode(f"ab{text}".encode()).decode(),
    "as bytes in Python": lambda text: repr(f"\xff{text}".encode("latin-1")),
    "cut": lambda text: text[: PIECE + 3] + "…",
    "a piece of it": lambda text: f"…{text[10 : 10 + PIECE]}…",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_canary_is_found(written: str) -> None:
    """With its name and where it was."""
    canaries = Canaries()
    text = f'{{"event": "x", "said": {WRITTEN[written](canaries["prompt"])}}}'
    [leak] = canaries.leaks([Said("log", text.encode())])
    assert leak.startswith("prompt in log: ")


def test_what_is_rightful_is_none() -> None:
    """Where it may be, and for that canary alone."""
    canaries = Canaries()
    both = f"{canaries['prompt']} {canaries['key']}".encode()
    [leak] = canaries.leaks([Said("answer", both, frozenset({"prompt"}))])
    assert leak.startswith("key in answer: ")


def test_what_is_too_short_to_tell_is_none() -> None:
    """Eleven characters, or another canary's."""
    canaries = Canaries()
    assert canaries.leaks([Said("log", canaries["prompt"][: PIECE - 1].encode()), Said("log", Canaries()["prompt"].encode())]) == []
