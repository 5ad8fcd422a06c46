"""The queue port, sentence by sentence: acks, releases, extensions and burials."""

import asyncio
from datetime import timedelta

import pytest

from quarry.testing import DeadLetter, an_envelope
from tests.contract.conftest import Faulty
from tests.contract.lanes import BODIES, HASTE, LONG, NOW, Lane

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- ack --------------------------------------------------------------------------------------------------------------


async def test_many_acks_at_once(hasty: Lane) -> None:
    """Concurrent acks each remove their own message for good, and no other."""
    *acked, kept = await hasty.flight(24)
    await asyncio.gather(*map(hasty.queue.ack, acked))
    assert await hasty.comes_again() == [kept.message_id]


async def test_a_second_ack_is_no_error(lane: Lane) -> None:
    """The message is gone already."""
    await lane.queue.send([an_envelope()])
    delivery = await lane.one()
    await lane.queue.ack(delivery)
    await lane.queue.ack(delivery)


async def test_a_late_ack_removes_what_nobody_received_meanwhile(hasty: Lane) -> None:
    """After the visibility timeout a receipt holds until the message is received anew."""
    await hasty.queue.send([an_envelope()])
    delivery = await hasty.one()
    await hasty.passing(hasty.clock.sleep(HASTE.total_seconds() + 0.1))
    await hasty.queue.ack(delivery)
    assert await hasty.is_quiet(0)


async def test_an_ack_by_a_stale_receipt_is_no_error(hasty: Lane) -> None:
    """The message was received anew."""
    await hasty.queue.send([an_envelope()])
    first, _ = await hasty.one(), await hasty.one()
    await hasty.queue.ack(first)


async def test_an_ack_by_a_stale_receipt_leaves_the_message(hasty: Lane, faulty: Faulty) -> None:
    """Who received the message anew is not robbed of it. (SQS may delete it all the same: no worker relies on this.)"""
    faulty(moto="moto 5.2.5 deletes a message by a stale receipt")
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    await hasty.queue.ack(first)
    assert (await hasty.one()).message_id == second.message_id


# --- release and extend -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -5])
async def test_a_released_message_is_visible_at_once(lane: Lane, seconds: int) -> None:
    """No delay, or one that is over: now."""
    await lane.queue.send([an_envelope()])
    await lane.queue.release(await lane.one(), timedelta(seconds=seconds))
    assert (await lane.one()).receive_count == 2


async def test_a_released_message_waits_out_its_delay(lane: Lane) -> None:
    """It comes after the delay, not before, and not only after the visibility timeout."""
    await lane.queue.send([an_envelope()])
    delivery, started = await lane.one(), lane.clock.monotonic()
    await lane.queue.release(delivery, HASTE)
    assert await lane.is_quiet(0)
    await lane.one()
    assert HASTE.total_seconds() - 0.2 <= lane.clock.monotonic() - started < LONG.total_seconds() / 2


async def test_a_release_beyond_what_a_receipt_can_last_is_cut(hasty: Lane) -> None:
    """It is no error, and the message stays away for now."""
    released, kept = await hasty.flight(2)
    await hasty.queue.release(released, timedelta(days=20))
    assert await hasty.comes_again() == [kept.message_id]


async def test_a_message_sent_anew_comes_after_its_delay_as_if_never_received(lane: Lane) -> None:
    """The same body; the old message is gone."""
    [delivery] = await lane.flight(1)
    await lane.queue.resend(delivery, timedelta(seconds=4))
    assert await lane.is_quiet(1)
    again = await lane.one()
    assert (again.body, again.receive_count) == (delivery.body, 1)
    assert again.message_id != delivery.message_id
    assert again.group == delivery.group
    await lane.queue.ack(again)
    assert await lane.is_quiet(0)


async def test_a_message_can_be_sent_anew_without_delay(lane: Lane) -> None:
    """Also where the instant to wait for has passed."""
    [delivery] = await lane.flight(1)
    await lane.queue.resend(delivery, timedelta(seconds=-3))
    assert (await lane.one()).body == delivery.body


async def test_a_delay_beyond_what_a_send_allows_is_cut(lane: Lane) -> None:
    """The message then comes early, and waits once more."""
    [delivery] = await lane.flight(1)
    await lane.queue.resend(delivery, timedelta(days=1))
    assert await lane.is_quiet(1)


async def test_a_stale_release_is_no_error(hasty: Lane) -> None:
    """The message was received anew, or is gone."""
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    await hasty.queue.release(first, NOW)
    await hasty.queue.ack(second)
    await hasty.queue.release(first, NOW)
    await hasty.queue.release(second, NOW)


async def test_an_extended_message_stays_away(hasty: Lane) -> None:
    """Visibility counts from the extension; any number can be extended at once."""
    *extended, kept = await hasty.flight(12)
    await hasty.queue.extend(extended, LONG)
    assert await hasty.comes_again() == [kept.message_id]


async def test_extending_nothing_is_nothing(lane: Lane) -> None:
    """A worker that holds nothing extends nothing."""
    await lane.queue.extend([], LONG)


async def test_a_stale_extension_is_no_error(hasty: Lane) -> None:
    """One that went stale does not keep the others from being extended."""
    acked, extended, kept = await hasty.flight(3)
    await hasty.queue.ack(acked)
    await hasty.queue.extend([acked, extended], LONG)
    assert await hasty.comes_again() == [kept.message_id]


# --- bury -------------------------------------------------------------------------------------------------------------


async def test_a_buried_message_is_a_dead_letter(hasty: Lane) -> None:
    """The dead-letter queue has its body, its reason and the id of its job; the lane has it no more."""
    envelope = an_envelope()
    buried, kept = await hasty.flight(2)
    await hasty.queue.bury(buried, "attempts_exhausted", envelope.request_id)
    assert await hasty.dead_letters() == [DeadLetter(buried.body, "attempts_exhausted", envelope.request_id)]
    assert await hasty.comes_again() == [kept.message_id]


async def test_any_body_can_be_buried(lane: Lane) -> None:
    """What is no envelope has no job, and is kept as it came."""
    for body in BODIES:
        await lane.put(body)
    for delivery in await lane.all(len(BODIES)):
        await lane.queue.bury(delivery, "malformed", None)
    assert set(await lane.dead_letters()) == {DeadLetter(body, "malformed", None) for body in BODIES}


async def test_burying_by_a_stale_receipt_is_no_error(hasty: Lane) -> None:
    """It leaves a dead letter, and whoever received the message anew settles it."""
    await hasty.queue.send([an_envelope()])
    first, second = await hasty.one(), await hasty.one()
    await hasty.queue.ack(second)
    await hasty.queue.bury(first, "attempts_exhausted", None)
    assert len(await hasty.dead_letters()) == 1
