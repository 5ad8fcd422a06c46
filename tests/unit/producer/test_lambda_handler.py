"""The function's own rules: its bounds, and that nothing is left under way."""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from producer import lambda_handler
from producer.gateway import BODY_MAX_BYTES
from producer.lambda_handler import Function, settle, within_bounds
from quarry.settings import ApiSettings, Environment, Settings


def bounded(**api: int) -> ApiSettings:
    """The API's settings in a function."""
    return within_bounds(Settings(environment=Environment.LOCAL, api=ApiSettings(**api))).api


def test_settings_are_no_larger_than_the_gateway_allows() -> None:
    """Their defaults are; smaller ones stay."""
    api = bounded()
    assert (api.wait_max_seconds, api.followers) == (25, 0)
    assert api.body_max_bytes == api.bulk_body_max_bytes == BODY_MAX_BYTES
    assert api.lookup_max_bytes < BODY_MAX_BYTES
    assert bounded(wait_max_seconds=3).wait_max_seconds == 3
    assert bounded(body_max_bytes=5000).body_max_bytes == 5000


async def test_what_is_nearly_done_is_waited_for() -> None:
    """It ends by itself."""
    going = asyncio.Event()
    task = asyncio.create_task(going.wait())
    asyncio.get_running_loop().call_soon(going.set)
    await settle()
    assert task.result() is True


async def test_what_would_go_on_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to AWS without an answer, say: after a freeze it would have a connection that is gone."""
    monkeypatch.setattr(lambda_handler, "_BESIDE_SECONDS", 0.0)
    task = asyncio.create_task(asyncio.Event().wait())
    await settle()
    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_an_import_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler is made when Lambda asks for it: without settings that fails, and the import does not."""
    monkeypatch.delitem(sys.modules, "producer.lambda_handler")
    module = importlib.import_module("producer.lambda_handler")
    assert "handler" not in vars(module)
    with pytest.raises(AttributeError):
        module.__getattr__("other")


class Invocation:
    """A request's context: what is left of its time is a moment, beyond what is kept for the answer."""

    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 3050


async def answered_by(function: Function) -> dict[str, object]:
    """The problem that a request is answered with."""
    event = {
        "version": "2.0", "rawPath": "/v1/jobs", "headers": {},
        "requestContext": {"stage": "$default", "domainName": "x", "http": {"method": "POST", "sourceIp": "127.0.0.1"}},
    }  # fmt: skip
    # A function has a loop of its own, which runs in no other.
    result = await asyncio.to_thread(function, event, Invocation())
    problem: dict[str, object] = json.loads(result["body"])
    return {"status": result["statusCode"], "retry": "retry-after" in result["headers"], "code": problem["code"]}


async def silent(*_: object) -> None:
    """Never ends."""
    await asyncio.Event().wait()


async def test_a_request_that_meets_a_start_without_end_is_told_that_nothing_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS takes the start's requests and is silent: the start gives up before Lambda would end it, and so does the request's own
    try; the caller may safely send the request again.
    """

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[None]:
        await silent()
        yield

    monkeypatch.setattr(lambda_handler, "opened_context", opened)
    monkeypatch.setattr(lambda_handler, "_START_SECONDS", 0.0, raising=False)
    function = await asyncio.to_thread(Function, Settings(environment=Environment.LOCAL))
    assert await answered_by(function) == {"status": 503, "retry": True, "code": "store_unavailable"}


async def test_a_request_that_was_begun_and_not_ended_may_have_been_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows how far it came."""

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[None]:
        yield

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await silent()

    monkeypatch.setattr(lambda_handler, "opened_context", opened)
    monkeypatch.setattr(lambda_handler, "create_app", lambda *_: app)
    function = await asyncio.to_thread(Function, Settings(environment=Environment.LOCAL))
    assert await answered_by(function) == {"status": 503, "retry": True, "code": "out_of_time"}
