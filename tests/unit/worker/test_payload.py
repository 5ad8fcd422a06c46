"""Content beside the record: loaded under the lease and before the call, put aside before the record."""

import asyncio
import json
from dataclasses import replace

import pytest

from quarry.invocation import Invocation, result_document
from quarry.job import Job, JobStatus, StatusReason
from quarry.store.json_forms import invocation_json
from quarry.store.payloads import INLINE_MAX_BYTES
from quarry.testing import a_completion, a_job, an_invocation
from tests.unit.worker.conftest import Bench
from worker.outcome import Ack, Bury, Interruption, Release
from worker.payload import weight_of

LARGE = an_invocation("x" * 100_000, max_tokens=7)


async def large_job(bench: Bench, **changes: object) -> Job:
    """A job whose payload lies beside its record."""
    job = a_job(invocation=Invocation(), **changes)
    stored = await bench.payloads.put(job.tenant, job.request_id, "payload", invocation_json(LARGE).encode())
    return await bench.submitted(request_id=job.request_id, invocation=Invocation(), payload=stored, **changes)


async def test_a_stored_payload_is_what_the_model_gets(bench: Bench) -> None:
    """And the record stays as small as it was."""
    job = await large_job(bench)
    assert await bench.work() == Ack("completed")
    [call] = bench.provider.calls
    assert call.invocation == LARGE
    assert bench.store.job(job.request_id).invocation == Invocation()


async def test_a_bucket_that_is_away_costs_no_attempt(bench: Bench) -> None:
    """No call is made; the job waits a few seconds, not a minute."""
    job = await large_job(bench, max_attempts=1)
    bench.payloads.fail_next("get")
    settlement = await bench.work()
    waiting = bench.store.job(job.request_id)
    assert isinstance(settlement, Release)
    assert settlement.until == waiting.available_at
    assert 0 < (waiting.available_at - bench.clock.now()).total_seconds() <= 5
    assert (waiting.status, waiting.status_reason) == (JobStatus.QUEUED, StatusReason.WAITING_FOR_PAYLOAD)
    assert (waiting.attempts, len(bench.provider.calls)) == (0, 0)
    await bench.clock.advance(5)
    assert await bench.work() == Ack("completed")


@pytest.mark.parametrize("instead", [None, b"{}"])
async def test_a_lost_payload_ends_the_job(bench: Bench, instead: bytes | None) -> None:
    """Gone or spoilt: it fails with a code of its own, without a call, and is buried."""
    job = await large_job(bench)
    assert job.payload
    if instead is None:
        del bench.payloads.objects[job.payload.key]
    else:
        bench.payloads.objects[job.payload.key] = instead
    assert await bench.work() == Bury("payload_lost")
    failed = bench.store.job(job.request_id)
    assert (failed.status, failed.error and failed.error.code) == (JobStatus.FAILED, "payload_lost")
    assert not bench.provider.calls


async def test_a_small_answer_stays_in_the_record(bench: Bench) -> None:
    """Up to the bound; nothing is put aside."""
    for text, apart in (("x" * (INLINE_MAX_BYTES - 20), False), ("x" * INLINE_MAX_BYTES, True)):
        bench.provider.play(a_completion(text))
        job = await bench.submitted()
        assert await bench.work() == Ack("completed")
        done = bench.store.job(job.request_id)
        assert done.result
        assert (done.result_object is not None, done.result.text == "") == (apart, apart)


async def test_a_large_answer_lies_beside_the_record(bench: Bench) -> None:
    """As callers see a `result`; the record keeps what is small: reason, usage, who served it."""
    answer = a_completion("é\ud83d" * 20_000)
    bench.provider.play(answer)
    job = await bench.submitted()
    assert await bench.work() == Ack("completed")
    done = bench.store.job(job.request_id)
    assert done.result == replace(answer, content=())
    assert done.result_object
    assert json.loads(await bench.payloads.get(done.result_object)) == result_document(answer)


async def test_an_answer_in_hand_survives_a_bucket_that_is_away(bench: Bench) -> None:
    """It is put again until it is there, and then recorded: one call, however long that takes."""
    bench.provider.play(a_completion("x" * 100_000))
    job = await bench.submitted()
    bench.payloads.fail_next("put", times=3)
    bench.payloads.fail_next("put", applied=True)
    bench.store.fail_next("record", known=False)
    assert await bench.clock.run(bench.work()) == Ack("completed")
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
    assert len(bench.provider.calls) == 1
    assert len(bench.payloads.objects) == 1


async def test_a_job_waits_for_room_under_its_lease(bench: Bench) -> None:
    """Nothing is loaded before there is room. Who drains meanwhile hands it back uncalled."""
    job = await large_job(bench)
    bench.payloads.fail_next("get")  # would be met, were it loaded
    with bench.budget.share(2**20) as others:
        await others.take()
        working = asyncio.create_task(bench.work())
        await bench.clock.settle()
        assert not working.done()
        bench.leases.interrupt_all(Interruption.DRAINING)
        assert await working == Release(bench.clock.now(), "handed_back")
    assert bench.store.job(job.request_id).attempts == 0
    assert bench.budget.used_bytes == 0


async def test_room_is_kept_until_the_answer_is_recorded(bench: Bench) -> None:
    """An answer that cannot be recorded is in memory still."""
    job = await bench.submitted()
    bench.store.fail_next("record", times=2)
    working = asyncio.create_task(bench.work())
    await bench.clock.settle()
    assert bench.budget.used_bytes == weight_of(job)
    await bench.clock.advance(1)
    assert await working == Ack("completed")
    assert bench.budget.used_bytes == 0


def test_a_job_weighs_its_payload_and_what_it_may_answer() -> None:
    """A small one that asks for little is light, so that two thousand of them fit."""
    assert 2000 * weight_of(a_job()) < 256 * 2**20 / 4
    assert weight_of(a_job(invocation=an_invocation(max_tokens=64_000))) > 64_000 * 4
