"""A worker that dies in the middle of a call: another completes the job, and nothing that the dead one still sends counts."""

import asyncio
import signal
from datetime import timedelta

import pytest

from quarry.aws import dynamodb_client
from quarry.clock import SystemClock
from quarry.errors import LeaseLost
from quarry.job import Job, Succeeded, advance
from quarry.store.dynamodb import DynamoStore
from quarry.store.item import from_item
from quarry.testing import a_completion
from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import REGION, Stack


def test_another_completes_the_job_and_the_late_write_is_fenced_off(
    stack: Stack, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL during a call. The job is taken over and completed; the dead owner's answer, written late, is refused and changes
    nothing, before the new owner has recorded as well as after. The history shows the cut attempt, the metric counts the call.

    Red when: `quarry/store/expressions.py`:
    `condition = "#lease_token = :token"` -> `condition = "attribute_exists(#pk)"`: the dead owner's answer is recorded.
    """
    for name, value in stack.environ().items():
        monkeypatch.setenv(name, value)
    stack.use(simulator)
    stack.env["QUARRY_WORKER__LEASE_SECONDS"] = "10"
    simulator.rule(act={"hang": True}, times=1)
    simulator.rule(act={"delay_seconds": 6})
    with stack.running_api():
        with stack.running_worker("first") as first:
            request_id = stack.submit(prompt="Hello")
            eventually(lambda: simulator.calls()["calls"] == 1)
            first.signal(signal.SIGKILL)
            assert first.popen.wait(10) == -signal.SIGKILL
        orphaned = from_item(stack.item(request_id))
        with stack.running_worker("second", QUARRY_WORKER__LEASE_SECONDS="60") as second:
            eventually(lambda: simulator.calls()["calls"] == 2, seconds=30, what="the job to be taken over")
            # However long the write takes, the answer is not recorded before it.
            second.signal(signal.SIGSTOP)
            _write_late(stack, orphaned)
            assert stack.job(request_id)["status"] == "processing"
            second.signal(signal.SIGCONT)
            job = stack.finished(request_id)
            recorded = stack.item(request_id)
            _write_late(stack, orphaned)
            assert stack.item(request_id) == recorded
            eventually(stack.queue_is_empty)
            assert 'quarry_calls_repeated_total{reason="worker_vanished"} 1.0' in stack.metrics(second)
    assert (job["status"], job["attempts"], job["result"]["text"]) == ("completed", 2, "Hello")
    assert [each["outcome"] for each in job["attempt_history"]] == ["outcome_unknown", "completed"]
    assert simulator.calls()["calls"] == 2
    assert stack.dead_letters() == []


def _write_late(stack: Stack, orphaned: Job) -> None:
    """Record an answer as the dead owner would have, with the token that it had."""
    assert orphaned.lease
    token, answered = orphaned.lease.token, advance(orphaned, Succeeded(a_completion("too late")), SystemClock().now())

    async def record() -> None:
        async with dynamodb_client(REGION, 1) as client:
            await DynamoStore(client, stack.name, timedelta(days=14)).record(answered, token)

    with pytest.raises(LeaseLost):
        asyncio.run(record())
