"""The images do what they are for."""

import pytest

from tests.support.containers import Site
from tests.support.processes import eventually

pytestmark = pytest.mark.containers


def test_a_job_is_done_by_hardened_containers(here: Site) -> None:
    """Submitted to the producer's, answered through the simulator's, recorded by the worker's: all of them without any rights."""
    with here.producer(), here.worker() as worker:
        job = here.stack.finished(here.stack.submit(prompt="Why is the sky blue?"))
        # It tells of it once it has been recorded.
        eventually(lambda: job["request_id"] in worker.output, what=lambda: worker.output)
    assert (job["status"], job["attempts"], job["result"]["text"]) == ("completed", 1, "Why is the sky blue?")
    assert here.simulator.calls()["billed"] == 1
