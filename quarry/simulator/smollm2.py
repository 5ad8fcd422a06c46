"""A real model as the brain: SmolLM2-135M-Instruct, in a process of its own (`llama.py`), behind Converse's shapes.

Words, token counts and the reason for stopping are the model's own. At temperature 0 the same request gives the same answer.
"""

import asyncio
import subprocess
import tempfile
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
#: `quarry local` waits 60 s for the simulator, which is to echo by then where the model is not there.
_LOAD_SECONDS: Final = 45.0
_STOP_SECONDS: Final = 5.0
_ERROR_BYTES: Final = 2000


class ModelMissing(QuarryError):
    """The model cannot be had on this machine; the message says what is missing."""


class SmolLM2:
    """Calls to a running model. A call that is cancelled ends its connection, and with that the generation."""

    def __init__(self, process: "ModelProcess", session: aiohttp.ClientSession, calls_max: int = CALLS_MAX) -> None:
        self._process = process
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
            async with self._session.post(f"{await self._process.url()}{path}", json=asked) as response:
                status, answer = response.status, await response.json()
        except (aiohttp.ClientError, ValueError) as error:
            raise Refusal("ServiceUnavailableException", f"The model's process does not answer: {type(error).__name__}.") from error
        except ModelMissing as error:
            raise Refusal(
                "ServiceUnavailableException", f"The model's process ended, and does not start again: {error}."
            ) from error
        finally:
            self._room += 1
        if status != 200:
            raise refusal(answer)
        body: Json = answer
        return body


class ModelProcess:
    """The process of the model. `python` is of an environment that `locks/model.txt` describes."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""
        self._one_at_a_time = asyncio.Lock()

    async def url(self) -> str:
        """Where it listens. It is started first where it does not run, or not any more.

        Raises:
            ModelMissing: it is not installed, or does not run here.
        """
        async with self._one_at_a_time:
            if self._process is None or self._process.returncode is not None:
                try:
                    self._url = await self._start()
                except BaseException:
                    # Who waits for it may leave: nobody would know a process that is half loaded.
                    await self.stop()
                    raise
            return self._url

    async def _start(self) -> str:
        if not self._python.exists():
            raise ModelMissing(f"there is no {self._python}; `make model` makes it")
        # A file and not a pipe, which would fill: nobody reads on once the model is loaded.
        with tempfile.TemporaryFile() as said:
            # `-P`: the neighbours of the file are not to be taken for the standard library's modules.
            self._process = await asyncio.create_subprocess_exec(
                str(self._python), "-P", llama.__file__, str(SLOTS), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
            )
            assert self._process.stdout is not None  # noqa: S101 - a pipe
            try:
                line = await asyncio.wait_for(self._process.stdout.readline(), _LOAD_SECONDS)
            except TimeoutError as error:
                raise ModelMissing(f"the model was not loaded after {_LOAD_SECONDS:.0f} s") from error
            if not line:
                said.seek(0)
                words = said.read(_ERROR_BYTES).decode(errors="replace").strip()
                raise ModelMissing(f"the model does not run: {words or 'its process ended'}")
        return line.decode().strip()

    async def stop(self) -> None:
        """End it, where it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 - a pipe
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


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
        **({"system": "\n".join(block["text"] for block in system)} if system else {}),
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
    text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
    last = call.body["messages"][-1]
    if last["role"] == "assistant":
        # An answer that the caller has begun comes back with its beginning; the service gives what follows.
        text = text.removeprefix(text_of(last["content"]))
    content: list[Any] = [{"text": text}]
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
    """The model, for the length of the block. Where its process dies, the calls it had fail, and the next one starts it again.

    Raises:
        ModelMissing: it is not installed, or does not run here.
    """
    process = ModelProcess(python)
    try:
        await process.url()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), trust_env=False) as session:
            yield SmolLM2(process, session)
    finally:
        await process.stop()
