"""Erasing one job, on the fakes: whatever crashes in between, what was promised is kept, and nothing else is touched."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from quarry.erasure.eraser import Erased, Eraser
from quarry.erasure.tombstone import LIFE, LOOKS, Tombstone, cleared, promised
from quarry.errors import JobChanged, StoreUnavailable
from quarry.job import CLOCK_MARGIN, Cancelled, Claimed, Job, Succeeded, advance
from quarry.store.base import IdempotencyKey, Mark, Piece
from quarry.store.expressions import digest
from quarry.testing import FakeClock, MemoryErasures, MemoryPayloads, MemoryStore, a_claimed_job, a_completion, a_job, a_lease
from quarry.testing.builders import NOW

TENANT = "default"


@dataclass
class Place:
    """Everything that a job is kept in."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    payloads: MemoryPayloads = field(default_factory=MemoryPayloads)

    def __post_init__(self) -> None:
        self.erasures = MemoryErasures(self.store)
        self.eraser = Eraser(self.store, self.erasures, self.payloads, self.clock)

    async def filled(self, job: Job) -> Job:
        """The job, with a piece of text and two objects beside it."""
        self.store.put(job)
        await self.store.add_text(job, Piece(Mark(1, 1, 0), "token", "said"), NOW)
        await self.payloads.put(TENANT, job.request_id, "payload", b"asked")
        await self.payloads.put(TENANT, job.request_id, "result", b"answered")
        return job

    async def is_gone(self, job: Job) -> bool:
        look = await self.store.look(TENANT, job.request_id, Mark(0, 0, 0))
        texts = self.store.forget_beside(TENANT, job.request_id, None)
        return look is None and not texts and not [key for key in self.payloads.objects if job.request_id in key]


@pytest.fixture
def place() -> Place:
    """An empty one."""
    return Place()


DONE = advance(a_claimed_job(), Succeeded(a_completion()), NOW)


async def test_a_record_that_nobody_can_read_is_erased_by_its_id(place: Place) -> None:
    """With what lies beside it; where its worker holds it, once that let go or its lease is over."""
    damaged, held = await place.filled(DONE), await place.filled(a_claimed_job(request_id=a_job().request_id))
    for job in (damaged, held):
        place.store.spoil(job)
    assert await place.eraser.erase(TENANT, damaged.request_id) is Erased.ERASED
    assert await place.is_gone(damaged)
    assert await place.eraser.erase(TENANT, held.request_id) is Erased.ERASING
    assert place.store.found(TENANT, held.request_id)
    await place.clock.advance(timedelta(hours=1).total_seconds())
    [promise] = [each for each in await place.erasures.due(place.clock.now(), 10) if each.request_id == held.request_id]
    assert await place.eraser.keep(promise) is Erased.ERASED
    assert await place.is_gone(held)


@pytest.mark.parametrize("job", [a_job(), DONE, advance(a_job(), Cancelled(), NOW)], ids=lambda job: job.status)
async def test_a_job_that_nobody_holds_is_gone_at_once(place: Place, job: Job) -> None:
    """Whatever its status; asked again, the answer is the same, for as long as that is known."""
    await place.filled(job)
    neighbour = await place.filled(a_job())
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASED
    assert await place.is_gone(job)
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASED
    assert not await place.is_gone(neighbour)


async def test_what_is_unknown_is_unknown(place: Place) -> None:
    """Malformed, never made, or another tenant's: nothing is written."""
    job = place.store.put(a_job())
    for tenant, request_id in ((TENANT, "no id"), (TENANT, "0" * 32), ("another", job.request_id)):
        assert await place.eraser.erase(tenant, request_id) is Erased.UNKNOWN
    assert (place.erasures.tombstones, place.store.jobs) == ({}, [job])


async def test_a_job_that_is_worked_is_hidden_and_stopped(place: Place) -> None:
    """No reader sees it any more; once its worker let go, or its lease has run out, it goes."""
    job = await place.filled(place.store.put(a_claimed_job(a_lease(expires_at=NOW + timedelta(minutes=1)))))
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASING
    seen = place.store.job(job.request_id)
    assert (seen.erasing, seen.cancel_requested) == (True, True)
    assert await place.store.statuses(TENANT, [job.request_id], NOW) == {}
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASING
    assert job.lease
    await place.store.record(advance(job, Succeeded(a_completion()), NOW), job.lease.token)
    assert place.store.job(job.request_id).erasing, "an answer in hand shows it to nobody"
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASED
    assert await place.is_gone(job)


