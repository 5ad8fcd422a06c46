"""A running job is cancelled within seconds: its call is closed, and what that may have cost is said."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.processes import Process, eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@pytest.fixture
def worker(stack: Stack, simulator: Simulator) -> Iterator[Process]:
    """A worker whose leases are long: their renewals come too late for these tests."""
    stack.use(simulator)
    with stack.running_worker(QUARRY_WORKER__LEASE_SECONDS="600") as process:
        yield process


@pytest.fixture
def api(stack: Stack, worker: Process) -> Iterator[httpx.Client]:
    """An API beside it."""
    with stack.running_api() as client:
        yield client


def test_a_running_job_is_cancelled_within_seconds(stack: Stack, simulator: Simulator, api: httpx.Client, worker: Process) -> None:
    """Long before its lease is renewed; its neighbour goes on. The worker does not read a job for it.

    Red when: `worker/lease.py`: `if each.token in tokens]` -> `if False]`
    Red when: `worker/lease.py`: `if each.token in tokens]` -> `]`
    """
    simulator.rule({"delay_seconds": 20}, match={"text_contains": "slow"})
    simulator.rule({"delay_seconds": 4}, match={"text_contains": "neighbour"})
    slow, neighbour = stack.submit(prompt="slow"), stack.submit(prompt="neighbour")
    eventually(lambda: simulator.calls()["calls"] == 2)
    asked_at = time.monotonic()
    answer = api.post(f"/v1/jobs/{slow}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["cancel_requested"]) == (202, "processing", True)
    job = stack.finished(slow, seconds=15)
    assert job["status"] == "cancelled"
    assert time.monotonic() - asked_at < 5
    [attempt] = job["attempt_history"]
    assert (attempt["outcome"], attempt["error"]["code"]) == ("cancelled", "call_closed")
    # Counted once it is recorded, so a moment after it can be read.
    eventually(lambda: 'quarry_attempts_total{outcome="Cancelled"} 1.0' in stack.metrics(worker))
    assert stack.finished(neighbour)["status"] == "completed"
    eventually(stack.queue_is_empty)
    assert api.post(f"/v1/jobs/{slow}/cancel").status_code == 200


def test_a_cancel_and_an_answer_have_one_winner(stack: Stack, simulator: Simulator, api: httpx.Client) -> None:
    """Whoever comes first: each job ends as one of both, once, and what was answered is kept.

    Red when: `worker/record.py`: `await self._store.record(job, held.token)` -> `await asyncio.sleep(0)`
    """
    simulator.rule({"delay_seconds": 2})
    ids = stack.submit_many(20)
    eventually(lambda: simulator.calls()["calls"] == len(ids))
    for request_id in ids:
        assert api.post(f"/v1/jobs/{request_id}/cancel").status_code in (200, 202, 409)
    for request_id in ids:
        job = stack.finished(request_id)
        assert job["status"] in ("cancelled", "completed")
        assert (job["result"] is not None) is (job["status"] == "completed")
        assert len(job["attempt_history"]) == 1
    eventually(stack.queue_is_empty)
    assert simulator.calls()["calls"] == len(ids)
