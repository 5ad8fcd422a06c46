"""Who may have a slot, by the rules alone; and the model of SQS's fair queues that they are compared with."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.envelope import Envelope
from quarry.job import Priority
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Policy, Tenants
from quarry.testing.clock import FakeClock
from quarry.testing.queue import MemoryQueue
from worker.shares import AGAIN_MAX_SECONDS, AGAIN_MIN_SECONDS, Shares

NORMAL = Priority.NORMAL


def filled(shares: Shares, tenant: str, most: int = 1000) -> int:
    """How many slots a tenant gets."""
    count = 0
    while count < most and shares.admits(tenant, NORMAL, 0.0):
        shares.enter(tenant, NORMAL)
        count += 1
    return count


@given(limit=st.integers(1, 500), workers=st.integers(1, 40))
def test_the_parts_of_all_workers_are_the_whole(limit: int, workers: int) -> None:
    """No tenant has more jobs in flight than it may, and none that it may have is lost."""
    tenants = Tenants(named={"few": Policy(Limits(jobs_in_flight=limit))})
    parts = []
    for place in range(workers):
        shares = Shares(tenants, slots=1000, spare=1)
        shares.follow(place, workers)
        parts.append(filled(shares, "few"))
    assert sum(parts) == limit


def test_who_has_not_heard_of_the_others_works_nothing_of_a_bounded_tenant() -> None:
    """Else each worker that starts would have the whole."""
    shares = Shares(Tenants(named={"few": Policy(Limits(jobs_in_flight=4))}), slots=10)
    assert (filled(shares, "few"), filled(shares, "other", 10)) == (0, 10)


@pytest.mark.parametrize(("place", "kept", "longest"), [(0, 1, 45.0), (1, 0, 1.0)])
def test_who_has_no_part_of_a_tenant_passes_its_messages_on(place: int, kept: int, longest: float) -> None:
    """They come by those who have one: neither a hand nor a wait that grows with each receipt keeps them from that."""
    shares = Shares(Tenants(named={"few": Policy(Limits(jobs_in_flight=1))}), slots=10)
    shares.follow(place, 2)
    filled(shares, "few")
    assert shares.stock("few", 0.0) == kept
    assert shares.put_back("few", [100], 0.0, 0.0) == longest


def test_alone_a_tenant_has_the_ordinary_slots_and_another_the_spare_ones() -> None:
    """And of what gets free after that, nobody who has more than a fair share, while somebody waits."""
    shares = Shares(Tenants(), slots=10, spare=2)
    assert filled(shares, "first") == 10
    assert filled(shares, "second", 2) == 2
    assert not shares.admits("first", NORMAL, 0.0)
    shares.put_back("second", [1], 0.0, 0.5)
    for _ in range(4):
        shares.leave("first", NORMAL, 1.0)
    assert not shares.admits("first", NORMAL, 0.0)
    assert shares.admits("second", NORMAL, 0.0)


@given(counts=st.lists(st.integers(1, 1000), min_size=1, max_size=10), draw=st.floats(0, 0.999), before=st.integers(0, 200))
def test_who_is_put_back_comes_again_between_a_second_and_a_minute(counts: list[int], draw: float, before: int) -> None:
    """However many sleep already, and however often they were received."""
    shares = Shares(Tenants(), slots=10, spare=2)
    for _ in range(before):
        shares.put_back("noisy", [1] * 10, 0.0, 0.999)
    assert AGAIN_MIN_SECONDS <= shares.put_back("noisy", counts, 0.0, draw) <= AGAIN_MAX_SECONDS


@pytest.mark.parametrize(("fair", "first"), [(True, "quiet"), (False, "noisy")])
async def test_on_a_fair_queue_a_quiet_tenant_is_returned_first(fair: bool, first: str) -> None:
    """With thirty of the noisy one's messages in flight, and more of them before it. The group arrives with each."""
    queue = MemoryQueue(FakeClock(), fair=fair)
    for i in range(60):
        await queue.send([Envelope(f"{i:032x}", "noisy")])
    for _ in range(3):
        assert {each.group for each in await queue.receive(10, timedelta(0))} == {"noisy"}
    await queue.send([Envelope(f"{99:032x}", "quiet")])
    assert (await queue.receive(10, timedelta(0)))[0].group == first
