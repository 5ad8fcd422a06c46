"""Quotas that nobody tells us: nearly all of them is used, few calls are throttled, and no job is lost."""

import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import pytest

from quarry.job import JobStatus
from tests.support.figures import figures, kept
from tests.support.fleet import fleet
from tests.support.judge import Account
from tests.support.processes import eventually
from tests.support.routing import route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

REGIONS: Final = "us-east-1", "us-east-2", "us-west-2"
LONG: Final = (pytest.mark.long, pytest.mark.timeout(600))
#: What a job of the token quotas uses: its words, and as many again, since they are echoed. As many more are held back meanwhile.
TOKENS: Final = 200
#: The last jobs find nobody to share the route with.
TAIL: Final = 100


@dataclass(frozen=True)
class Run:
    """What is done, and what is asked of it."""

    refill: Mapping[str, Any]
    workers: int
    seed: int = 0
    limit: str = "requests"
    jobs: int = 3000
    regions: int = 3
    #: Of the quota, in the steady state; and throttled calls a job.
    use: float = 0.97
    throttled: float = 0.02
    cold_seconds: float = 30.0


@dataclass(frozen=True)
class Served:
    """What one region granted and served, second by second of the epoch."""

    quota_per_second: float
    refill: Mapping[str, Any]
    units: Mapping[int, int]
    throttled: Mapping[int, int]

    def part(self, begin: float, end: float) -> tuple[float, float]:
        """Units served from the one moment to the other, and what the quota would have granted. By the minute: of whole minutes and
        the last, begun one, of which nothing counts that came too early.
        """
        if self.refill["refill"] == "minute":
            begin = math.ceil(begin / 60) * 60.0
        if end - begin < 1:
            return 0.0, 0.0
        served = float(sum(units for second, units in self.units.items() if begin <= second < end))
        if self.refill["refill"] == "minute":
            last = begin + (end - begin) // 60 * 60
            early = sum(units for second, units in self.units.items() if last <= second < end) - self.quota_per_second * (
                end - last
            )
            served -= max(early, 0.0)
        return served, self.quota_per_second * (end - begin)


def _served(simulator: Simulator, run: Run) -> Iterator[Served]:
    for pair in simulator.quotas():
        seconds, first = pair["by_second"], pair["first_call_at"] + pair["by_second"]["first"]
        per_minute = pair[f"{run.limit}_per_minute"]
        units = seconds["served" if run.limit == "requests" else "tokens"]
        yield Served(
            per_minute / 60,
            run.refill,
            {int(first + i): units[i] for i in range(len(units))},
            {int(first + i): seconds["throttled"][i] for i in range(len(units))},
        )


SMOOTH: Final[Mapping[str, Any]] = {"refill": "smooth", "burst_seconds": 10}
MINUTE: Final[Mapping[str, Any]] = {"refill": "minute"}


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(
            Run({**SMOOTH, "burst_seconds": 1}, 1, jobs=250, regions=1, use=0.9, throttled=0.05, cold_seconds=8), id="short"
        ),
        *(
            pytest.param(
                Run(
                    refill,
                    workers,
                    seed,
                    limit,
                    jobs=3000 if refill is SMOOTH else 6000,
                    use=0.97 if workers == 1 else 0.95,
                    throttled=0.02 if workers == 1 else 0.05,
                ),
                id=f"{limit}-{refill['refill']}-{workers}-{seed}",
                marks=LONG,
            )
            for limit in ("requests", "tokens")
            for refill in (SMOOTH, MINUTE)
            for workers in (1, 4)
            for seed in range(5)
        ),
    ],
)
def test_an_unknown_quota_is_used_and_not_overrun(stack: Stack, simulator: Simulator, run: Run) -> None:
    """Three regions whose quotas nobody has told us; more work than they take. All of it completes, nearly all of the quota is used
    once it was found, and hardly a call is throttled.

    Red when: `quarry/inference/pace.py`: `wait = self._owed / self.rate - _BURST_SECONDS` -> `wait = 0.0`: nothing holds a call up.
    """
    stack.use(simulator)
    draw = random.Random(run.seed)  # noqa: S311 - the same quotas each time
    regions = REGIONS[: run.regions]
    stack.declare(route(*map(target, regions)))
    simulator.rule({"first_token_seconds": 0.5, "jitter": 0.1})
    for region in regions:
        per_minute = draw.uniform(450, 750)
        limit = {"tokens_per_minute": per_minute * TOKENS} if run.limit == "tokens" else {"requests_per_minute": per_minute}
        simulator.quota(region=region, **{**limit, **run.refill})
    with ExitStack() as running:
        running.enter_context(stack.running_api())
        requests: list[str] = []
        while len(requests) < run.jobs:
            body = {"prompt": "x" * 400, "max_tokens": 300} if run.limit == "tokens" else {}
            requests += stack.submit_many(min(500, run.jobs - len(requests)), **body)
        workers = running.enter_context(fleet(stack, QUARRY_WORKER__SLOTS="100"))
        for _ in range(run.workers):
            workers.start()
        workers.await_all()
        eventually(stack.queue_is_empty, seconds=400)
        account = Account.of(stack, simulator, workers)
    served = list(_served(simulator, run))
    began = min(second for each in served for second, units in each.units.items() if units)
    every = Counter[int]()
    for each in served:
        every.update(each.units)
    done = list(accumulate(every[second] for second in sorted(every)))
    ended = sorted(every)[bisect_left(done, done[-1] * (1 - TAIL / run.jobs))]
    parts = [each.part(began + run.cold_seconds, ended) for each in served]
    use = sum(units for units, _ in parts) / max(sum(granted for _, granted in parts), 1e-9)
    cold = sum(count for each in served for second, count in each.throttled.items() if second < began + run.cold_seconds)
    throttled = sum(sum(each.throttled.values()) for each in served)
    with figures(f"{run.regions} regions, {run.limit}, {dict(run.refill)}, {run.workers} workers, seed {run.seed}") as table:
        table += [
            ("jobs by status", f"{run.jobs} completed", str(account.statuses)),
            (f"use of the quotas after {run.cold_seconds:.0f} s", f">= {run.use}", f"{use:.3f} of {sum(g for _, g in parts):.0f}"),
            ("throttled calls a job", f"<= {run.throttled}", f"{throttled / run.jobs:.4f} ({throttled:.0f})"),
            ("of them in the cold start", "-", f"{cold:.0f}"),
            ("seconds until the work was done", "-", str(ended - began)),
        ]
    kept(
        "QUOTA_FIGURES",
        f"{run.limit}-{run.refill['refill']}-{run.workers}-{run.seed}",
        {
            "limit": run.limit,
            "refill": run.refill["refill"],
            "workers": run.workers,
            "seed": run.seed,
            "jobs": run.jobs,
            "completed": account.statuses.get(JobStatus.COMPLETED, 0),
            "asked_use": run.use,
            "use": use,
            "asked_throttled": run.throttled,
            "throttled": throttled,
            "cold": cold,
        },
    )
    account.assert_completed(requests)
    assert throttled <= run.throttled * run.jobs
    assert use >= run.use


