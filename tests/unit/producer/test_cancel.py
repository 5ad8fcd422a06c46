"""Cancelling, when the job moves meanwhile."""

from collections.abc import Callable

import pytest

from quarry.errors import JobChanged, NotCancellable, StoreUnavailable
from quarry.job import Claimed, Job, JobStatus, Succeeded, advance
from quarry.testing.builders import NOW, a_completion, a_job, a_lease
from tests.unit.producer.conftest import Producer


def meanwhile(producer: Producer, *happenings: Callable[[Job], Job]) -> None:
    """Before each write of a cancel, something else happens to the job."""
    left = list(happenings)
    for name in ("replace", "request_cancel"):
        write = getattr(producer.store, name)

        async def beaten(job: Job, *rest: object, write: Callable[..., object] = write) -> object:
            if left:
                producer.store.put(left.pop(0)(producer.store.job(job.request_id)))
            return await write(job, *rest)  # type: ignore[misc]

        setattr(producer.store, name, beaten)


async def test_a_job_that_is_claimed_meanwhile_gets_word(producer: Producer) -> None:
    """Read again, and asked for in the way that then fits."""
    job = producer.store.put(a_job())
    meanwhile(producer, lambda seen: advance(seen, Claimed(a_lease()), NOW))
    cancelled, already = await producer.canceller.cancel("default", job.request_id)
    assert (cancelled.status, cancelled.cancel_requested, already) == (JobStatus.PROCESSING, True, False)


async def test_a_job_that_ends_meanwhile_is_not_cancelled(producer: Producer) -> None:
    """A completion in hand beats a cancel."""
    job = producer.store.put(advance(a_job(), Claimed(a_lease()), NOW))
    meanwhile(producer, lambda seen: advance(seen, Succeeded(a_completion()), NOW))
    with pytest.raises(NotCancellable):
        await producer.canceller.cancel("default", job.request_id)
    assert producer.store.job(job.request_id).status is JobStatus.COMPLETED


async def test_a_job_that_never_stands_still_is_a_503(producer: Producer) -> None:
    """The tries are bounded."""
    job = producer.store.put(a_job())

    async def always(*_: object) -> None:
        raise JobChanged("again")

    producer.store.replace = always  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable):
        await producer.canceller.cancel("default", job.request_id)


async def test_a_lease_that_ran_out_is_nobody(producer: Producer) -> None:
    """The job is cancelled at once, and the attempt that nobody finished is shown as unknown; within the margin it is held."""
    job = producer.store.put(advance(a_job(), Claimed(a_lease()), NOW))
    await producer.clock.advance(64)
    assert (await producer.canceller.cancel("default", job.request_id))[0].status is JobStatus.PROCESSING
    await producer.clock.advance(1)
    cancelled, _ = await producer.canceller.cancel("default", job.request_id)
    assert cancelled.status is JobStatus.CANCELLED
    assert [each.outcome.value for each in cancelled.attempt_history] == ["outcome_unknown"]
