"""Targets with quotas and ceilings: all of a route are used, and the story of a job says what held it, and for how long."""

import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.routing import REGIONS, TWO_REGIONS, route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: What a job of the token quotas takes: its words, and as much output as it may say.
PROMPT, OUTPUT, TOKENS = "x" * 400, 300, 400


def explained(stack: Stack, api: httpx.Client, request_id: str) -> str:
    command = [sys.executable, "-m", "quarry", "explain", request_id, "--api", str(api.base_url)]
    told = subprocess.run(command, env=stack.environ(), capture_output=True, text=True, check=True).stdout
    return " ".join(told.split())


def passed(stack: Stack, request_id: str) -> list[dict[str, Any]]:
    """Whom the attempts of a job passed over."""
    return [each for attempt in stack.job(request_id)["attempt_history"] for each in attempt["fallbacks"]]


@pytest.mark.parametrize(
    ("limit", "code", "says"),
    [
        ({"requests_per_minute": 200}, "request_limit_reached", "it gets as many requests a minute as its quota grants"),
        ({"tokens_per_minute": 200 * TOKENS}, "token_limit_reached", "it gets as many tokens a minute as its quota grants"),
    ],
    ids=["requests", "tokens"],
)
def test_jobs_go_where_there_is_room(stack: Stack, simulator: Simulator, limit: dict[str, Any], code: str, says: str) -> None:
    """Two regions with a small quota each: both serve, and hardly a call is throttled. A job says which limit held it where.

    Red when: `quarry/inference/governor.py`: `if (wait := place.limiter.wait(now)) > 0 or place.is_waited_for():` ->
    `if (wait := 0.0) > 0:`
    """
    stack.use(simulator)
    stack.declare(TWO_REGIONS)
    for region in REGIONS:
        simulator.quota(region=region, **limit, burst_seconds=1)
    with stack.running_api() as api, stack.running_worker(QUARRY_WORKER__SLOTS="20"):
        jobs = stack.submit_many(60, prompt=PROMPT, max_tokens=OUTPUT)
        eventually(stack.queue_is_empty, seconds=40)
        assert {stack.job(each)["status"] for each in jobs} == {"completed"}
        held = [each for each in jobs if any(place["reason"] == code for place in passed(stack, each))]
        assert held
        assert says in explained(stack, api, held[0])
    served, throttled = ([sum(pair["by_second"][what]) for pair in simulator.quotas()] for what in ("served", "throttled"))
    assert min(served) >= 0.25 * len(jobs)
    assert sum(throttled) <= 0.3 * len(jobs)


def test_a_ceiling_of_ours_holds_calls_up(stack: Stack, simulator: Simulator) -> None:
    """The region would take a hundred times as much. No more begin than the routes file says, and a job that waited says for what.

    Red when: `quarry/inference/governor.py`: `place.limiter.limit(requests, tokens)` ->
    `place.limiter.limit(math.inf, math.inf)`
    """
    stack.use(simulator)
    stack.declare(route(target(requests_per_minute=120)))
    simulator.quota(requests_per_minute=12_000)
    with stack.running_api() as api, stack.running_worker():
        jobs = stack.submit_many(10)
        eventually(stack.queue_is_empty, seconds=30)
        held = [each for each in jobs if any(place["seconds"] for place in passed(stack, each))]
        assert {place["reason"] for each in held for place in passed(stack, each)} == {"ceiling_reached"}
        story = explained(stack, api, held[0])
    assert "waited" in story
    assert "for it: it gets as much a minute as our own ceiling for it allows" in story
    [pair] = simulator.quotas()
    seconds = pair["by_second"]["served"]
    assert sum(seconds) == len(jobs)
    assert all(sum(seconds[i : i + 4]) <= 2 * 4.5 + 2 for i in range(len(seconds)))