#: How long each of the quotas holds, and by when a changed one shall be used.
HELD_SECONDS: Final = 75
FOLLOWED_SECONDS: Final = 30


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("limit", ["requests", "tokens"])
def test_a_quota_that_is_halved_and_doubled_is_followed(stack: Stack, simulator: Simulator, limit: str, workers: int) -> None:
    """One region; from half a minute after each change on, the new quota is used and hardly a call is throttled.

    Red when: `quarry/inference/pace.py`: `wait = self._owed / self.rate - _BURST_SECONDS` -> `wait = 0.0`: nothing holds a call up.
    """
    stack.use(simulator)
    stack.declare(route(target(REGIONS[0])))
    simulator.rule({"first_token_seconds": 0.5, "jitter": 0.1})
    unit = TOKENS if limit == "tokens" else 1
    quotas = 600, 300, 600

    def grant(per_minute: float) -> None:
        granted: Mapping[str, Any] = {f"{limit}_per_minute": per_minute * unit}
        simulator.quota(region=REGIONS[0], **granted, **SMOOTH)

    def seconds() -> Mapping[str, Any]:
        pairs = simulator.quotas()
        return pairs[0]["by_second"] if pairs else {"first": 0, "served": [], "throttled": [], "tokens": []}

    def age() -> int:
        return int(seconds()["first"]) + len(seconds()["served"])

    grant(quotas[0])
    changes = [0]
    with ExitStack() as running:
        running.enter_context(stack.running_api())
        body = {"prompt": "x" * 400, "max_tokens": 300} if limit == "tokens" else {}
        requests = stack.submit_many(2100, **body)
        fleeting = running.enter_context(fleet(stack, QUARRY_WORKER__SLOTS="100"))
        for _ in range(workers):
            fleeting.start()
        fleeting.await_all()
        for per_minute in quotas[1:]:
            eventually(lambda: age() >= changes[-1] + HELD_SECONDS, seconds=HELD_SECONDS + 60)
            grant(per_minute)
            changes.append(age())
        eventually(lambda: age() >= changes[-1] + HELD_SECONDS, seconds=HELD_SECONDS + 60)
        seen = seconds()
        eventually(stack.queue_is_empty, seconds=200)
        account = Account.of(stack, simulator, fleeting)
    units = seen["served" if limit == "requests" else "tokens"]
    assert seen["first"] == 0
    found = []
    for per_minute, change in zip(quotas[1:], changes[1:], strict=True):
        part = slice(change + FOLLOWED_SECONDS, change + HELD_SECONDS)
        granted = per_minute * unit / 60 * (HELD_SECONDS - FOLLOWED_SECONDS)
        found.append((per_minute, sum(units[part]) / granted, sum(seen["throttled"][part]) / max(sum(seen["served"][part]), 1)))
    with figures(f"a quota of {limit} that changes, {workers} workers") as table:
        table += [("jobs by status", f"{len(requests)} completed", str(account.statuses))]
        for per_minute, use, throttled in found:
            table += [
                (f"use of {per_minute} a minute, 30 to 75 s after the change", ">= 0.95", f"{use:.3f}"),
                ("throttled calls a job meanwhile", "<= 0.05", f"{throttled:.3f}"),
            ]
    parts = [{"per_minute": per_minute, "use": use, "throttled": throttled} for per_minute, use, throttled in found]
    kept("QUOTA_FIGURES", f"changed-{limit}-{workers}", {"limit": limit, "workers": workers, "parts": parts})
    account.assert_completed(requests)
    assert all(use >= 0.95 and throttled <= 0.05 for _, use, throttled in found)
