"""Jobs whose content is not stored, and those whose time is over: what a worker writes of them, and what its sweep erases."""

from datetime import timedelta

import pytest

from quarry.errors import InvocationRejected
from quarry.job import WORDLESS, JobStatus, Succeeded, advance
from quarry.store.item import to_item
from quarry.store.json_forms import invocation_json
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.privacy import Privacy
from quarry.testing import a_claimed_job, a_completion, a_job, an_invocation
from quarry.testing.builders import NOW
from tests.unit.worker.conftest import Bench

CANARY = "canary 4711"
DAY = 86_400


async def submitted(bench: Bench) -> str:
    """A job whose prompt lies in the bucket alone."""
    job = a_job(store_content=False, brief=True)
    content = invocation_json(an_invocation(CANARY)).encode()
    payload = await bench.payloads.put("default", job.request_id, "payload", content)
    return (await bench.submitted(request_id=job.request_id, store_content=False, brief=True, payload=payload)).request_id


async def swept(bench: Bench) -> int:
    bench.nothing_waits()
    return await bench.sweep.once()


async def test_an_answer_goes_to_the_bucket_and_the_prompt_goes(bench: Bench) -> None:
    """Of both the table has nothing."""
    request_id = await submitted(bench)
    bench.provider.play(CANARY)
    await bench.work()
    job = bench.store.job(request_id)
    assert (job.status, job.result_object is not None) == (JobStatus.COMPLETED, True)
    assert CANARY not in str(to_item(job, 0))
    assert [key for key in bench.payloads.objects if "/payload-" in key] == []
    assert CANARY.encode() in b"".join(bench.payloads.objects.values())


async def test_what_a_provider_says_of_a_request_is_not_kept(bench: Bench) -> None:
    """It may quote the prompt; the code stays."""
    request_id = await submitted(bench)
    bench.provider.play(InvocationRejected(f"bad prompt: {CANARY}"))
    await bench.work()
    job = bench.store.job(request_id)
    assert job.error
    assert (job.error.code, job.error.message) == ("invocation_rejected", WORDLESS)
    assert CANARY not in str(to_item(job, 0))


async def test_a_prompt_that_could_not_be_deleted_goes_with_the_rest(bench: Bench) -> None:
    """The job is recorded as ever; when its time is over, the sweep erases all of it."""
    request_id = await submitted(bench)
    bench.payloads.fail_next("erase")
    await bench.work()
    assert [key for key in bench.payloads.objects if "/payload-" in key]
    assert await swept(bench) == 0
    await bench.clock.advance(DAY + 1)
    assert await swept(bench) == 1
    assert (bench.store.found("default", request_id), bench.payloads.objects) == (None, {})


@pytest.mark.parametrize(("days", "is_erased"), [(1, True), (3, False)])
async def test_the_policy_of_now_says_when_it_is_erased(bench: Bench, days: int, is_erased: bool) -> None:
    """Not that of its submission. It is looked at again when its time has come."""
    bench.tenants.become(Tenants(Policy(privacy=Privacy(retention_days=1))))
    job = bench.store.put(advance(a_claimed_job(brief=True), Succeeded(a_completion()), NOW))
    other = bench.store.put(advance(a_claimed_job(), Succeeded(a_completion()), NOW))
    await bench.clock.advance(timedelta(days=2).total_seconds())
    [_] = await bench.erasures.over(bench.clock.now(), 10)
    bench.tenants.become(Tenants(Policy(privacy=Privacy(retention_days=days))))
    assert await swept(bench) == is_erased
    assert (bench.store.found("default", job.request_id) is None) is is_erased
    assert bench.store.found("default", other.request_id) is not None
    await bench.clock.advance(timedelta(days=1).total_seconds())
    await swept(bench)
    assert bench.store.found("default", job.request_id) is None
