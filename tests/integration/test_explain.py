"""`quarry explain` tells the story of a job that fell back across regions and providers; the page shows what it printed.

With `QUARRY_RECORD=1` the page is written anew.
"""

import os
import re
import subprocess
import sys
from typing import Any, Final

from tests.support.processes import ROOT
from tests.support.routing import REGIONS, route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

PAGE: Final = ROOT / "docs" / "howto" / "explain.md"
_RECORDED: Final = re.compile(r"(<!-- recorded: quarry explain -->\n).*?(<!-- end -->)", re.DOTALL)
_GATEWAY: Final = """
[providers.gateway]
kind = "openai"
base_url = "{url}/v1"
"""
#: What differs from run to run.
_VARYING: Final = {
    "ID": r"\b[0-9a-f]{32}\b",
    "DAY": r"\b\d{4}-\d\d-\d\d\b",
    "TIME": r"\b\d\d:\d\d:\d\d\b",
    "N": r"\b\d+(\.\d+)? m?s\b",
}


def test_the_story_of_a_job_that_fell_back(stack: Stack, simulator: Simulator) -> None:
    """The first region refuses, the second breaks, which may have cost something; the next attempt finds nobody with room, waits in
    the queue and then in its slot, and is answered by another provider. Every target is there with its reason and its time, and so
    is what the page shows.

    Red when: `quarry/explanation.py`: `passed = tuple(map(_target, attempt.fallbacks))` -> `passed = ()`
    """
    stack.use(simulator)
    gateway = target("", provider="gateway", model="gpt-oss-120b")
    stack.declare(route(*map(target, REGIONS), gateway) + _GATEWAY.format(url=simulator.url))
    simulator.rule(match={"region": "us-east-1"}, act={"error": "ServiceUnavailableException"}, times=1)
    simulator.rule(match={"region": "us-east-1"}, act=_throttle(30))
    simulator.rule(match={"region": "us-west-2"}, act={"error": "InternalServerException", "delay_seconds": 1.2}, times=1)
    simulator.rule(match={"region": "us-west-2"}, act=_throttle(30))
    simulator.rule(match={"model": "gpt-oss-120b"}, act=_throttle(3), times=1)
    simulator.rule(match={"model": "gpt-oss-120b"}, act=_throttle(1), times=1)
    with stack.running_api() as api, stack.running_worker(QUARRY_LIMITER__WAIT_SECONDS="2"):
        job = stack.finished(stack.submit(prompt="Which slate is the hardest?"), seconds=60)
        assert (job["status"], job["served_by"]["provider"], job["attempts"]) == ("completed", "gateway", 2)
        command = [sys.executable, "-m", "quarry", "explain", job["request_id"], "--api", str(api.base_url)]
        told = subprocess.run(command, env=stack.environ(), capture_output=True, text=True, check=True).stdout
    if os.environ.get("QUARRY_RECORD"):
        page = PAGE.read_text()
        PAGE.write_text(_RECORDED.sub(lambda found: f"{found[1]}\n```text\n{told.strip()}\n```\n\n{found[2]}", page))
    assert all(len(line) <= 80 for line in told.splitlines())
    shown = _RECORDED.search(PAGE.read_text())
    assert shown
    assert _shape(told) in _shape(shown[0])


def _throttle(seconds: int) -> dict[str, Any]:
    """Too much, and when to come back."""
    return {"error": "ThrottlingException", "headers": {"Retry-After": str(seconds)}}


def _shape(text: str) -> str:
    """A text without what differs from run to run, and without the breaks of its lines."""
    for what, pattern in _VARYING.items():
        text = re.sub(pattern, what, text)
    return " ".join(text.split())
