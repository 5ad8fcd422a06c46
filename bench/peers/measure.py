"""One system in one scenario: start everything, let it work, count, end everything."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx

from bench.peers import work
from bench.peers.scenarios import RECEIVES_MAX, REGIONS, Scenario
from bench.peers.statistics import added, quantile, quota_use
from bench.peers.systems import System
from bench.peers.tree import Tree
from bench.stack import simulated
from tests.support.processes import ROOT, Process, clean_environ, free_port, running, serving
from tests.support.simulator import Simulator

#: Jobs that are worked before a paced run, so that all is connected.
_WARM: Final = 5
_LOOK_SECONDS: Final = 0.25
#: A run in which nothing is left to do or nothing happens for so long is over.
_IDLE_SECONDS: Final = 5.0
_STUCK_SECONDS: Final = 90.0

Row = dict[str, Any]


class Bench:
    """One run's AWS, model and workers."""

    def __init__(self, system: System, scenario: Scenario, directory: Path, running_until: ExitStack) -> None:
        self._system, self._scenario, self._directory, self._running = system, scenario, directory, running_until
        port = free_port()
        self._aws = f"http://127.0.0.1:{port}"
        command = [*_python("bench.peers.stand_in"), str(port), str(RECEIVES_MAX)]
        self._running.enter_context(serving(command, clean_environ(), directory / "aws.log", f"{self._aws}/healthy"))
        self._control = self._running.enter_context(httpx.Client(base_url=self._aws, timeout=60))
        self.simulator: Simulator = self._running.enter_context(simulated(directory, scenario.model_seconds))
        self.trees: list[Tree] = []

    def ask(self, what: str, **body: Any) -> Any:
        """Ask the stand-in."""
        return self._control.post("/", json=body, headers={"x-amz-target": f"Bench.{what}"}).raise_for_status().json()

    def submit(self, count: int, rate: float, first: int = 0) -> subprocess.Popen[bytes] | None:
        """Put jobs on the queue; paced, a process is still at it."""
        if self._system.is_quarry:
            if not rate:
                self.ask("SubmitToQuarry", count=count, queue=work.QUEUE)
                return None
            command = [*_python("bench.peers.pace"), self._aws, str(count), str(rate)]
        else:
            command = self._system.submit_argv(first, first + count, rate)
        process = subprocess.Popen(command, env=self._environ(), cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        if not rate and process.wait(self._scenario.limit_seconds) != 0:
            raise RuntimeError(f"{command} failed")
        return process

    def start(self) -> None:
        """Start the workers."""
        for number in range(self._scenario.workers):
            log = self._directory / f"worker-{number}.log"
            process: Process = self._running.enter_context(
                running(self._system.argv(self._scenario.concurrency), self._environ(), log)
            )
            self.trees.append(Tree(process.popen.pid))

    def cpu_seconds(self) -> float:
        """Of all workers so far."""
        return sum(tree.cpu_seconds() for tree in self.trees)

    def _environ(self) -> dict[str, str]:
        regions = self._scenario.regions_of(self._system)
        return clean_environ(
            AWS_ENDPOINT_URL=self._aws,
            AWS_ENDPOINT_URL_BEDROCK_RUNTIME=self.simulator.url,
            AWS_REGION=REGIONS[0],
            AWS_DEFAULT_REGION=REGIONS[0],
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the stand-in's
            AWS_EC2_METADATA_DISABLED="true",
            BENCH_CONCURRENCY=str(self._scenario.concurrency),
            BENCH_REGIONS=",".join(regions),
            # LiteLLM looks for its price list on the network otherwise.
            LITELLM_LOCAL_MODEL_COST_MAP="True",
            PYTHONPATH=str(ROOT),
            **(_quarry(self._directory, regions, self._scenario.concurrency) if self._system.is_quarry else self._system.env),
        )


def measured(system: System, scenario: Scenario) -> Row:
    """Run it; returns the raw figures, JSON-safe."""
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name, ExitStack() as stack:
        bench = Bench(system, scenario, Path(name), stack)
        jobs, load = scenario.jobs_of(system), os.getloadavg()[0]
        submitter = None
        if scenario.rate:
            bench.start()
            bench.submit(_WARM, 0.0)
            _until(bench, _WARM, _WARM, scenario.limit_seconds)
            submitter = bench.submit(jobs, scenario.rate, _WARM)
            jobs += _WARM
        else:
            bench.submit(jobs, 0.0)
        minute_second = _quotas(bench.simulator, scenario)
        if not scenario.rate:
            bench.start()
        observed = _observe(bench, jobs, scenario.limit_seconds)
        if submitter is not None:
            submitter.wait(30)
        report = _report(bench, scenario, jobs, minute_second)
    return {
        "system": system.name,
        "scenario": scenario.name,
        "title": scenario.title,
        "jobs": jobs,
        "concurrency": scenario.concurrency,
        "workers": scenario.workers,
        "regions": len(scenario.regions_of(system)),
        "load_before": round(load, 2),
        **observed,
        **report,
    }


def _observe(bench: Bench, jobs: int, limit_seconds: float) -> Row:
    """Look on from the first tenth of the jobs to the last; CPU is that of this time, without the start."""
    _until(bench, jobs // 10, jobs, limit_seconds)
    first = bench.ask("Counts")
    cpu, began = bench.cpu_seconds(), time.monotonic()
    last = _until(bench, jobs, jobs, limit_seconds)
    done = last["completed"] - first["completed"]
    used = bench.cpu_seconds() - cpu
    return {
        "completed": last["completed"],
        "seconds": round(time.monotonic() - began, 3),
        "cpu_ms_a_job": round(1000 * used / done, 4) if done else None,
        "peak_mib": round(sum(tree.peak_mib for tree in bench.trees), 1),
        "dead_letters": last["dead"],
        "left_on_queue": last["queued"] if last["completed"] < jobs else 0,
    }


def _until(bench: Bench, completed: int, jobs: int, limit_seconds: float) -> Mapping[str, Any]:
    """The counts when so many are completed, when nothing is left to do of all `jobs`, when nothing moves, or when time is up."""
    end, most, moved_at, looks = time.monotonic() + limit_seconds, -1, time.monotonic(), 0
    while True:
        counts: Mapping[str, Any] = bench.ask("Counts")
        looks += 1
        if looks % 2 == 0:
            for tree in bench.trees:
                tree.look()
        now = time.monotonic()
        if counts["completed"] > most:
            most, moved_at = counts["completed"], now
        idle = counts["submitted"] >= jobs and counts["queued"] == 0 and now - moved_at > _IDLE_SECONDS
        if most >= completed or idle or now - moved_at > _STUCK_SECONDS or now > end:
            return counts
        time.sleep(_LOOK_SECONDS)


def _report(bench: Bench, scenario: Scenario, jobs: int, minute_second: float) -> Row:
    lives = [life for life in bench.ask("Lives").values() if life["completed_at"] is not None]
    waited = [life["completed_at"] - life["submitted_at"] for life in lives[_WARM if scenario.rate else 0 :]]
    ended = sorted(life["completed_at"] for life in lives)
    calls, aws = bench.simulator.calls(), bench.ask("Counts")["calls"]
    tenth = len(ended) // 10
    rate = (len(ended) - tenth) / (ended[-1] - ended[tenth]) if len(ended) > 1 else None
    row: Row = {
        "jobs_a_second": rate and round(rate, 3),
        "latency_p50_seconds": quantile(waited, 0.5),
        "latency_p95_seconds": quantile(waited, 0.95),
        "model_calls": calls["by_outcome"],
        "throttled": calls["by_outcome"].get("ThrottlingException", 0),
        "aws_calls": aws,
    }
    if scenario.requests_per_minute is not None:
        row |= _use(bench.simulator, scenario, jobs, minute_second)
    return row


def _quotas(simulator: Simulator, scenario: Scenario) -> float:
    """Set them; returns the second of the minute, at which a quota by the minute begins."""
    second = time.time() % 60
    for quota in scenario.quotas(round(second, 3)):
        httpx.post(f"{simulator.url}/_simulator/quotas", json=quota).raise_for_status()
    return second


def _use(simulator: Simulator, scenario: Scenario, jobs: int, minute_second: float) -> Row:
    pairs = httpx.get(f"{simulator.url}/_simulator/quotas").raise_for_status().json()["pairs"]
    served, throttled = added(pairs, "served"), added(pairs, "throttled")
    per_minute = (scenario.requests_per_minute or 0) * len(pairs)
    began = min((pair["first_call_at"] for pair in pairs), default=0.0)
    minutes_at = None if scenario.refill == "smooth" else 60 - (began - minute_second) % 60
    use = quota_use(served, jobs, scenario.concurrency * scenario.workers, per_minute, minutes_at)
    return {
        "served_by_second": served,
        "throttled_by_second": throttled,
        "quota": use and {**asdict(use), "share": round(use.share, 4)},
    }


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _quarry(directory: Path, regions: tuple[str, ...], slots: int) -> dict[str, str]:
    """Quarry's own settings: a route with a target for each region, whose quotas it is not told."""
    routes = directory / "routes.toml"
    targets = [
        f'[[routes.default.targets]]\nprovider = "bedrock"\nregion = "{region}"\nmodel = "{work.MODEL}"\n' for region in regions
    ]
    routes.write_text("[routes.default]\n" + "".join(targets))
    return {
        "QUARRY_ENVIRONMENT": "local",
        "QUARRY_QUEUE__NAME": work.QUEUE,
        "QUARRY_STORE__TABLE": work.TABLE,
        "QUARRY_STORE__BUCKET": "bench",
        "QUARRY_ROUTES_FILE": str(routes),
        "QUARRY_WORKER__SLOTS": str(slots),
        "QUARRY_WORKER__METRICS_PORT": "0",
        "QUARRY_WORKER__DRAIN_SECONDS": "8",
    }
