"""docker-compose.yml as `make up` starts it, with three workers."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.containers import TAG, Container, Engine, account
from tests.support.judge import Account
from tests.support.processes import ROOT, eventually, free_port
from tests.support.simulator import Simulator
from tests.support.stack import Stack

pytestmark = pytest.mark.containers

WORKERS = 3
GRACE_SECONDS = 30


@dataclass
class Project:
    """What compose has started. `gone` is what the logs of workers say that are no more."""

    engine: Engine
    environ: dict[str, str]
    stack: Stack
    simulator: Simulator
    gone: list[dict[str, Any]] = field(default_factory=list)

    def compose(self, *arguments: str) -> str:
        """A command of compose; returns its output."""
        command = [str(ROOT / "docker/compose.sh"), *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, workers: int, *only: str) -> None:
        """So many workers, and whatever they need, or `only` what is named; all healthy."""
        options = ["--detach", "--wait", "--no-build", "--no-recreate", *(["--no-deps"] if only else [])]
        self.compose("up", *options, "--scale", f"worker={workers}", *only)

    def workers(self) -> list[Container]:
        """Those that run, the oldest first."""
        found = self.compose("ps", "--quiet", "worker").split()
        made = sorted(map(self.engine.client.containers.get, found), key=lambda each: str(each.attrs["Created"]))
        return [Container(each) for each in made]

    def account(self) -> Account:
        """What became of all jobs."""
        return account(self.stack, self.simulator, [*map(json.dumps, self.gone), *(each.output for each in self.workers())])


@pytest.fixture(scope="module")
def started(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The whole, under a name and on ports of its own."""
    api, aws, simulator = (str(free_port()) for _ in range(3))
    name = f"quarry-tests-{secrets.token_hex(4)}"
    environ = os.environ | {"COMPOSE_PROJECT_NAME": name, "TAG": TAG, "API_PORT": api, "AWS_PORT": aws, "SIMULATOR_PORT": simulator}
    stack = Stack(f"http://127.0.0.1:{aws}", tmp_path_factory.mktemp("compose"), name="quarry-jobs")
    made = Project(engine, environ, stack, Simulator(f"http://127.0.0.1:{simulator}"))
    try:
        made.up(WORKERS)
        with httpx.Client(base_url=f"http://127.0.0.1:{api}", timeout=60) as stack.api:
            yield made
    finally:
        made.simulator.close()
        made.compose("down", "--volumes")
    left = engine.client.containers.list(all=True, filters={"label": f"com.docker.compose.project={name}"})
    assert left == []


@pytest.fixture
def project(started: Project) -> Project:
    """The same, its simulator as new."""
    started.simulator.reset()
    return started


def test_three_workers_share_the_work(project: Project) -> None:
    """Each of them takes its part; every job is completed once."""
    project.simulator.rule(act={"delay_seconds": 1})
    requests = project.stack.submit_many(150)
    eventually(project.stack.queue_is_empty, seconds=180)
    found = project.account()
    found.assert_completed(requests)
    assert project.simulator.calls()["calls"] == len(requests)
    shares = [sum(each["event"] == "attempt.finished" for each in worker.events) for worker in project.workers()]
    assert sum(shares) == len(requests)
    assert len(shares) == WORKERS
    # A third each would be fifty; nobody sees to it that it is.
    assert min(shares) >= 15, shares


def test_all_workers_are_replaced_during_five_hundred_jobs(project: Project, figures: dict[str, str]) -> None:
    """One by one: a new one first, then SIGTERM to an old one, which drains. All 500 complete, and no call is paid twice but those
    that a drain has cut.
    """
    project.simulator.rule(act={"delay_seconds": 4})
    old = project.workers()
    requests = project.stack.submit_many(125)
    started, drains = time.monotonic(), []
    for worker in old:
        project.up(WORKERS + 1, "worker")
        # However long that took: there is work when this one is told to stop.
        requests += project.stack.submit_many(125)
        code, seconds = worker.stop(GRACE_SECONDS)
        drains.append(seconds)
        assert code == 0
        project.gone += worker.events
        worker.remove()
    rolling = time.monotonic() - started
    eventually(project.stack.queue_is_empty, seconds=180)
    assert {each.made.id for each in project.workers()}.isdisjoint(each.made.id for each in old)
    found = project.account()
    found.assert_completed(requests)
    found.assert_paid_for()
    assert set(found.logged) <= {"draining"}
    assert max(drains) < GRACE_SECONDS
    busy = [each["in_flight"] for each in project.gone if each["event"] == "drain.started"]
    assert len(busy) == WORKERS
    assert max(busy) > 0
    figures[f"rolling replacement of {WORKERS} workers during {len(requests)} jobs of 4 s: seconds"] = f"{rolling:.0f}"
    figures["rolling replacement: jobs in flight when told to stop"] = ", ".join(map(str, busy))
    figures["rolling replacement: longest drain, seconds"] = f"{max(drains):.1f}"
    figures["rolling replacement: jobs lost"] = str(sum(found.jobs[each].status != "completed" for each in requests))
    figures["rolling replacement: calls paid twice"] = str(found.paid_again)


def test_an_operator_finds_the_command_line_in_there(project: Project) -> None:
    """In the containers that run, with their settings: `quarry doctor` has nothing to complain about."""
    found = [json.loads(line) for line in project.compose("exec", "-T", "worker", "quarry", "doctor", "--json").splitlines()]
    assert {each["check"] for each in found} >= {"settings", "credentials", "queue", "table", "routes", "bedrock"}
    assert [each for each in found if each["level"] != "ok"] == []


def test_compose_takes_the_profile_that_cannot_be_run_here(project: Project) -> None:
    """Prometheus and Grafana are what their part of the file says; their images cannot be had on every machine."""
    listed = project.compose("--profile", "observe", "config", "--services").split()
    assert {"prometheus", "grafana"} < set(listed)
    assert {"prometheus", "grafana"}.isdisjoint(project.compose("config", "--services").split())


def test_what_is_published_is_so_on_loopback_only(project: Project) -> None:
    """API, AWS and simulator can be asked from this machine, and nothing from another."""
    listed = project.engine.client.containers.list(
        filters={"label": f"com.docker.compose.project={project.environ['COMPOSE_PROJECT_NAME']}"}
    )
    bound = [each for one in listed for ports in one.attrs["NetworkSettings"]["Ports"].values() for each in ports or []]
    assert len(bound) == 3
    assert {each["HostIp"] for each in bound} == {"127.0.0.1"}
