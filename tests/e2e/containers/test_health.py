"""The health check of the images: red where the process is stuck, and only there."""

import pytest

from tests.support.containers import Container, Site
from tests.support.processes import eventually, fetched

pytestmark = pytest.mark.containers

#: Run inside: a signal to the service, which is the init process's child.
SIGNAL = """
import json, os, pathlib, signal
def parent(process):
    return (process / "stat").read_text().rpartition(")")[2].split()[1]
children = [int(each.name) for each in pathlib.Path("/proc").glob("[0-9]*") if parent(each) == "1"]
os.kill(min(children), signal.{})
print(json.dumps(len(children)))
"""


def assert_follows(container: Container) -> None:
    """Unhealthy while it is stopped, healthy again when it goes on."""
    container.python(SIGNAL.format("SIGSTOP"))
    eventually(lambda: container.health == "unhealthy", seconds=60, what=lambda: str(container.state["Health"]))
    said = container.state["Health"]["Log"][-1]["Output"]
    assert "TimeoutError" in said
    container.python(SIGNAL.format("SIGCONT"))
    eventually(lambda: container.health == "healthy", seconds=60, what=lambda: str(container.state["Health"]))


def test_a_stuck_worker_is_unhealthy(here: Site) -> None:
    """It becomes healthy when it serves, unhealthy while it hangs, healthy again when it goes on."""
    with here.worker() as worker:
        assert_follows(worker)


def test_a_stuck_producer_is_unhealthy(here: Site) -> None:
    """The same of the API, at the port that callers use."""
    with here.producer() as producer:
        assert_follows(producer)


def test_it_follows_the_port_that_is_set(here: Site) -> None:
    """A worker whose probes are elsewhere is not taken for dead."""
    settings = here.environment(QUARRY_WORKER__METRICS_PORT="9999")
    with here.engine.running("worker", network=here.network, environment=settings) as worker:
        worker.await_healthy()


def test_a_target_that_refuses_us_is_no_reason_to_kill_workers(here: Site) -> None:
    """`/readyz` turns red and says why; the health check does not, or a whole fleet would be replaced for nothing."""
    here.simulator.rule(act={"error": "AccessDeniedException"})
    with here.producer(), here.worker() as worker:
        assert here.stack.api
        request_id = here.stack.submit(prompt="Am I allowed?")
        eventually(lambda: fetched(f"{worker.url(9090)}/readyz").status_code == 503, seconds=30)
        assert "access_denied" in fetched(f"{worker.url(9090)}/readyz").text
        checks = len(worker.state["Health"]["Log"])
        eventually(lambda: len(worker.state["Health"]["Log"]) > min(checks + 2, 4), seconds=90)
        assert worker.health == "healthy"
        eventually(lambda: here.stack.job(request_id)["status"] == "queued", seconds=60)
        here.stack.api.post(f"/v1/jobs/{request_id}/cancel")
        here.stack.finished(request_id)
