"""How fast the simulator's small model is here: `.venv/bin/python bench/model_speed.py`, after `make install model`."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from quarry.simulator.brain import Brain
from quarry.simulator.smollm2 import smollm2
from quarry.simulator.wire import Call

_STORIES: Final = [(f"Write a long story about bicycle {number}.", 200) for number in range(4)]
_LONG_PROMPT: Final = ("word " * 2000, 1)


async def main() -> None:
    """Measure, and print a line for each kind of work."""
    _print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before it began")
    started = time.monotonic()
    async with smollm2() as brain:
        _print(f"loaded in {time.monotonic() - started:.1f} s")
        for name, asked in (("one call", _STORIES[:1]), ("four calls at once", _STORIES), ("a long prompt", [_LONG_PROMPT])):
            read, said, seconds = await _measured(brain, asked)
            rates = f"{read / seconds:.0f} and {said / seconds:.0f} a second"
            _print(f"{name}: {read} tokens read and {said} written in {seconds:.1f} s: {rates}")


async def _measured(brain: Brain, asked: Sequence[tuple[str, int]]) -> tuple[int, int, float]:
    """Tokens read and written, and the seconds that took."""
    started = time.monotonic()
    answers = await asyncio.gather(*(brain(_call(text, tokens)) for text, tokens in asked))
    return sum(each.input_tokens for each in answers), sum(each.output_tokens for each in answers), time.monotonic() - started


def _call(text: str, tokens: int) -> Call:
    config = {"maxTokens": tokens, "temperature": 0}
    return Call("smollm2", "us-east-1", {"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": config})


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
