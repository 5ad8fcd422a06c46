"""A changed routes.toml holds without a restart, for the API and the worker; a wrong one changes nothing."""

import signal
from pathlib import Path

import pytest

from tests.support.processes import Process, eventually
from tests.support.routing import target
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def path(stack: Stack, simulator: Simulator) -> Path:
    """The routes file of both processes: one target, in us-east-1."""
    stack.use(simulator)
    return stack.declare(target("us-east-1"))


def log_of(stack: Stack, process: str) -> str:
    return (stack.directory / f"{process}.log").read_text()


def told(stack: Stack, event: str) -> bool:
    """Whether both have told of an event."""
    return all(event in log_of(stack, process) for process in ("api", "worker"))


def test_new_targets_and_routes_hold_without_a_restart(stack: Stack, path: Path) -> None:
    """The API takes jobs for a route that it did not know, and the worker has them answered in a region that was in no route.

    Red when: `quarry/followed_file.py`: `self.current.become(new)` -> `pass`
    """
    with stack.running_api() as api, stack.running_worker():
        assert api.post("/v1/jobs", json={"prompt": "Hi", "model": "batch"}).status_code == 422
        path.write_text(target("us-west-2") + target("eu-west-1", route="batch"))
        eventually(lambda: told(stack, "routes.reloaded"))
        jobs = [stack.finished(stack.submit(prompt="Hi", model=model)) for model in ("default", "batch")]
    assert [(job["status"], job["served_by"]["region"]) for job in jobs] == [("completed", "us-west-2"), ("completed", "eu-west-1")]


def test_the_worker_opens_clients_for_new_regions(stack: Stack, path: Path) -> None:
    """Before the new routes hold: no job is lost to a region that has none yet.

    Red when: `worker/app.py`: `= providers.follow, providers.follow_tenants` -> `= None, None`
    """
    with stack.running_api(), stack.running_worker() as worker:
        path.write_text(target("ap-southeast-2"))
        eventually(lambda: told(stack, "routes.reloaded"))
        job = stack.finished(stack.submit(prompt="Hi", max_attempts=1))
        assert 'quarry_routes_reloads_total{outcome="reloaded"} 1.0' in stack.metrics(worker)
    assert (job["status"], job["served_by"]["region"]) == ("completed", "ap-southeast-2")


def test_a_wrong_file_is_refused_and_the_old_routes_go_on_serving(stack: Stack, path: Path) -> None:
    """It is told of once, with its line, and shown by a metric for as long as it lasts; the right one then holds.

    Red when: `quarry/followed_file.py`: `except Exception as error:` -> `except KeyError as error:`
    """
    with stack.running_api(), stack.running_worker() as worker:
        path.write_text(target("us-west-2").replace("us-west-2", "us-west2"))
        eventually(lambda: told(stack, "routes.refused"))
        assert stack.finished(stack.submit(prompt="Hi"))["served_by"]["region"] == "us-east-1"
        assert "quarry_routes_refused 1.0" in stack.metrics(worker)
        for process in ("api", "worker"):
            [line] = [line for line in log_of(stack, process).splitlines() if "routes.refused" in line]
            assert f"{path}:3: routes.default.targets (1) region" in line
            assert "did you mean 'us-west-2'?" in line
        path.write_text(target("us-west-2"))
        eventually(lambda: told(stack, "routes.reloaded"))
        assert stack.finished(stack.submit(prompt="Hi"))["served_by"]["region"] == "us-west-2"
        assert "quarry_routes_refused 0.0" in stack.metrics(worker)


def test_a_job_in_flight_keeps_its_route(stack: Stack, simulator: Simulator, path: Path) -> None:
    """What was begun is finished where it was begun, fallbacks included, whatever the file says by then.

    Red when: `worker/providers.py`: `used = {each.target for route in routes` ->
    `self._clients.clear(); used = {each.target for route in routes`
    """
    path.write_text(target("us-east-1") + target("us-east-2"))
    simulator.rule(match={"region": "us-east-1"}, act={"delay_seconds": 12, "error": "ServiceUnavailableException"})
    with stack.running_api(), stack.running_worker() as worker:
        request_id = stack.submit(prompt="Hi", max_attempts=1)
        eventually(lambda: simulator.calls()["calls"] == 1)
        path.write_text(target("us-west-2"))
        worker.signal(signal.SIGHUP)
        eventually(lambda: "routes.reloaded" in log_of(stack, "worker"))
        assert stack.job(request_id)["status"] == "processing"
        job = stack.finished(request_id, seconds=60)
    assert (job["status"], job["served_by"]["region"]) == ("completed", "us-east-2")


def test_sighup_has_the_file_read_at_once(stack: Stack, path: Path) -> None:
    """And answered in the log each time, changed or not; the process goes on.

    Red when: `quarry/followed_file.py`: `.add_signal_handler(signal.SIGHUP, hung_up.set)` ->
    `.add_signal_handler(signal.SIGHUP, hung_up.clear)`
    """

    def answers(worker: Process, count: int) -> None:
        worker.signal(signal.SIGHUP)
        eventually(lambda: log_of(stack, "worker").count("routes.reloaded") == count)

    with stack.running_api(), stack.running_worker() as worker:
        answers(worker, 1)
        answers(worker, 2)
        assert stack.readiness(worker)[0] == 200
