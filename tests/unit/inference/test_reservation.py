"""What is held back for a call: its input and the most that it may say."""

from typing import Any

import pytest

from quarry.inference.reservation import reserved_tokens
from quarry.invocation import Invocation

FOUR_HUNDRED = "x" * 400
IMAGE = {"image": {"format": "png", "source": {"bytes": "A" * 1_000_000}}}


@pytest.mark.parametrize(
    ("invocation", "tokens"),
    [
        pytest.param(Invocation(messages=({"content": [{"text": FOUR_HUNDRED}]},), max_tokens=300), 400, id="text"),
        pytest.param(Invocation(messages=(), system=({"text": FOUR_HUNDRED},), max_tokens=300), 400, id="system"),
        pytest.param(Invocation(messages=(), native={"prompt": FOUR_HUNDRED}, max_tokens=300), 400, id="native"),
        pytest.param(Invocation(messages=({"content": [IMAGE]},), max_tokens=300), 1800, id="an image, not its base64"),
    ],
)
def test_input_and_output_are_held_back(invocation: Any, tokens: float) -> None:
    """Four characters a token; an image takes what an image takes, however long its text is."""
    assert reserved_tokens(invocation) == pytest.approx(tokens, abs=2)
