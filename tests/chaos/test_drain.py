"""A worker that is told to stop under load: nothing lost, nothing paid twice, and out of the way in time."""

import signal
import time

import pytest

from tests.support.figures import figures
from tests.support.fleet import fleet
from tests.support.judge import Account
from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@pytest.mark.parametrize(
    ("jobs", "in_flight", "latency_seconds"),
    [pytest.param(60, 20, 1, id="short"), pytest.param(200, 50, 2, id="long", marks=pytest.mark.long)],
)
def test_a_drain_loses_nothing_and_pays_once(
    stack: Stack, simulator: Simulator, jobs: int, in_flight: int, latency_seconds: int
) -> None:
    """SIGTERM with every slot busy: exit 0 in under 30 s; another worker finishes the rest; as many calls as jobs.

    Red when: `worker/shutdown.py`:
    `if not await loop.finish(max(budget_seconds - reserve, 0)):` -> `if True:`: calls are cut at once.
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": latency_seconds})
    settings = {"QUARRY_WORKER__SLOTS": str(in_flight), "QUARRY_WORKER__DRAIN_SECONDS": "25"}
    what = f"drain: {jobs} jobs, {in_flight} in flight of {latency_seconds} s, SIGTERM"
    with fleet(stack, **settings) as workers, stack.running_api(), figures(what) as table:
        first = workers.start()
        workers.await_all()
        requests = stack.submit_many(jobs)
        eventually(lambda: simulator.calls()["calls"] >= in_flight)
        workers.start()
        started = time.monotonic()
        first.process.signal(signal.SIGTERM)
        code = first.process.popen.wait(40)
        seconds = time.monotonic() - started
        eventually(stack.queue_is_empty, seconds=40)
        account = Account.of(stack, simulator, workers)
        lost = sum(account.jobs[each].status != "completed" for each in requests)
        table += [("lost", "0", str(lost)), ("paid twice", "0", str(account.paid_again)), ("exit code", "0", str(code))]
        table.append(("seconds to exit", "< 30", f"{seconds:.1f}"))
    account.assert_completed(requests)
    assert (account.paid_again, account.unseen, code) == (0, 0, 0)
    assert simulator.calls()["calls"] == jobs
    assert seconds < 30


def test_calls_that_a_drain_cuts_are_counted_and_completed_later(stack: Stack, simulator: Simulator) -> None:
    """A budget of 1 s for calls of minutes: each one cut is handed back, counted under `draining`, shown, and paid again once.

    Red when: `worker/outcome.py`:
    `HandedBack(call_cut=result.call_started), Release(now, "handed_back")` ->
    `HandedBack(call_cut=False), Release(now, "handed_back")`: the history does not show the cut attempt.
    """
    stack.use(simulator)
    # None of them is answered in the moment in which it is cut: then both would be right, and the figures would differ.
    endless = simulator.rule(act={"delay_seconds": 600})
    with fleet(stack, QUARRY_WORKER__SLOTS="20") as workers, stack.running_api():
        first = workers.start(QUARRY_WORKER__DRAIN_SECONDS="1")
        workers.await_all()
        requests = stack.submit_many(30)
        eventually(lambda: simulator.calls()["calls"] >= 15)
        first.process.signal(signal.SIGTERM)
        assert first.process.popen.wait(20) == 0
        cut = simulator.calls()["calls"]
        simulator.drop(endless)
        workers.start()
        eventually(stack.queue_is_empty, seconds=40)
        account = Account.of(stack, simulator, workers)
    account.assert_completed(requests)
    account.assert_paid_for()
    assert account.by_outcome["client_left"] == account.paid_again == account.unseen == account.logged["draining"] == cut
