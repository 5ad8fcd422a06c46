"""Redriving: record, then message; a few first; at a bounded rate; and going on after whatever interrupted it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.deadletters.discard import discard
from quarry.deadletters.reading import failed_jobs
from quarry.deadletters.redrive import CHUNK, CanaryFailed, Terms, redriven
from quarry.deadletters.selection import BURIED, Selection
from quarry.errors import PayloadsUnavailable, QueueUnavailable, StoreUnavailable
from quarry.job import Cancelled, Expired, Job, JobStatus, Priority, StatusReason, advance
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.privacy import Privacy
from quarry.testing import NOW, a_claimed_job, a_job, an_envelope
from tests.unit.deadletters.conftest import TERMS, Yard, ids

ERASING = "it is being erased, and cannot be put back to work"


def whats(yard: Yard) -> list[str]:
    return [done.what for done in yard.told]


# --- one job ----------------------------------------------------------------------------------------------------------


async def test_a_failed_job_goes_back_to_work(yard: Yard) -> None:
    """Its record first, with a new deadline; then a message of the new generation."""
    job = yard.job(max_attempts=2)
    await yard.redrive(job)
    now = await yard.now(job)
    assert (now.status, now.generation, now.deadline_at) == (JobStatus.QUEUED, 1, NOW + TERMS.deadline)
    assert (now.max_attempts, now.model) == (2, "default")
    assert yard.sent == [an_envelope(now)]
    assert [(done.request_id, done.what) for done in yard.told] == [(job.request_id, "redriven")]


async def test_budget_and_route_can_be_others(yard: Yard) -> None:
    """Where they are named."""
    job = yard.job()
    await yard.redrive(job, terms=Terms(timedelta(hours=2), max_attempts=7, model="other"))
    now = await yard.now(job)
    assert (now.max_attempts, now.model, now.deadline_at) == (7, "other", NOW + timedelta(hours=2))


@pytest.mark.parametrize("event", [Expired(), Cancelled()])
def test_what_expired_or_was_cancelled_can_be_redriven(event: Expired | Cancelled) -> None:
    """The operator named it."""
    job = redriven(advance(a_job(), event, NOW), TERMS, NOW)
    assert isinstance(job, Job)
    assert (job.status, job.cancel_requested, job.generation) == (JobStatus.QUEUED, False, 1)


def test_what_a_reader_sees_as_expired_can_be_redriven() -> None:
    """Even where no worker has written so yet."""
    job = redriven(a_job(deadline_at=NOW), TERMS, NOW)
    assert isinstance(job, Job)
    assert (job.status, job.generation) == (JobStatus.QUEUED, 1)


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (a_job(), "it is queued"),
        (a_job(generation=1), "it is queued, redriven before"),
        (a_claimed_job(), "it is processing"),
        (a_claimed_job(deadline_at=NOW), "it is processing"),
        (a_job(status=JobStatus.COMPLETED, generation=1), "it is completed, redriven before"),
        (a_job(status=JobStatus.FAILED, erasing=True), ERASING),
        (a_job(status=JobStatus.CANCELLED, erasing=True), ERASING),
        (a_job(deadline_at=NOW, erasing=True), ERASING),
        (a_job(erasing=True), ERASING),
    ],
)
def test_what_is_not_over_or_well_is_skipped(job: Job, why: str) -> None:
    """With a word why: so the same command can be run twice."""
    assert redriven(job, TERMS, NOW) == why


async def test_a_job_that_is_being_erased_is_left_alone(yard: Yard) -> None:
    """Its owner was promised that nothing more is done with it. Who redrives it is told, and the others are redriven."""
    erasing, other = yard.job(erasing=True), yard.job()
    await yard.redrive(erasing, other)
    assert await yard.now(erasing) == erasing
    assert yard.sent == [an_envelope(await yard.now(other))]
    assert [(done.request_id, done.what) for done in yard.told] == [
        (erasing.request_id, "skipped"),
        (other.request_id, "redriven"),
    ]


async def test_a_job_whose_time_is_over_does_not_come_back(yard: Yard) -> None:
    """For its callers it is none any more, by the policy of now, wherever it still lies."""
    job = yard.job()
    yard.tenants.become(Tenants(Policy(privacy=Privacy(retention_days=1))))
    await yard.clock.advance(86_400)
    late = yard.job()
    await yard.redrive(job, late)
    assert await yard.now(job) == job
    assert [(done.request_id, done.what) for done in yard.told] == [(job.request_id, "skipped"), (late.request_id, "redriven")]
    assert yard.told[0].note == "its time is over: it is erased, or will be"


async def test_an_unknown_job_is_told(yard: Yard) -> None:
    """And nothing is sent for it."""
    await yard.redrive(a_job())
    assert (whats(yard), yard.sent) == (["unknown"], [])


async def test_a_stored_payload_is_kept_alive(yard: Yard) -> None:
    """It would expire some time after the first deadline; where it is gone, the job is left as it is."""
    stored = await yard.payloads.put("default", "id", "payload", b"{}")
    kept, lost = yard.job(payload=stored), yard.job(payload=replace(stored, key="gone"))
    await yard.redrive(kept, lost)
    assert yard.payloads.refreshed == [stored.key]
    assert (await yard.now(kept)).status is JobStatus.QUEUED
    assert await yard.now(lost) == lost
    assert sorted(whats(yard)) == ["redriven", "skipped"]


async def test_without_the_payload_store_nothing_is_changed(yard: Yard) -> None:
    """It may come back."""
    job = yard.job(payload=await yard.payloads.put("default", "id", "payload", b"{}"))
    yard.payloads.fail_next("refresh")
    with pytest.raises(PayloadsUnavailable):
        await yard.redrive(job)
    assert await yard.now(job) == job


# --- whatever happens -------------------------------------------------------------------------------------------------


async def test_a_lost_answer_of_the_record_is_recognised(yard: Yard) -> None:
    """The record was written: its message is sent, once is enough."""
    job = yard.job()
    yard.store.fail_next("replace", applied=True)
    await yard.redrive(job)
    assert whats(yard) == ["redriven"]
    assert yard.sent == [an_envelope(await yard.now(job))]
    assert (await yard.now(job)).generation == 1


async def test_a_record_that_was_not_written_ends_the_run(yard: Yard) -> None:
    """No message goes out, and the next run finds the job where it was."""
    job = yard.job()
    yard.store.fail_next("replace")
    with pytest.raises(StoreUnavailable):
        await yard.redrive(job)
    assert (await yard.now(job), yard.sent) == (job, [])


async def test_a_message_that_was_not_sent_ends_the_run(yard: Yard) -> None:
    """The job is queued, and the sweep will look at it."""
    job = yard.job()
    yard.lane.fail_next("send")
    with pytest.raises(QueueUnavailable):
        await yard.redrive(job)
    now = await yard.now(job)
    assert (now.status, now.check_at is not None) == (JobStatus.QUEUED, True)


async def test_a_job_that_moves_meanwhile_is_skipped(yard: Yard) -> None:
    """Somebody gave it up at the same moment."""
    job = yard.job()
    read = yard.store.get_many

    async def overtaken(tenant: str, request_ids: list[str]) -> dict[str, Job]:
        found = await read(tenant, request_ids)
        yard.store.put(replace(job, revision=job.revision + 1))
        return found

    yard.store.get_many = overtaken  # type: ignore[method-assign, assignment]
    await yard.redrive(job)
    assert (whats(yard), yard.sent) == (["skipped"], [])


async def test_a_dry_run_changes_nothing(yard: Yard) -> None:
    """And tells the same."""
    jobs = [yard.job() for _ in range(3)]
    await yard.redrive(*jobs, a_job(), canary=2, dry_run=True)
    assert whats(yard) == ["redriven"] * 3 + ["unknown"]
    assert ([await yard.now(job) for job in jobs], yard.sent) == (jobs, [])


# --- the first few ----------------------------------------------------------------------------------------------------


async def started(yard: Yard, jobs: list[Job], canary: int, **settings: float) -> "asyncio.Task[None]":
    """A run under way, as far as it goes without time."""
    run = asyncio.ensure_future(yard.redriver(**settings).run(ids(jobs), canary, timedelta(minutes=5)))  # type: ignore[arg-type]
    await yard.clock.settle()
    return run


async def test_the_others_follow_when_the_first_have_ended_well(yard: Yard) -> None:
    """Not before."""
    jobs = [yard.job() for _ in range(8)]
    run = await started(yard, jobs, 3)
    await yard.clock.advance(60)
    assert len(yard.sent) == 3
    await yard.work(count=2)
    await yard.clock.advance(60)
    assert (len(yard.sent), run.done()) == (1, False)
    await yard.work()
    await yard.clock.run(run)
    assert len(yard.sent) == 5
    assert whats(yard) == ["redriven"] * 8


async def test_the_others_stay_when_one_fails_again(yard: Yard) -> None:
    """At once, though the other probes still run; nobody else was touched."""
    jobs = [yard.job() for _ in range(8)]
    run = await started(yard, jobs, 3)
    await yard.work(fail=[jobs[0].request_id], count=1)
    with pytest.raises(CanaryFailed, match=jobs[0].request_id):
        await yard.clock.run(run)
    assert [(await yard.now(job)).generation for job in jobs] == [1, 1, 1, 0, 0, 0, 0, 0]


async def test_the_others_stay_when_the_first_do_not_end(yard: Yard) -> None:
    """Nobody works them, say: after the time-out it says so."""
    jobs = [yard.job() for _ in range(4)]
    run = await started(yard, jobs, 3)
    await yard.clock.advance(301)
    with pytest.raises(CanaryFailed, match="3 of the first 3 have not ended yet"):
        await run
    assert len(yard.sent) == 3


async def test_a_probe_that_a_caller_cancels_is_no_bad_sign(yard: Yard) -> None:
    """It did not fail."""
    jobs = [yard.job() for _ in range(2)]
    run = await started(yard, jobs, 1)
    queued = await yard.now(jobs[0])
    await yard.store.replace(advance(queued, Cancelled(), NOW), queued, NOW)
    await yard.clock.run(run)
    assert (await yard.now(jobs[1])).generation == 1


async def test_without_others_nobody_is_watched(yard: Yard) -> None:
    """There is nothing to hold back."""
    jobs = [yard.job() for _ in range(3)]
    await yard.redriver().run(ids(jobs), 5, timedelta(minutes=5))
    await yard.redriver().run(ids([yard.job()]), 1, timedelta(minutes=5))
    assert len(yard.sent) == 4


async def test_what_is_skipped_is_no_probe(yard: Yard) -> None:
    """So many jobs are watched as were asked for."""
    done = [yard.job() for _ in range(3)]
    await yard.redrive(*done)
    jobs = [yard.job() for _ in range(4)]
    run = await started(yard, [*done, *jobs], 2)
    await yard.clock.advance(1)
    assert len(yard.sent) == len(done) + 2
    await yard.work()
    await yard.clock.run(run)
    assert len(yard.sent) == 2


# --- many -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.5, 5, 50])
async def test_the_rate_is_kept(yard: Yard, rate: float) -> None:
    """Over the whole run; and never more at once than fit into a second, or into one request."""
    jobs = [yard.job() for _ in range(100)]
    run = await started(yard, jobs, 0, rate=rate)
    at_once, start, before = max(1, min(CHUNK, rate)), yard.clock.monotonic(), 0
    while not run.done():
        sent = len(yard.sent)
        assert sent - before <= at_once
        elapsed = yard.clock.monotonic() - start
        assert elapsed * rate - at_once <= sent <= elapsed * rate + at_once
        before = sent
        await yard.clock.advance(1 / rate)
    assert len(yard.sent) == 100


async def test_many_jobs_stream_through(yard: Yard) -> None:
    """Each once; no more than a page of them is listed ahead of what is done."""
    for _ in range(1_000):
        yard.job(bury=False)
    selection, ahead, most = Selection("default", BURIED), 0, 0

    async def streamed() -> AsyncIterator[str]:
        nonlocal ahead, most
        async for job in failed_jobs(yard.store, selection, yard.clock):
            ahead += 1
            most = max(most, ahead - len(yard.told))
            yield job.request_id

    await yard.clock.run(yard.redriver(rate=1e6).run(streamed(), 0, timedelta(0)))
    assert (len({done.request_id for done in yard.told}), set(whats(yard))) == (1_000, {"redriven"})
    assert most <= CHUNK + 1


async def test_a_run_that_was_interrupted_goes_on(yard: Yard) -> None:
    """The same command again: what was redriven is no longer failed, and nothing is redriven twice."""
    jobs = [yard.job() for _ in range(60)]
    selection = Selection("default", BURIED)

    async def run(stop_at: int) -> None:
        async with aclosing(failed_jobs(yard.store, selection, yard.clock)) as found:
            chosen = [job async for job in found if isinstance(job, Job)]
        await yard.clock.run(yard.redriver().run(ids(chosen[:stop_at]), 0, timedelta(0)))

    await run(stop_at=27)
    await run(stop_at=60)
    assert {(await yard.now(job)).generation for job in jobs} == {1}
    assert len(yard.sent) == 60


# --- giving up --------------------------------------------------------------------------------------------------------


async def test_a_discarded_job_is_given_up(yard: Yard) -> None:
    """It stays failed; again, or where there is nothing to give up, is said and harmless."""
    job, fine, unknown = yard.job(), a_job(), a_job()
    yard.store.put(fine)
    for _ in range(2):
        await discard(yard.store, yard.clock, yard.report, "default", ids([job, fine, unknown]), dry_run=False)
    assert whats(yard) == ["discarded", "skipped", "unknown", "skipped", "skipped", "unknown"]
    now = await yard.now(job)
    assert (now.status, now.status_reason, now.finished_at) == (JobStatus.FAILED, StatusReason.DISCARDED, job.finished_at)
    assert await yard.now(fine) == fine


async def test_a_dry_discard_changes_nothing(yard: Yard) -> None:
    """And tells the same."""
    job = yard.job()
    await discard(yard.store, yard.clock, yard.report, "default", ids([job]), dry_run=True)
    assert (whats(yard), await yard.now(job)) == (["discarded"], job)


async def test_a_job_is_redriven_in_its_lane(yard: Yard) -> None:
    """Its messages are where its priority says, those that are sent again by a walk through the dead letters too."""
    await yard.redrive(yard.job(priority=Priority.LOW), yard.job())
    assert (len(yard.low.bodies), len(yard.lane.bodies)) == (1, 1)
    stranded = a_job(priority=Priority.LOW)
    yard.store.put(stranded)
    yard.bury(stranded, reason=None)
    assert (await yard.tidy())["sent again"] == 1
    assert (len(yard.low.bodies), len(yard.lane.bodies)) == (2, 1)
