"""A real model behind Bedrock's protocol: one test per promise."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quarry.simulator.smollm2 import CALLS_MAX, ModelMissing, SmolLM2, smollm2
from quarry.simulator.wire import Call, Refusal
from tests.support.processes import ROOT


@pytest.fixture
async def brain() -> AsyncIterator[SmolLM2]:
    try:
        async with smollm2(ROOT / ".venv-model" / "bin" / "python") as model:
            yield model
    except ModelMissing as error:
        pytest.skip(f"the model cannot be had: {error}")


def call(text: str, **config: Any) -> Call:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return Call("m", "us-east-1", {"messages": messages, "inferenceConfig": {"temperature": 0, **config}})


def terse(asked: Call) -> Call:
    return Call(asked.model, asked.region, {**asked.body, "system": [{"text": "Answer with one word."}]})


async def test_the_model_answers_and_counts(brain: SmolLM2) -> None:
    """At temperature 0 the same question has the same answer, its neighbours notwithstanding; tokens and reason are the model's.

    Red when: `quarry/simulator/smollm2.py`: `config.get("temperature")` -> `config.get("heat")`
    """
    asked = call("Write about a bicycle.", maxTokens=20)
    alone = await brain(asked)
    assert (alone.stop_reason, alone.output_tokens) == ("max_tokens", 20)
    among = await asyncio.gather(*(brain(each) for each in (asked, call("Write about a boat.", maxTokens=20), asked)))
    assert among[0] == among[2] == alone
    ended = await brain(terse(call("What is the capital of France?", maxTokens=60)))
    assert ended.stop_reason == "end_turn"
    assert "Paris" in ended.content[0]["text"]


async def test_a_stop_sequence_is_named(brain: SmolLM2) -> None:
    """It is not part of the answer.

    Red when: `quarry/simulator/smollm2.py`: `stop_reason = "stop_sequence"` -> `pass`
    """
    given = await brain(terse(call("What is the capital of France?", maxTokens=60, stopSequences=["Paris"])))
    assert given.stop_reason == "stop_sequence"
    assert "Paris" not in given.content[0]["text"]


async def test_a_client_that_leaves_frees_its_place(brain: SmolLM2) -> None:
    """As many long answers as are let in, all given up: the next call is served at once.

    Red when: `quarry/simulator/smollm2.py`: `self._room += 1` -> `pass`
    """
    long = [asyncio.ensure_future(brain(call(f"Count from {i} to ten thousand.", maxTokens=3000))) for i in range(CALLS_MAX)]
    _, pending = await asyncio.wait(long, timeout=1)
    assert pending
    for task in long:
        task.cancel()
    await asyncio.gather(*long, return_exceptions=True)
    async with asyncio.timeout(10):
        await brain(call("Hello", maxTokens=2))


async def test_what_it_cannot_read_is_refused(brain: SmolLM2) -> None:
    """Too long a prompt, in the words by which a worker knows it.

    Red when: `quarry/simulator/smollm2.py`: `"Input is too long for requested model."` -> `"No."`
    """
    with pytest.raises(Refusal, match="ValidationException") as caught:
        await brain(call("word " * 6000))
    assert "Input is too long" in caught.value.message


async def test_it_counts_what_it_would_read(brain: SmolLM2) -> None:
    """As many tokens as a call with the same words is charged for; nothing is generated.

    Red when: `quarry/simulator/smollm2.py`: `answer["input_tokens"], 0, repeated(call)` -> `0, 0, repeated(call)`
    """
    asked = terse(call("What is the capital of France?", maxTokens=1))
    counted = await brain.count(asked)
    assert (counted.content, counted.output_tokens) == ([], 0)
    assert counted.input_tokens == (await brain(asked)).input_tokens > 10


async def test_where_there_is_no_model_it_says_so(tmp_path: Path) -> None:
    """And says which command makes it.

    Red when: `quarry/simulator/smollm2.py`: `raise ModelMissing(f"there is no` -> `raise OSError(f"there is no`
    """
    with pytest.raises(ModelMissing, match="make model"):
        async with smollm2(tmp_path / "python"):
            pass
