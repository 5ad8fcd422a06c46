"""Settling: long waits do not stay in flight."""

from datetime import timedelta

import pytest

from quarry.testing import a_job
from quarry.testing.builders import an_envelope
from tests.unit.worker.conftest import Bench
from worker.outcome import RECEIVED_OFTEN, Release
from worker.settle import Settler

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("wait", "often", "sent_anew"), [(MINUTE, False, False), (MINUTE * 2, False, True), (MINUTE, True, True)])
async def test_a_long_wait_is_a_new_message(bench: Bench, wait: timedelta, often: bool, sent_anew: bool) -> None:
    """So is that of a message received very often: it has been received once, and is not in flight meanwhile."""
    job = await bench.submitted()
    for _ in range(RECEIVED_OFTEN - 1 if often else 0):
        await bench.queue.release(await bench.delivery(), timedelta(0))
    delivery = await bench.delivery()
    await bench.steps.settler.settle(delivery, Release(bench.clock.now() + wait, "retrying"), job)
    assert bench.queue.visible_count == 0
    await bench.clock.advance(wait.total_seconds())
    again = await bench.delivery()
    assert again.body == delivery.body
    assert (again.message_id != delivery.message_id) is sent_anew
    assert (again.receive_count == 1) is sent_anew
    assert bench.count("quarry_deliveries_settled_total", outcome="resend", reason="retrying") == sent_anew


async def test_a_wait_of_hours_is_many_short_ones_and_one_claim(bench: Bench) -> None:
    """Longer than a message can be delayed: it comes, is refused as not yet due, and goes again."""
    await bench.submitted(available_at=bench.clock.now() + timedelta(hours=3))
    settled = []
    for _ in range(13):
        settled.append(type(await bench.work()).__name__)
        await bench.clock.advance(900)
    assert settled == ["Release"] * 12 + ["Ack"]
    assert bench.count("quarry_deliveries_settled_total", outcome="resend", reason="not_yet_due") == 12
    assert bench.queue.in_flight_count == 0


async def test_an_answer_lost_while_sending_anew_loses_no_message(bench: Bench) -> None:
    """There may be two then, never none."""
    job = await bench.submitted()
    delivery = await bench.delivery()
    bench.queue.fail_next("resend", applied=True)
    await bench.steps.settler.settle(delivery, Release(bench.clock.now() + MINUTE * 5, "retrying"), job)
    await bench.clock.advance(300)
    assert bench.queue.visible_count == 2


async def test_a_message_that_is_no_readable_envelope_keeps_its_age(bench: Bench) -> None:
    """By which it is judged: a new message would never be too old."""
    settler: Settler = bench.steps.settler
    await bench.queue.send([an_envelope(a_job())])
    delivery = await bench.delivery()
    await settler.settle(delivery, Release(bench.clock.now() + MINUTE * 2, "unsupported_envelope"))
    await bench.clock.advance(120)
    assert (await bench.delivery()).message_id == delivery.message_id
