"""What is shipped for Prometheus and Grafana, asked of a real Prometheus that watches real processes."""

from pathlib import Path

import pytest

from tests.support.processes import eventually, free_port
from tests.support.prometheus import PROGRAMS, watching
from tests.support.stack import Stack

pytestmark = pytest.mark.skipif(not PROGRAMS.exists(), reason="there is no Prometheus here: `make prometheus`")


def test_workers_and_api_are_scraped(stack: Stack, tmp_path: Path) -> None:
    """By the jobs of the configuration that is shipped, and what they say can be asked for.

    Red when: `quarry/telemetry/probes.py`: `web.get("/metrics", metrics)` -> `web.get("/numbers", metrics)`
    """
    port = str(free_port())
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    with stack.running_api(QUARRY_API__METRICS_PORT=port), stack.running_worker() as worker:
        targets = {"producer": [f"127.0.0.1:{port}"], "worker": [stack.probes(worker).removeprefix("http://")]}
        with watching(tmp_path, targets) as prometheus:
            eventually(lambda: len(prometheus.ask("up == 1")) == 2, what=lambda: str(prometheus.targets()))
            assert [value for _, value in prometheus.ask("sum(quarry_slots)")] == [100.0]
