"""A fleet whose workers are killed all the time: every job ends, and what is paid again was in flight when a worker died."""

import math
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.support.figures import figures
from tests.support.fleet import Fleet, fleet
from tests.support.judge import Account
from tests.support.processes import every
from tests.support.proxy import Fault, FaultProxy, leading_to
from tests.support.simulator import Simulator
from tests.support.stack import Stack

WORKERS: Final = 4
SETTINGS: Final = {"QUARRY_WORKER__SLOTS": "20", "QUARRY_WORKER__LEASE_SECONDS": "10"}
#: Printed, and to be set for a replay.
SEED: Final = int(os.environ.get("CHAOS_SEED", "1"))


@dataclass(frozen=True)
class Size:
    """Of a run. Kills end when there were so many; None: they go on until the last job is done. `faults` are those of SQS and
    DynamoDB, each with its probability for one request, for `bad_seconds`.
    """

    jobs: int
    kills: int | None
    limit_seconds: float
    faults: Mapping[Fault, float] = field(default_factory=dict)
    bad_seconds: float = math.inf
    seed: int = 1


#: Of ten requests one and a half go wrong. Our own choice: far beyond what AWS does on a bad day.
BAD: Final = {
    Fault.CUT: 0.02,
    Fault.LOST: 0.03,
    Fault.TWICE: 0.03,
    Fault.SLOW: 0.03,
    Fault.THROTTLED: 0.02,
    Fault.UNAVAILABLE: 0.02,
}
LONG: Final = (pytest.mark.long, pytest.mark.timeout(900))


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(
            Size(jobs=300, kills=3, limit_seconds=100, faults=BAD, bad_seconds=12, seed=SEED),
            id="short",
            marks=pytest.mark.timeout(180),
        ),
        pytest.param(Size(jobs=10_000, kills=None, limit_seconds=840), id="long", marks=LONG),
        pytest.param(Size(jobs=3_000, kills=40, limit_seconds=840, faults=BAD, seed=SEED), id="bad_network", marks=LONG),
    ],
)
def test_a_worker_killed_every_second(stack: Stack, aws_url: str, simulator: Simulator, size: Size) -> None:
    """Four workers, one killed with SIGKILL every second and replaced. In a bad network, SQS and DynamoDB break connections before
    and after they have done what was asked, are slow, throttle, and are asked twice. Every job completes, but for the one
    in thousands on which five workers died: that one is failed and buried. Each call that is paid again was in flight at a kill:
    its job's history shows an attempt that nobody saw end, and it was counted.

    Red when: `worker/report.py`: `counter.labels("worker_vanished").inc()` -> `pass`: nothing is counted.
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 0.1})
    with ExitStack() as running:
        proxies = [running.enter_context(FaultProxy(each, aws_url, seed=size.seed)) for each in ("sqs", "dynamodb") if size.faults]
        workers = running.enter_context(fleet(stack, **SETTINGS, **leading_to(*proxies)))
        for _ in range(WORKERS):
            workers.start()
        running.enter_context(stack.running_api())
        workers.await_all()
        for proxy in proxies:
            proxy.faults(size.faults, size.bad_seconds)
        requests = stack.submit_many(size.jobs)
        started = time.monotonic()
        killed = _kill(workers, stack, size)
        seconds = time.monotonic() - started
        account = Account.of(stack, simulator, workers)
    met = sum((proxy.met for proxy in proxies), Counter[Fault]())
    with figures(f"fleet: {size.jobs} jobs, {WORKERS} workers, {killed} SIGKILLs in {seconds:.0f} s; seed {size.seed}") as table:
        table += [
            ("jobs by status", f"all of {size.jobs} terminal", str(account.statuses)),
            ("seconds between kills", "1" if size.kills is None else "-", f"{seconds / max(killed, 1):.2f}"),
            ("faults met by requests", "-", f"{dict(met)} of {met.total() + sum(proxy.passed for proxy in proxies)}"),
            ("attempts that nobody saw end", "-", str(account.unseen)),
            ("of these, calls open at the simulator", "-", str(account.by_outcome.get("client_left", 0))),
            ("calls paid again", f"<= {account.unseen}", str(account.paid_again)),
            ("counted, by the logs", f">= {account.paid_again}", str(dict(account.logged))),
            ("counted, by the metrics", "-", str(dict(account.counted))),
            ("given up after five take-overs", f"<= {size.jobs // 1000}", str(len(account.given_up))),
            ("take-overs of one job, at most", "5", str(max(job.takeovers for job in account.jobs.values()))),
        ]
    account.assert_all_terminal()
    # At this pace a worker lives for four seconds: one job in some thousands meets five deaths by chance.
    assert len(account.given_up) <= size.jobs // 1000
    account.assert_completed(set(requests) - account.given_up)
    account.assert_paid_for()
    assert set(account.logged) <= {"worker_vanished"}
    # A count between the last reading of a worker's metrics and its death is lost with it.
    assert account.logged.total() - killed <= account.counted.total() <= account.logged.total()
    assert account.by_outcome.get("client_left", 0) <= account.unseen
    assert {letter["MessageAttributes"]["request_id"]["StringValue"] for letter in stack.dead_letters()} == account.given_up


def _kill(workers: Fleet, stack: Stack, size: Size) -> int:
    """Kill the oldest of the fleet every second, and replace it at once, until every message is settled; returns the kills."""
    killed = 0
    for _ in every(1.0, stack.queue_is_empty, limit=size.limit_seconds):
        alive = workers.alive()
        # Where starting takes longer than the pace allows, the last one lives: else nothing would ever be done.
        if len(alive) > 1 and (size.kills is None or killed < size.kills):
            alive[0].kill()
            workers.start()
            killed += 1
    return killed
