"""The function's own rules: its bounds, and that nothing is left under way."""

import asyncio
import importlib
import sys

import pytest

from producer import lambda_handler
from producer.gateway import BODY_MAX_BYTES
from producer.lambda_handler import settle, within_bounds
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
