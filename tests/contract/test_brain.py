"""What every brain of the simulator holds to: the echo, the model, and the model's code around a stand-in for its process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quarry.simulator.brain import Brain, echo
from quarry.simulator.smollm2 import ModelMissing, smollm2
from quarry.simulator.wire import Call
from tests.support import model
from tests.support.processes import ROOT

#: Each answers it with the word in it.
QUESTION = "What is the capital of France? Is it Paris?"
LONG = "Write about the city of Paris, and what there is to see."


@pytest.fixture(params=["echo", "stand-in", "smollm2"])
async def brain(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Brain]:
    if request.param == "echo":
        yield echo
        return
    python = model.python(tmp_path) if request.param == "stand-in" else ROOT / ".venv-model" / "bin" / "python"
    try:
        async with smollm2(python) as made:
            yield made
    except ModelMissing as error:
        if request.param == "stand-in":
            raise
        pytest.skip(f"the model cannot be had: {error}")


def call(text: str = LONG, **config: Any) -> Call:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return Call("m", "us-east-1", {"messages": messages, "inferenceConfig": {"temperature": 0, **config}})


def question(**config: Any) -> Call:
    asked = call(QUESTION, maxTokens=60, **config)
    return Call(asked.model, asked.region, {**asked.body, "system": [{"text": "Answer with one word."}]})


async def test_it_answers_in_text_and_counts(brain: Brain) -> None:
    """A block of text, tokens of what was read and of what was said, and the reason for stopping."""
    said = await brain(question())
    [block] = said.content
    assert "Paris" in block["text"]
    assert said.stop_reason == "end_turn"
    assert said.input_tokens >= 9
    assert 1 <= said.output_tokens < 60


async def test_more_to_read_is_more_to_count(brain: Brain) -> None:
    """The count is of this prompt: twice the text has about twice the tokens."""
    once, twice = [(await brain(call("word " * count, maxTokens=1))).input_tokens for count in (200, 400)]
    assert 150 <= twice - once <= 270


async def test_it_says_no_more_than_it_may(brain: Brain) -> None:
    """`maxTokens` holds, and is the reason given where it cuts."""
    said = await brain(call(maxTokens=3))
    assert (said.stop_reason, said.output_tokens) == ("max_tokens", 3)


async def test_a_stop_sequence_ends_the_answer(brain: Brain) -> None:
    """It is the reason given, and not part of the answer."""
    said = await brain(question(stopSequences=["Paris"]))
    assert said.stop_reason == "stop_sequence"
    assert "Paris" not in said.content[0]["text"]


async def test_the_same_question_has_the_same_answer(brain: Brain) -> None:
    """At temperature 0, whoever else asks meanwhile; and nobody gets another's answer."""
    asked, other = call(maxTokens=6), call("Name three rivers in Europe.", maxTokens=2)
    alone = await brain(asked)
    among = await asyncio.gather(*(brain(each) for each in (asked, other, asked, other, asked)))
    assert among[0] == among[2] == among[4] == alone
    assert among[1] == among[3] != alone


async def test_what_a_call_names_is_repeated(brain: Brain) -> None:
    """Converse's answer names the tier that served it."""
    asked = call(maxTokens=2)
    said = await brain(Call(asked.model, asked.region, {**asked.body, "serviceTier": {"type": "flex"}}))
    assert said.echoed == {"serviceTier": {"type": "flex"}}


async def test_a_call_that_is_given_up_harms_nobody(brain: Brain) -> None:
    """The next one is answered."""
    given_up = asyncio.ensure_future(brain(call("Count to ten thousand.", maxTokens=2000)))
    await asyncio.wait([given_up], timeout=0.2)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert (await brain(call(maxTokens=3))).output_tokens == 3
