"""A worker that stands still for longer than its lease: it has lost its jobs, and nothing that it does afterwards counts."""

import json

from tests.support.fleet import Worker, fleet
from tests.support.judge import Account
from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_a_paused_worker_is_fenced_off(stack: Stack, simulator: Simulator) -> None:
    """SIGSTOP with two jobs in flight: one whose answer comes during the pause, one whose call never ends. Another worker completes
    both, and counts them. After SIGCONT the answer in hand is not recorded, and the endless call is closed.

    Red when: `quarry/store/expressions.py`:
    `condition = "#lease_token = :token"` -> `condition = "attribute_exists(#pk)"`: the paused owner's answer is recorded.
    """
    stack.use(simulator)
    simulator.rule(match={"text_contains": "answered"}, act={"delay_seconds": 6, "text": "of the paused worker"}, times=1)
    simulator.rule(match={"text_contains": "endless"}, act={"delay_seconds": 600}, times=1)
    with fleet(stack, QUARRY_WORKER__LEASE_SECONDS="10") as workers, stack.running_api():
        paused = workers.start()
        workers.await_all()
        answered, endless = stack.submit(prompt="answered"), stack.submit(prompt="endless")
        eventually(lambda: simulator.calls()["calls"] == 2)
        paused.pause()
        other = workers.start()
        jobs = [stack.finished(answered, 60), stack.finished(endless)]
        records = [stack.item(answered), stack.item(endless)]
        assert simulator.calls()["by_outcome"] == {"answered": 3}
        paused.resume()
        eventually(lambda: _finished_attempts(paused) == 2, what="the paused worker to notice")
        assert [stack.item(answered), stack.item(endless)] == records
        eventually(stack.queue_is_empty)
        eventually(lambda: simulator.calls()["by_outcome"].get("client_left"), what="the endless call to be closed")
        paused.scrape()
        other.scrape()
        account = Account.of(stack, simulator, workers)
    for job, text in zip(jobs, ("answered", "endless"), strict=True):
        assert (job["status"], job["attempts"], job["result"]["text"]) == ("completed", 2, text)
        assert [each["outcome"] for each in job["attempt_history"]] == ["outcome_unknown", "completed"]
    account.assert_paid_for()
    assert other.counted == {"worker_vanished": 2}
    # Not counted by the one who lost them as well: each was paid again once.
    assert paused.counted == {}
    assert account.counted == account.logged
    assert account.by_outcome == {"answered": 3, "client_left": 1}
    assert stack.dead_letters() == []


def _finished_attempts(worker: Worker) -> int:
    """Of a worker that lost its lease: each is told in its log. Of a line that is just being written there may be a part."""
    lines = [json.loads(line) for line in worker.process.output.rpartition("\n")[0].splitlines()]
    return sum(line["event"] == "attempt.finished" and line["outcome"] == "LeaseLost" for line in lines)
