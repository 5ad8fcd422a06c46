"""Workers that are stopped, and killed: nothing is lost."""

import pytest

from tests.support.containers import MIB, Site
from tests.support.processes import eventually

pytestmark = pytest.mark.containers

#: As ECS has it at most, in the proportion of the test: what the platform waits, and the drain that has to be shorter.
GRACE_SECONDS, DRAIN_SECONDS = 30, 25


def test_a_worker_under_load_drains_within_its_grace(here: Site, figures: dict[str, str]) -> None:
    """SIGTERM with half of its slots busy, or more: the calls end and are recorded, it exits with 0 before it would be killed,
    another one does the rest, and nothing is paid twice.
    """
    here.simulator.rule(act={"delay_seconds": 8})
    settings = {"QUARRY_WORKER__SLOTS": "20", "QUARRY_WORKER__DRAIN_SECONDS": str(DRAIN_SECONDS)}
    with here.producer(), here.worker(**settings, QUARRY_WORKER__GRACE_SECONDS=str(GRACE_SECONDS)) as first:
        requests = here.stack.submit_many(60)
        eventually(lambda: here.simulator.calls()["calls"] >= 20, seconds=60)
        code, seconds = first.stop(GRACE_SECONDS)
        [begun] = [each["in_flight"] for each in first.events if each["event"] == "drain.started"]
        [cut] = [each["cut"] for each in first.events if each["event"] == "drain.finished"]
        with here.worker(**settings):
            eventually(here.stack.queue_is_empty, seconds=90)
        account = here.account()
    account.assert_completed(requests)
    assert (code, cut, account.paid_again, account.unseen) == (0, 0, 0, 0)
    assert here.simulator.calls()["calls"] == len(requests)
    # All 20 were busy a moment ago; jobs that have ended left theirs, and what is received next goes into several at once.
    assert begun >= 10
    assert seconds < GRACE_SECONDS
    figures["drain under load: jobs in flight, of 8 s each"] = str(begun)
    figures[f"drain under load: seconds until exit (drain {DRAIN_SECONDS}, killed after {GRACE_SECONDS})"] = f"{seconds:.1f}"


def test_a_worker_that_the_kernel_kills_for_memory_loses_nothing(here: Site, figures: dict[str, str]) -> None:
    """Jobs too large for its container: it is killed in the middle of them, and a worker that has room completes them all. What was
    called in vain is in the jobs' history.
    """
    # So long that the jobs pile up in the worker.
    rule = here.simulator.rule(act={"delay_seconds": 30})
    settings = {"QUARRY_WORKER__LEASE_SECONDS": "10", "QUARRY_WORKER__SWEEP_SECONDS": "1"}
    small = {"mem_limit": 150 * MIB, "memswap_limit": 150 * MIB}
    with here.producer(), here.worker(small, **settings) as victim:
        requests = [here.stack.submit(prompt=f"{i} " + "memory " * 900_000) for i in range(10)]
        code = victim.ended(120)
        assert (code, victim.state["OOMKilled"]) == (137, True)
        unfinished = sum(here.stack.job(each)["status"] != "completed" for each in requests)
        here.simulator.drop(rule)
        with here.worker(**settings):
            eventually(here.stack.queue_is_empty, seconds=120)
        account = here.account()
    account.assert_completed(requests)
    account.assert_paid_for()
    assert unfinished > 0
    figures["worker killed for memory: jobs that another one completed"] = f"{unfinished} of {len(requests)}"
