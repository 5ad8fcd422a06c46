"""The dead-letter queue follows the records: nothing that is needed is removed, and what is left stays in sight."""

from dataclasses import replace

import pytest

from quarry.errors import QueueUnavailable, StoreUnavailable
from quarry.job import JobStatus
from quarry.queue.base import LOOK
from quarry.testing import DeadLetter, a_claimed_job, a_job, an_envelope
from tests.unit.deadletters.conftest import Yard


async def test_a_dead_letter_goes_when_its_job_has_gone_on(yard: Yard) -> None:
    """And its copies; the others stay, in sight."""
    redriven, still_failed = yard.job(), yard.job()
    yard.bury(redriven)
    await yard.redrive(redriven)
    assert await yard.tidy() == {"removed": 2}
    assert [letter.request_id for letter in yard.dead.letters] == [still_failed.request_id]
    assert yard.dead.hidden_count == 0


async def test_a_job_that_failed_again_keeps_its_new_dead_letter(yard: Yard) -> None:
    """Only that of the older generation goes."""
    job = yard.job()
    await yard.redrive(job)
    await yard.work(fail=[job.request_id])
    yard.bury(await yard.now(job))
    assert await yard.tidy() == {"removed": 1}
    assert [letter.body for letter in yard.dead.letters] == [an_envelope(await yard.now(job)).to_wire()]


async def test_a_stranded_message_is_sent_again_and_removed(yard: Yard) -> None:
    """Of its own generation; once, however many copies there are; where it is meant."""
    waiting, held = a_job(generation=1), a_claimed_job()
    for job in (waiting, held):
        yard.store.put(job)
        yard.bury(job, reason=None)
    yard.bury(waiting, reason=None)
    assert await yard.tidy(resend=False) == {}
    assert await yard.tidy() == {"sent again": 3}
    assert sorted(yard.sent, key=str) == sorted([an_envelope(waiting), an_envelope(held)], key=str)
    assert yard.dead.letters == []


async def test_a_stranded_message_is_not_removed_before_it_was_sent(yard: Yard) -> None:
    """The queue refused it: it stays, in sight."""
    job = a_job()
    yard.store.put(job)
    yard.bury(job, reason=None)
    yard.lane.fail_next("send")
    with pytest.raises(QueueUnavailable):
        await yard.tidy()
    assert (len(yard.dead.letters), yard.dead.hidden_count) == (1, 0)


async def test_what_has_no_job_is_removed_only_on_wish(yard: Yard) -> None:
    """Never by a redrive."""
    yard.dead.put(DeadLetter("[]", "malformed_envelope", None))
    yard.bury(a_job())
    assert await yard.tidy() == {}
    assert await yard.tidy(discard=True) == {"discarded messages": 2}
    assert yard.dead.letters == []


async def test_a_dead_letter_of_a_failed_job_is_never_removed(yard: Yard) -> None:
    """Not even on wish: first the record has to say that it was given up."""
    yard.job()
    assert await yard.tidy(discard=True) == {}
    assert len(yard.dead.letters) == 1


async def test_one_can_be_named(yard: Yard) -> None:
    """By its job or by its own id; the walk ends when all were found, and the others are left alone."""
    jobs = [yard.job() for _ in range(30)]
    malformed = yard.dead.put(DeadLetter("[]", "malformed_envelope", None))
    yard.dead.put(DeadLetter("[]", "malformed_envelope", None))
    await yard.redrive(*jobs)
    assert await yard.tidy(discard=True, until=[jobs[3].request_id]) == {"removed": 1}
    assert await yard.tidy(discard=True, until=[malformed]) == {"discarded messages": 1}
    assert (len(yard.dead.letters), yard.dead.hidden_count) == (30, 0)


async def test_what_is_another_tenants_is_left_alone(yard: Yard) -> None:
    """Whatever is the matter with it, and even where it is named; what nobody can read is nobody's."""
    gone, waiting = a_job(tenant="other"), a_job(tenant="other")
    over = replace(a_job(tenant="other"), status=JobStatus.COMPLETED)
    for job in (waiting, over):
        yard.store.put(job)
    for job in (gone, waiting, over):
        yard.bury(job, reason=None)
    malformed = yard.dead.put(DeadLetter("[]", "malformed_envelope", None))
    named = [gone.request_id, waiting.request_id, over.request_id, malformed]
    assert await yard.tidy(discard=True, until=named) == {"discarded messages": 1}
    assert await yard.tidy(discard=True) == {}
    assert (len(yard.dead.letters), yard.sent) == (3, [])
    assert await yard.tidy(discard=True, tenant="other") == {"removed": 1, "sent again": 1, "discarded messages": 1}


async def test_a_dry_run_removes_and_sends_nothing(yard: Yard) -> None:
    """And counts the same."""
    redriven, waiting = yard.job(), a_job()
    yard.store.put(waiting)
    yard.bury(waiting, reason=None)
    await yard.redrive(redriven)
    before = yard.sent
    assert await yard.tidy(dry_run=True) == {"removed": 1, "sent again": 1}
    assert (len(yard.dead.letters), yard.dead.hidden_count, yard.sent) == (2, 0, before)


async def test_many_are_seen_once_each(yard: Yard) -> None:
    """However many there are."""
    jobs = [yard.job() for _ in range(1_000)]
    await yard.redrive(*jobs[::2], rate=1e6)
    assert await yard.tidy() == {"removed": 500}
    assert (len(yard.dead.letters), yard.dead.hidden_count) == (500, 0)


async def test_what_cannot_be_put_back_comes_by_itself(yard: Yard) -> None:
    """Nothing is lost, it is only out of sight for a while."""
    yard.job()
    yard.dead.fail_next("put_back")
    await yard.tidy()
    assert yard.dead.hidden_count == 1
    await yard.clock.advance(LOOK.total_seconds())
    assert yard.dead.hidden_count == 0


async def test_without_the_table_nothing_is_removed(yard: Yard) -> None:
    """What a message is cannot be said."""
    yard.job()
    yard.store.fail_next("get_many")
    with pytest.raises(StoreUnavailable):
        await yard.tidy()
    assert (len(yard.dead.letters), yard.dead.hidden_count) == (1, 0)
