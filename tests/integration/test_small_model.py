"""A real model behind Bedrock's protocol: one test per promise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from quarry.simulator.smollm2 import CALLS_MAX, ModelMissing, SmolLM2, smollm2
from quarry.simulator.wire import Call, Generation, Refusal
from tests.support import model
from tests.support.processes import ROOT, clean_environ, free_port, quarry, serving

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host"}


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


async def code_of(brain: SmolLM2, text: str, **config: Any) -> str:
    """The error that a call gets; "none" where it is answered."""
    try:
        await brain(call(text, **config))
    except Refusal as refusal:
        return refusal.code
    return "none"


async def restarts(brain: SmolLM2) -> str:
    """What calls get, once the death of the model's process has been noticed."""
    for _ in range(50):
        try:
            await brain(call("hello"))
        except Refusal as refusal:
            if "does not start again" in refusal.message:
                return refusal.code
        except ModelMissing:
            return "an exception that is not the service's"
        await asyncio.sleep(0.1)
    return "nothing of the kind"


async def eventually_answered(brain: SmolLM2) -> Generation:
    """The first answer, where the death of a process may not have been noticed yet."""
    for _ in range(50):
        with suppress(Refusal):
            return await brain(call("hello"))
        await asyncio.sleep(0.1)
    raise AssertionError("no answer after fifty calls")


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
    # What was given up would take half an hour.
    async with asyncio.timeout(60):
        assert await code_of(brain, "Hello", maxTokens=2) == "none"


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


async def test_an_answer_that_was_begun_is_continued(brain: SmolLM2) -> None:
    """Where the last message is the assistant's own, what follows comes back, and not the beginning again.

    Red when: `quarry/simulator/smollm2.py`: `text.removeprefix(text_of(last["content"]))` -> `text`
    """
    asked = call("What is the capital of France?", maxTokens=8)
    begun = {"role": "assistant", "content": [{"text": "The capital of France is"}]}
    said = await brain(Call(asked.model, asked.region, {**asked.body, "messages": [*asked.body["messages"], begun]}))
    assert said.content[0]["text"].startswith(" Paris")


async def test_a_model_that_dies_is_started_again(tmp_path: Path) -> None:
    """The call that it had fails as an unavailable service does, and the next one is answered.

    Red when: `quarry/simulator/smollm2.py`: `or self._process.returncode is not None` -> ``
    """
    async with smollm2(model.python(tmp_path)) as brain:
        for _ in range(2):
            assert await code_of(brain, "die") == "ServiceUnavailableException"
            assert (await eventually_answered(brain)).content == [{"text": model.ANSWER}]


async def test_a_model_that_cannot_start_again_says_so(tmp_path: Path) -> None:
    """Its calls fail as those of an unavailable service, until it can be had again.

    Red when: `quarry/simulator/smollm2.py`: `except ModelMissing as error` -> `except KeyError as error`
    """
    python = model.python(tmp_path)
    async with smollm2(python) as brain:
        assert await code_of(brain, "die") == "ServiceUnavailableException"
        python.rename(tmp_path / "away")
        assert await restarts(brain) == "ServiceUnavailableException"
        (tmp_path / "away").rename(python)
        assert (await eventually_answered(brain)).content == [{"text": model.ANSWER}]


async def test_what_the_model_says_to_nobody_does_not_stop_it(tmp_path: Path) -> None:
    """Its process may write as much to stderr as it likes.

    Red when: `quarry/simulator/smollm2.py`: `stderr=said` -> `stderr=subprocess.PIPE`
    """
    async with smollm2(model.python(tmp_path)) as brain:
        for _ in range(10):
            answered, _ = await asyncio.wait([asyncio.ensure_future(brain(call("hello", maxTokens=2)))], timeout=20)
            assert answered


def test_without_the_model_the_simulator_echoes(tmp_path: Path) -> None:
    """It says so in its log and to whoever asks, with the reason; and the stock client gets an answer.

    Red when: `quarry/simulator/server.py`: `Thinking(missing=str(error))` -> `Thinking()`
    """
    port = str(free_port())
    command = quarry("simulator", "--port", port, "--brain", "smollm2", "--model-python", str(tmp_path / "nosuch"))
    url = f"http://127.0.0.1:{port}"
    with serving(command, clean_environ(), tmp_path / "simulator.log", f"{url}/livez") as process:
        told = httpx.get(f"{url}/livez", timeout=20).json()
        assert (told["brain"], told.get("missing")) == ("echo", f"there is no {tmp_path / 'nosuch'}; `make model` makes it")
        assert "brain.missing" in process.output
        body = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
        answer = httpx.post(f"{url}/model/amazon.nova-lite-v1:0/converse", json=body, headers=SIGNED, timeout=20).json()
        assert answer["output"]["message"]["content"] == [{"text": "hello"}]


async def test_where_there_is_no_model_it_says_so(tmp_path: Path) -> None:
    """And says which command makes it.

    Red when: `quarry/simulator/smollm2.py`: `there is no {self._python}` -> `{self._python} is needed`
    """
    with pytest.raises(ModelMissing, match=f"there is no {tmp_path}/python; `make model` makes it"):
        async with smollm2(tmp_path / "python"):
            pass
