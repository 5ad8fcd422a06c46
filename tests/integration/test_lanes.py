"""Priorities: `high` does not wait behind a backlog of `low`, `low` has its share, and a job stays in its lane."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from statistics import quantiles
from typing import Any, Final

import pytest

from quarry.job import Priority
from tests.support.figures import figures
from tests.support.processes import ROOT, eventually, quarry
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: How long calls of `low` take where they hold up every slot.
SLOW_SECONDS: Final = (11, 13, 16, 19, 23, 29)


def waits(stack: Stack, request_ids: list[str]) -> list[float]:
    """How long each job waited between its submission and its claim, in seconds."""
    jobs = [stack.finished(request_id, seconds=60) for request_id in request_ids]
    return [(_instant(job, "started_at") - _instant(job, "created_at")).total_seconds() for job in jobs]


def _instant(job: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(job[name])


def trickled(stack: Stack, count: int, every_seconds: float) -> list[str]:
    """As many jobs of `high`, one after the other."""
    began, ids = time.monotonic(), list[str]()

    def next_one() -> bool:
        if time.monotonic() - began >= len(ids) * every_seconds:
            ids.append(stack.submit(prompt="Now", max_tokens=1, priority="high"))
        return len(ids) == count

    eventually(next_one, seconds=count * every_seconds + 30)
    return ids


def received(metrics: str) -> dict[str, int]:
    """Deliveries that a worker took, by lane."""
    lines = (line for line in metrics.splitlines() if line.startswith("quarry_deliveries_received_total{"))
    return {line.partition('lane="')[2].partition('"')[0]: int(float(line.split()[-1])) for line in lines}


def looked_up(stack: Stack, ids: list[str]) -> Iterator[dict[str, Any]]:
    """The jobs, as lookups tell them."""
    assert stack.api is not None
    for first in range(0, len(ids), 100):
        answer = stack.api.post("/v1/jobs/lookup", json={"request_ids": ids[first : first + 100]})
        yield from answer.json()["jobs"]


def statuses(stack: Stack, ids: list[str]) -> Iterator[str]:
    """Where the jobs stand."""
    return (job["status"] for job in looked_up(stack, ids))


def begun_after(stack: Stack, ids: list[str], moment: datetime) -> int:
    """How many of the jobs were begun later than that: however late this process looks."""
    return sum(_instant(job, "started_at") > moment for job in looked_up(stack, ids))


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


@pytest.mark.parametrize("slots", [1, 20])
def test_high_passes_a_backlog_of_low(stack: Stack, simulator: Simulator, slots: int) -> None:
    """Every slot is busy with `low`, and more of it waits: each job of `high` is taken as soon as a slot is free, before them, even
    where there is one slot only. The last of `low` is finished too.

    Red when: `quarry/queue/lanes.py`: `await lanes[lane].send(` -> `await lanes[max(lanes)].send(`: one lane for all.
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 0.02 * slots})
    with stack.running_api(), stack.running_worker(QUARRY_WORKER__SLOTS=str(slots)):
        low = stack.submit_many(400, max_tokens=1, priority="low")
        eventually(lambda: sum(stack.lane_counts(Priority.LOW)) < 390)
        high = trickled(stack, 6, every_seconds=0.3)
        waited = waits(stack, high)
        eventually(stack.queue_is_empty, seconds=90)
        assert set(statuses(stack, low)) == {"completed"}
        left = begun_after(stack, low, max(_instant(job, "started_at") for job in looked_up(stack, high)))
    # Each waits for a call or two; the backlog takes more than eight seconds.
    assert left > 50
    assert max(waited) < 2