async def test_a_worker_that_vanished_keeps_nothing(place: Place) -> None:
    """Its lease and the margin are waited for, no longer."""
    job = await place.filled(a_claimed_job(a_lease(expires_at=NOW + timedelta(minutes=1))))
    await place.eraser.erase(TENANT, job.request_id)
    await place.clock.advance(60 + CLOCK_MARGIN.total_seconds())
    [tombstone] = await place.erasures.due(place.clock.now(), 10)
    assert await place.eraser.keep(tombstone) is Erased.ERASED
    assert await place.is_gone(job)


@pytest.mark.parametrize("operation", ["remove", "clear", "write"])
@pytest.mark.parametrize("applied", [False, True])
async def test_what_was_promised_is_kept_after_a_crash(place: Place, operation: str, applied: bool) -> None:
    """The caller got no answer, and the sweep finds the promise."""
    job = await place.filled(a_job())
    place.erasures.fail_next(operation, applied=applied)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        await place.eraser.erase(TENANT, job.request_id)
    await place.clock.advance(5)
    for tombstone in await place.erasures.due(place.clock.now(), 10):
        assert await place.eraser.keep(tombstone) is Erased.ERASED
    assert await place.is_gone(job)
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASED


async def test_a_bucket_that_is_away_is_cleared_later(place: Place) -> None:
    """The record is gone at once: nobody can read what the bucket still has."""
    job = await place.filled(a_job())
    place.payloads.fail_next("erase")
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASING
    assert place.store.found(TENANT, job.request_id) is None
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASED
    assert await place.is_gone(job)


async def test_a_job_that_moves_is_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claimed between the look and the deletion: it is stopped, not torn from its worker. One that never stands still is a 503."""
    job = place.store.put(a_job())
    remove = place.erasures.remove

    async def claimed_first(seen: Job, now: object) -> None:
        if seen.status == "queued":
            place.store.put(advance(seen, Claimed(a_lease(expires_at=NOW + timedelta(minutes=1))), NOW))
        await remove(seen, place.clock.now())

    monkeypatch.setattr(place.erasures, "remove", claimed_first)
    assert await place.eraser.erase(TENANT, job.request_id) is Erased.ERASING

    async def never(*_: object) -> None:
        raise JobChanged("again")

    monkeypatch.setattr(place.erasures, "remove", never)
    with pytest.raises(StoreUnavailable):
        await place.eraser.erase(TENANT, place.store.put(a_job()).request_id)


async def test_what_comes_late_goes_too(place: Place) -> None:
    """A worker that had stood still puts down its answer after all; the place is looked at until nobody can be that late."""
    job = await place.filled(a_job())
    await place.eraser.erase(TENANT, job.request_id)
    for late in LOOKS:
        await place.payloads.put(TENANT, job.request_id, "result", b"late")
        await place.store.add_text(job, Piece(Mark(1, 1, 4), "token", "late"), NOW)
        await place.clock.advance(late.total_seconds() - (place.clock.now() - NOW).total_seconds() + 1)
        [tombstone] = await place.erasures.due(place.clock.now(), 10)
        assert await place.eraser.keep(tombstone) is Erased.ERASED
        assert await place.is_gone(job)
    await place.clock.advance(timedelta(days=20).total_seconds())
    assert await place.erasures.due(place.clock.now(), 10) == []


async def test_the_key_goes_unless_it_is_anothers_by_now(place: Place) -> None:
    """The digest of what was asked is in it."""
    key = IdempotencyKey(TENANT, "once", "digest", NOW + timedelta(days=1))
    one, other = (a_job(key_digest=digest(key.key)) for _ in range(2))
    await place.store.create_with_key(one, key, NOW)
    assert await place.store.key_holder(key, NOW) is not None
    await place.eraser.erase(TENANT, one.request_id)
    assert await place.store.key_holder(key, NOW) is None
    await place.store.create_with_key(other, key, NOW)
    await place.erasures.clear(promised(TENANT, one.request_id, other.key_digest, NOW))
    assert await place.store.key_holder(key, NOW) is not None


def test_a_tombstone_says_nothing_of_what_was_asked() -> None:
    """Once all is gone, the digest of the key is too; it is kept for longer than a message lasts."""
    tombstone = cleared(promised(TENANT, "0" * 32, "digest", NOW), NOW)
    assert tombstone == Tombstone(TENANT, "0" * 32, NOW, NOW + LOOKS[0], None, NOW)
    assert tombstone.expires_at - NOW == LIFE > timedelta(days=14)
    late = cleared(replace(tombstone, check_at=NOW), NOW + LOOKS[-1])
    assert late.check_at is None
