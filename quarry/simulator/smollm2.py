"""A real model as the brain: SmolLM2-135M-Instruct, in a process of its own (`llama.py`), behind Converse's shapes.

Words, token counts and the reason for stopping are the model's own. At temperature 0 the same request gives the same answer.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from quarry.errors import QuarryError
from quarry.invocation import Json
from quarry.simulator import llama
from quarry.simulator.brain import repeated
from quarry.simulator.wire import Call, Generation, Refusal, text_of

DEFAULT_PYTHON: Final = Path(".venv-model/bin/python")
#: Answers being generated at one moment; more share the same cores and finish later. Our choice, and so are the next three.
SLOTS: Final = 4
#: Calls under way and waiting. One more is throttled, as by a service whose quota is used up.
CALLS_MAX: Final = 64
_LOAD_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0
_ERROR_BYTES: Final = 2000


class ModelMissing(QuarryError):
    """The model cannot be had on this machine; the message says what is missing."""


class SmolLM2:
    """Calls to a running model. A call that is cancelled ends its connection, and with that the generation."""

    def __init__(self, url: str, session: aiohttp.ClientSession, calls_max: int = CALLS_MAX) -> None:
        self._url = url
        self._session = session
        self._room = calls_max

    async def __call__(self, call: Call) -> Generation:
        asked = request(call)
        return generation(call, await self._asked("/v1/messages", asked), asked["max_tokens"])

    async def count(self, call: Call) -> Generation:
        """No answer, only what the request counts. A call for an embedding has the same tokens."""
        answer = await self._asked("/v1/messages/count_tokens", request(call))
        return Generation([], "end_turn", answer["input_tokens"], 0, repeated(call))

    async def _asked(self, path: str, asked: Json) -> Json:
        if not self._room:
            raise Refusal("ThrottlingException")
        self._room -= 1
        try:
            async with self._session.post(f"{self._url}{path}", json=asked) as response:
                status, answer = response.status, await response.json()
        except (aiohttp.ClientError, ValueError) as error:
            raise Refusal("ServiceUnavailableException", f"The model's process does not answer: {type(error).__name__}.") from error
        finally:
            self._room += 1
        if status != 200:
            raise refusal(answer)
        body: Json = answer
        return body


def request(call: Call) -> Json:
    """A call in the words of llama.cpp's `/v1/messages`.

    Raises:
        Refusal: it asks for what this model cannot do: anything but text.
    """
    config, messages = call.body.get("inferenceConfig", {}), call.body["messages"]
    if "toolConfig" in call.body:
        raise Refusal("ValidationException", "This model doesn't support tool use.")
    system = [*call.body.get("system", []), *(block for each in messages if each["role"] == "system" for block in each["content"])]
    for block in (*system, *(block for each in messages for block in each["content"])):
        if "text" not in block:
            raise Refusal("ValidationException", f"This model doesn't support the {next(iter(block), 'empty')} content block.")
    given = {"temperature": config.get("temperature"), "top_p": config.get("topP"), "stop_sequences": config.get("stopSequences")}
    return {
        "max_tokens": config.get("maxTokens", llama.CONTEXT_TOKENS),
        "messages": [
            {"role": each["role"], "content": text_of(each["content"])} for each in messages if each["role"] != "system"
        ],
        **({"system": text_of(system)} if system else {}),
        **{name: value for name, value in given.items() if value is not None},
    }  # fmt: skip


def generation(call: Call, answer: Json, max_tokens: int) -> Generation:
    """An answer of `/v1/messages`, which was asked for at most that many tokens, as Converse gives it."""
    usage, stop_reason = answer["usage"], answer["stop_reason"]
    if answer.get("stop_sequence") is not None:
        # Beside which it says `end_turn`.
        stop_reason = "stop_sequence"
    elif stop_reason == "max_tokens" and usage["output_tokens"] < max_tokens:
        stop_reason = "model_context_window_exceeded"
    content: list[Any] = [{"text": block["text"]} for block in answer["content"] if block["type"] == "text"]
    read = usage["input_tokens"] + usage.get("cache_read_input_tokens", 0)
    return Generation(content, stop_reason, read, usage["output_tokens"], repeated(call))


def refusal(answer: Json) -> Refusal:
    """An error of llama.cpp's, in the service's words."""
    error = answer.get("error", {})
    if error.get("type") == "exceed_context_size_error":
        return Refusal("ValidationException", "Input is too long for requested model.")
    return Refusal("ModelErrorException", str(error.get("message", "")))


@asynccontextmanager
async def smollm2(python: Path = DEFAULT_PYTHON) -> AsyncIterator[SmolLM2]:
    """The model, for the length of the block. `python` is of an environment that `locks/model.txt` describes.

    Raises:
        ModelMissing: it is not installed, or does not run here.
    """
    if not python.exists():  # noqa: ASYNC240 - once, at start
        raise ModelMissing(f"there is no {python}; `make model` makes it")
    # `-P`: the neighbours of the file are not to be taken for the standard library's modules.
    process = await asyncio.create_subprocess_exec(
        str(python), "-P", llama.__file__, str(SLOTS),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), trust_env=False) as session:
            yield SmolLM2(await _loaded(process), session)
    finally:
        await _stop(process)


async def _loaded(process: asyncio.subprocess.Process) -> str:
    """The URL of the model, once it is loaded."""
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - both are pipes
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _LOAD_SECONDS)
    except TimeoutError as error:
        raise ModelMissing(f"the model was not loaded after {_LOAD_SECONDS:.0f} s") from error
    if not line:
        said = (await process.stderr.read(_ERROR_BYTES)).decode(errors="replace").strip()
        raise ModelMissing(f"the model does not run: {said or 'its process ended'}")
    return line.decode().strip()


async def _stop(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe
    process.stdin.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    if process.returncode is None:
        process.kill()
        await process.wait()