def test_low_has_its_share(stack: Stack, simulator: Simulator) -> None:
    """Backlogs of all three: the last of few jobs of `low` is finished while there is plenty of `high` and `normal` left.

    Red when: `worker/turns.py`: `key=lambda each: max(self._clock, self._lanes[each].clock)` -> `key=list(Priority).index`
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 0.1})
    with stack.running_api():
        others = [stack.submit_many(200, max_tokens=1, priority=priority) for priority in ("high", "normal")]
        low = stack.submit_many(12, max_tokens=1, priority="low")
        with stack.running_worker(QUARRY_WORKER__SLOTS="5"):
            eventually(stack.queue_is_empty, seconds=90)
        done = max(_instant(job, "finished_at") for job in looked_up(stack, low))
        left = [begun_after(stack, ids, done) for ids in others]
    assert min(left) > 20


def test_a_job_stays_in_its_lane(stack: Stack, simulator: Simulator) -> None:
    """A job of `low` is retried, fails, is buried in the one dead-letter queue, and is redriven: it is never seen in another lane.

    Red when: `worker/settle.py`: `type(settlement).__name__.lower(), self._lanes[delivery.lane]` ->
    `type(settlement).__name__.lower(), next(iter(self._lanes.values()))`
    Red when: `quarry/queue/lanes.py`: `await lanes[lane].send(` -> `await lanes[max(lanes)].send(`
    """
    stack.use(simulator)
    fault = simulator.rule(act={"error": "ModelErrorException"})
    with stack.running_api():
        with stack.running_worker("first", QUARRY_BREAKER__FAILURES="0") as worker:
            request_id = stack.submit(prompt="Hello", max_attempts=2, priority="low")
            assert stack.finished(request_id)["status"] == "failed"
            eventually(stack.queue_is_empty)
            first = received(stack.metrics(worker))
        assert len(stack.dead_letters()) == 1
        simulator.drop(fault)
        subprocess.run(quarry("dlq", "redrive", request_id), env=stack.environ(), check=True, capture_output=True, cwd=ROOT)
        assert [stack.lane_counts(lane) for lane in Priority] == [(0, 0), (0, 0), (1, 0)]
        with stack.running_worker("second") as worker:
            job = stack.finished(request_id)
            eventually(stack.queue_is_empty)
            second = received(stack.metrics(worker))
    assert (job["status"], job["priority"]) == ("completed", "low")
    assert [first[lane] for lane in Priority] == [0, 0, 2]
    assert [second[lane] for lane in Priority] == [0, 0, 1]


def test_a_lane_that_is_missing_is_one_sentence(stack: Stack) -> None:
    """Neither process starts, and each says which queue it misses: by its name, or by the URL that follows from the normal lane's.

    Red when: `quarry/queue/sqs.py`: `for lane in Priority:` -> `for lane in (Priority.NORMAL,):`
    Red when: `quarry/queue/sqs.py`: `await _check(client, url, variable)` -> `pass`: a worker would fail to receive, for ever.
    """
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName=stack.name)["QueueUrl"]
    sqs.delete_queue(QueueUrl=f"{url}-low")
    for verb, env, said in (
        ("api", {}, f"QUARRY_QUEUE__NAME: the queue '{stack.name}-low' does not exist"),
        ("worker", {"QUARRY_QUEUE__URL": url}, f"QUARRY_QUEUE__URL: there is no queue at {url}-low"),
    ):
        process = subprocess.Popen(quarry(verb), env=stack.environ(**env), stderr=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            _, stderr = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            _, stderr = process.communicate()
        assert (process.returncode, said in stderr) == (78, True), stderr
        assert "Traceback" not in stderr


@pytest.mark.long
@pytest.mark.timeout(600)
def test_high_passes_ten_thousand_low(stack: Stack, simulator: Simulator) -> None:
    """While 10,000 jobs of `low` are queued and all slots are busy with them, 95 of 100 jobs of `high` wait less than twice as long
    as on an idle system. The last of `low` is finished too.

    Red when: `worker/turns.py`: `self._reserved = reserved` -> `self._reserved = 0`
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 0.2}, match={"text_contains": "Now"})
    # Of many lengths: else all slots would get free at one moment, and the emulator be busy with that.
    slow = [
        simulator.rule(act={"delay_seconds": seconds, "probability": 1 / (len(SLOW_SECONDS) - i)})
        for i, seconds in enumerate(SLOW_SECONDS)
    ]
    # Calls that suddenly take a hundred times as long look like a target that hangs.
    with stack.running_api(), stack.running_worker(QUARRY_BREAKER__FAILURES="0") as worker:
        eventually(lambda: stack.readiness(worker)[0] == 200)
        idle = waits(stack, trickled(stack, 100, every_seconds=0.3))
        low = stack.submit_many(10_000, max_tokens=1, priority="low")
        eventually(lambda: stack.lane_counts(Priority.LOW)[1] >= 95, seconds=60)
        busy = waits(stack, trickled(stack, 100, every_seconds=0.3))
        queued, in_flight = stack.lane_counts(Priority.LOW)
        returned = [
            line.split()[-1] for line in stack.metrics(worker).splitlines() if line.startswith("quarry_deliveries_returned_total")
        ]
        for rule in slow:
            simulator.drop(rule)
        began = time.monotonic()
        eventually(stack.queue_is_empty, seconds=400)
        completed = list(statuses(stack, low)).count("completed")
        with figures("100 jobs of high on an idle system, and behind 10,000 of low; 100 slots") as table:
            table += [
                ("p50, p95 of the wait, idle", "-", f"{_ms(idle)} ms"),
                ("p50, p95 of the wait, busy", f"p95 < {2000 * p95(idle):.0f} ms", f"{_ms(busy)} ms"),
                ("the longest of them", "-", ", ".join(f"{1000 * each:.0f}" for each in sorted(busy)[-12:])),
                ("given back for want of a slot: high, normal, low", "-", ", ".join(returned)),
                ("low still waiting then, and in flight", "-", f"{queued}, {in_flight}"),
                ("low completed", "10000", str(completed)),
                ("seconds for the rest of low", "-", f"{time.monotonic() - began:.0f}"),
            ]
    assert completed == len(low)
    assert queued > 8000
    assert p95(busy) < 2 * p95(idle)


def _ms(values: list[float]) -> str:
    return f"{quantiles(values, n=2)[0] * 1000:.0f}, {p95(values) * 1000:.0f}"
