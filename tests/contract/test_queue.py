"""The queue port, sentence by sentence: the fake, and the SQS adapter on two emulators. Here: sending and receiving."""

import asyncio
from datetime import timedelta

import pytest

from quarry.envelope import from_wire
from quarry.testing import an_envelope
from tests.contract.lanes import BODIES, SHORT, Lane

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_any_number_of_envelopes_can_be_sent(lane: Lane) -> None:
    """Each envelope has its entry in the answer, and each arrives, unchanged."""
    envelopes = [an_envelope(tenant=f"tenant-{i % 3}", generation=i) for i in range(23)]
    assert await lane.queue.send(envelopes) == [None] * 23
    received = [from_wire(delivery.body) for delivery in await lane.all(23)]
    assert sorted(received, key=lambda each: each.generation) == envelopes


async def test_sending_nothing_is_nothing(lane: Lane) -> None:
    """No envelopes, no answers, no message."""
    assert await lane.queue.send([]) == []
    assert await lane.is_quiet(0)


async def test_a_receive_takes_no_more_than_its_limit(lane: Lane) -> None:
    """What was not taken stays visible for the next."""
    await lane.queue.send([an_envelope() for _ in range(5)])
    first = await lane.take(limit=2, wait=5)
    assert 1 <= len(first) <= 2
    rest = await lane.all(5 - len(first))
    assert len({delivery.message_id for delivery in (*first, *rest)}) == 5


async def test_a_receive_takes_at_most_ten(lane: Lane) -> None:
    """A larger limit counts as ten."""
    await lane.queue.send([an_envelope() for _ in range(12)])
    assert 1 <= len(await lane.take(limit=100, wait=5)) <= 10


async def test_a_body_comes_as_it_was_sent(lane: Lane) -> None:
    """The body is unread: it need not be an envelope."""
    for body in BODIES:
        await lane.put(body)
    assert {delivery.body for delivery in await lane.all(len(BODIES))} == set(BODIES)


async def test_a_message_is_received_by_one_at_a_time(lane: Lane) -> None:
    """While it is in flight, nobody else gets it."""
    await lane.queue.send([an_envelope()])
    received = await lane.passing(asyncio.gather(*(lane.queue.receive(10, timedelta(seconds=1)) for _ in range(4))))
    assert sum(map(len, received)) == 1


async def test_an_unsettled_message_comes_again(hasty: Lane) -> None:
    """After the visibility timeout it is received anew: the same message, another receipt, counted."""
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    assert (first.receive_count, second.receive_count) == (1, 2)
    assert (second.message_id, second.body, second.sent_at) == (first.message_id, first.body, first.sent_at)
    assert second.receipt != first.receipt


async def test_a_delivery_knows_when_it_was_sent(lane: Lane) -> None:
    """`sent_at` is the instant of the send, aware, in UTC."""
    before = lane.clock.now()
    await lane.queue.send([an_envelope()])
    after = lane.clock.now()
    sent_at = (await lane.one()).sent_at
    # The queue's clock is the emulator's, which rounds in its own way.
    assert before - SHORT <= sent_at <= after + SHORT
    assert sent_at.utcoffset() == timedelta(0)


async def test_a_long_poll_wakes_on_a_send(lane: Lane) -> None:
    """A receive under way gets what is sent meanwhile, at once."""
    polling = asyncio.ensure_future(lane.queue.receive(10, timedelta(seconds=20)))
    started = lane.clock.monotonic()
    await asyncio.wait({polling}, timeout=0.2)
    assert not polling.done()
    await lane.queue.send([an_envelope()])
    assert len(await polling) == 1
    assert lane.clock.monotonic() - started < 15


async def test_an_empty_poll_lasts_as_long_as_it_was_told(lane: Lane) -> None:
    """A receive of an empty queue waits, then gives nothing."""
    started = lane.clock.monotonic()
    assert await lane.take(wait=1) == []
    assert 0.9 <= lane.clock.monotonic() - started < 15


async def test_a_poll_without_a_wait_answers_at_once(lane: Lane) -> None:
    """Zero is allowed."""
    seconds = []
    # The machine may halt in one of them.
    for _ in range(3):
        started = lane.clock.monotonic()
        assert await lane.take(wait=0) == []
        seconds.append(lane.clock.monotonic() - started)
    assert min(seconds) < 0.9
