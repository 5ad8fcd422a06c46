"""Looking up the queues at a start, where SQS is not itself."""

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quarry.errors import ConfigurationError, QuarryError, QueueUnavailable
from quarry.queue.sqs import resolve_urls
from quarry.settings import QueueSettings

BY_NAME = QueueSettings()
BY_URL = QueueSettings(high_url="https://x/1", url="https://x/2", low_url="https://x/3", dlq_url="https://x/4")


class Sqs:
    """Answers each look-up with an error of that code; with none, not at all."""

    def __init__(self, code: str | None = None) -> None:
        self._code = code
        self.asked = asyncio.Event()

    async def get_queue_url(self, **_: Any) -> Any:
        self.asked.set()
        if self._code is None:
            await asyncio.Event().wait()
        raise ClientError({"Error": {"Code": self._code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "?")  # type: ignore[typeddict-item]

    get_queue_attributes = get_queue_url


@pytest.mark.parametrize("settings", [BY_NAME, BY_URL])
async def test_a_silent_sqs_is_not_waited_for(settings: QueueSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK would wait for half a minute, twice; who starts must know sooner."""
    sqs: Any = Sqs()
    looking = asyncio.create_task(resolve_urls(sqs, settings))
    await sqs.asked.wait()
    loop = asyncio.get_running_loop()
    later = loop.time() + 10
    monkeypatch.setattr(loop, "time", lambda: later)
    with pytest.raises(QueueUnavailable):
        await looking


@pytest.mark.parametrize(
    ("settings", "code", "error"),
    [
        (BY_NAME, "QueueDoesNotExist", ConfigurationError),
        (BY_NAME, "AccessDenied", ConfigurationError),
        (BY_NAME, "ThrottlingException", QueueUnavailable),
        (BY_URL, "QueueDoesNotExist", ConfigurationError),
        (BY_URL, "AccessDenied", None),
        (BY_URL, "ThrottlingException", QueueUnavailable),
    ],
)
async def test_what_sqs_refuses_is_told_apart(settings: QueueSettings, code: str, error: type[QuarryError] | None) -> None:
    """What an operator has to mend, and what time mends. A queue of a configured URL need not be seen to be used."""
    sqs: Any = Sqs(code)
    if error is None:
        assert (await resolve_urls(sqs, settings))[1] == "https://x/4"
        return
    with pytest.raises(error):
        await resolve_urls(sqs, settings)
