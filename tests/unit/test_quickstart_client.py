"""The client that the quickstart gives away, at an API that is unkind to it."""

import json
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.support.pages import blocks
from tests.support.processes import ROOT

JOB = "019aa5b1c0de7abc8def0123456789ab"
Step = httpx.Response | Exception


class World:
    """The client from the page, between a clock that only sleeping moves and an API that plays its steps."""

    def __init__(self, *steps: Step) -> None:
        [text] = [block.text for block in blocks(ROOT / "docs" / "quickstart.md") if block.text.startswith("# client.py\n")]
        self.steps, self.asked, self.slept = deque(steps), list[httpx.Request](), list[float]()
        self._client: dict[str, Any] = {"__name__": "client"}
        exec(compile(text, "client.py", "exec"), self._client)  # noqa: S102 - it is our own page
        self._client["http"].close()
        transport = httpx.MockTransport(self._answer)
        self._client["http"] = httpx.Client(base_url="http://127.0.0.1:8000", transport=transport)
        self._client["time"] = SimpleNamespace(sleep=self.slept.append, monotonic=lambda: sum(self.slept))
        self.ask: Callable[..., dict[str, Any]] = self._client["ask"]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        step = self.steps.popleft()
        if isinstance(step, Exception):
            raise step
        return step

    def submissions(self) -> list[tuple[str, Any]]:
        """Key and body of each POST."""
        posts = [each for each in self.asked if each.method == "POST"]
        return [(each.headers["Idempotency-Key"], json.loads(each.content)) for each in posts]


def job(status: str, **fields: Any) -> httpx.Response:
    body = {"request_id": JOB, "status": status, "result": None} | fields
    return httpx.Response(202 if status == "queued" else 200, json=body)


def test_it_repeats_a_submission_under_its_key_until_it_is_answered() -> None:
    """A lost answer, a throttle, an API that is away: the same key and body each time, after at least the time asked for."""
    away = httpx.Response(503, headers={"Retry-After": "7"}, json={"detail": "away"})
    world = World(httpx.ReadTimeout("lost"), httpx.Response(429), away, job("queued"), job("completed", result={"text": "Yes."}))
    assert world.ask("key-1", {"prompt": "?"})["result"] == {"text": "Yes."}
    assert world.submissions() == [("key-1", {"prompt": "?"})] * 4
    assert world.slept == [1, 2, 7]


def test_it_bears_with_polls_that_end_early() -> None:
    """An API that does not wait is asked once a second, and one that breaks off is asked again."""
    world = World(job("queued"), job("queued"), httpx.ReadError("gone"), job("processing"), job("failed"))
    assert world.ask("key-1", {"prompt": "?"})["status"] == "failed"
    assert [each.url.path for each in world.asked[1:]] == [f"/v1/jobs/{JOB}"] * 4
    assert world.slept == [1, 1, 0]


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
def test_it_does_not_repeat_what_time_does_not_help(status: int) -> None:
    """The problem is told, at once."""
    world = World(httpx.Response(status, json={"detail": "max_tokens: is too large"}))
    with pytest.raises(RuntimeError, match="max_tokens: is too large"):
        world.ask("key-1", {"prompt": "?"})
    assert world.slept == []


def test_it_gives_up_in_the_end() -> None:
    """An API that stays away for five minutes is an error that says so."""
    world = World(*[httpx.ConnectError("refused")] * 100)
    with pytest.raises(RuntimeError, match="refused"):
        world.ask("key-1", {"prompt": "?"})
    assert 290 <= sum(world.slept) <= 310


def test_it_fetches_a_large_answer() -> None:
    """Where the job only says where its result is."""
    elsewhere = httpx.Response(200, json={"text": "Long."})
    world = World(job("completed", result={"url": "http://127.0.0.1:4566/bucket/result.json"}), elsewhere)
    assert world.ask("key-1", {"prompt": "?"})["result"] == {"text": "Long."}
    assert str(world.asked[-1].url) == "http://127.0.0.1:4566/bucket/result.json"
