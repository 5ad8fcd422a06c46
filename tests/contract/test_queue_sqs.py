"""The SQS adapter, where SQS does not answer, or not usefully."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quarry.aws import sqs_client
from quarry.errors import QueueUnavailable
from quarry.queue.sqs import SqsQueue
from quarry.testing import a_delivery, an_envelope
from tests.contract.conftest import REGION
from tests.contract.lanes import LONG, NOW
from tests.contract.unkind import CUT, RESET, Answer, UnkindAws, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def troubled(unkind: UnkindAws) -> AsyncIterator[SqsQueue]:
    """The adapter on it."""
    async with sqs_client(REGION, 10) as client:
        yield SqsQueue(client, f"{unkind.url}/lane", f"{unkind.url}/dlq", visibility=LONG)


async def test_a_failed_entry_fails_alone(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """SQS answers 200 with failures per entry: those, and only those, were not sent."""
    unkind.answer((200, {"Successful": [_sent(0), _sent(2)], "Failed": [_failed(1, "InternalError")]}))
    first, second, third = await troubled.send([an_envelope() for _ in range(3)])
    assert (first, third) == (None, None)
    assert isinstance(second, QueueUnavailable)
    assert second.applied is False


async def test_an_entry_that_the_answer_does_not_name_is_not_durable(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """Only what SQS says it has is sent; of the rest nobody knows."""
    unkind.answer((200, {}))
    [entry] = await troubled.send([an_envelope()])
    assert isinstance(entry, QueueUnavailable)
    assert entry.applied is None


FAILED = {"Id": "0", "Code": "InternalError", "SenderFault": False}


@pytest.mark.parametrize(
    ("script", "applied"),
    [
        pytest.param([(403, refusal("AccessDenied"))], False, id="refused"),
        pytest.param([(500, refusal("InternalError"))], None, id="broken"),
        pytest.param([RESET], None, id="reset"),
        pytest.param([CUT], None, id="cut"),
        pytest.param([RESET, (403, refusal("AccessDenied"))], None, id="refused only when asked again"),
        pytest.param([(200, {"Failed": [FAILED]})], False, id="refused in the batch"),
        pytest.param([RESET, (200, {"Failed": [FAILED]})], None, id="refused in the batch only when asked again"),
    ],
)
async def test_whether_an_envelope_was_sent_is_told_as_far_as_it_is_known(
    unkind: UnkindAws, troubled: SqsQueue, script: list[Answer], applied: bool | None
) -> None:
    """`applied` is False where the queue is known to have refused, None where nobody knows."""
    unkind.answer(*script)
    [entry] = await troubled.send([an_envelope()])
    assert isinstance(entry, QueueUnavailable)
    assert entry.applied is applied


async def test_every_verb_says_when_the_queue_is_unavailable(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """No foreign exception crosses the port."""
    unkind.answer((403, refusal("AccessDenied")))
    delivery = a_delivery()
    for call in (
        troubled.receive(1, NOW),
        troubled.ack(delivery),
        troubled.release(delivery, NOW),
        troubled.extend([delivery], LONG),
        troubled.bury(delivery, "malformed", None),
    ):
        with pytest.raises(QueueUnavailable):
            await call


async def test_a_burial_that_failed_leaves_the_message(unkind: UnkindAws, troubled: SqsQueue) -> None:
    """What is not known to be in the dead-letter queue is not removed from the lane."""
    unkind.answer((403, refusal("AccessDenied")))
    with pytest.raises(QueueUnavailable):
        await troubled.bury(a_delivery(), "malformed", None)
    assert [operation for operation, _ in unkind.requests] == ["SendMessage"]


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "AWS.SimpleQueueService.MessageNotInflight"])
async def test_an_entry_with_a_stale_receipt_is_no_error(unkind: UnkindAws, troubled: SqsQueue, code: str) -> None:
    """However SQS puts it; any other failure of an entry is one."""
    unkind.answer((200, {"Successful": [], "Failed": [_failed(0, code)]}))
    await troubled.ack(a_delivery())
    await troubled.extend([a_delivery()], LONG)
    unkind.answer((200, {"Successful": [], "Failed": [_failed(0, "InternalError")]}))
    with pytest.raises(QueueUnavailable):
        await troubled.ack(a_delivery())
    with pytest.raises(QueueUnavailable):
        await troubled.extend([a_delivery()], LONG)


def _sent(entry: int) -> dict[str, str]:
    return {"Id": str(entry), "MessageId": "message", "MD5OfMessageBody": ""}


def _failed(entry: int, code: str) -> dict[str, object]:
    return {"Id": str(entry), "Code": code, "SenderFault": False}
