"""Who tries credentials as fast as they are answered is answered slowly, and nobody else is."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from producer.auth import turnstile
from producer.auth.turnstile import PER_SECOND
from producer.connection import Limits
from tests.support.served import CREDENTIAL, Caller, calling, run, served

BODY = json.dumps({"prompt": "Hi"})
CALLERS, EACH = 20, 10
#: Far fewer, where it is to be seen who waits.
FEW_PER_SECOND = 10


def request(credential: str) -> str:
    """A submission."""
    lines = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {credential}\r\nContent-Type: application/json\r\n"
    return f"{lines}Content-Length: {len(BODY)}\r\n\r\n{BODY}"


async def refused(caller: Caller) -> float:
    """When the last of one's requests is refused."""
    for _ in range(EACH):
        assert (await caller.hear())[0].startswith(b"HTTP/1.1 401 ")
    return time.monotonic()


def test_refusals_leave_at_a_pace() -> None:
    """All together, however many connections they come on; a caller who is known does not wait with them.

    Red when: `producer/auth/turnstile.py`: `if mine > now:` -> `if False:`
    """

    async def scenario() -> None:
        async with served(Limits(connections=100), authenticating=True) as port, calling(port) as friend, AsyncExitStack() as stack:
            strangers = [await stack.enter_async_context(calling(port)) for _ in range(CALLERS)]
            began = time.monotonic()
            for each in strangers:
                each.say(request("wrong") * EACH)
            flood = [asyncio.create_task(refused(each)) for each in strangers]
            friend.say(request(CREDENTIAL))
            assert (await friend.hear())[0].startswith(b"HTTP/1.1 202 ")
            served_at = time.monotonic()
            ends = await asyncio.gather(*flood)
            assert max(ends) - began > 0.9 * CALLERS * EACH / PER_SECOND
            assert served_at < min(ends)

    run(scenario())


def test_a_refusal_ends_with_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hangs up instead of waiting for the answer leaves nothing behind: a flood holds no more than its connections.

    Red when: `producer/web.py`: `waits.append(asyncio.shield(connection.ended))` -> `pass`
    """
    monkeypatch.setattr(turnstile, "PER_SECOND", FEW_PER_SECOND)
    monkeypatch.setattr(turnstile, "WAIT_MAX_SECONDS", 60.0)

    async def scenario() -> None:
        async with served(Limits(connections=300), authenticating=True) as port, AsyncExitStack() as stack:
            strangers = [await stack.enter_async_context(calling(port)) for _ in range(10 * CALLERS)]
            before = len(asyncio.all_tasks())
            for each in strangers:
                each.say(request("wrong"))
            # Ten seconds and more of refusals wait for their turn.
            await until(lambda: len(asyncio.all_tasks()) - before > 5 * CALLERS)
            for each in strangers:
                each.hang_up()
            began = time.monotonic()
            await until(lambda: len(asyncio.all_tasks()) - before < CALLERS)
            assert time.monotonic() - began < 5 * CALLERS / FEW_PER_SECOND * 0.7

    run(scenario())


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it, for half a minute at most."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - tasks tell nobody when they end
            await asyncio.sleep(0.01)
