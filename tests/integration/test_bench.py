"""The bench of peers measures Quarry's worker; the peers themselves are not here, their environment is `make bench`'s."""

from bench.peers.measure import measured
from bench.peers.scenarios import Scenario
from bench.peers.systems import SYSTEMS


def test_worker_is_measured() -> None:
    """Quarry does the work that its peers are measured by: two writes and one call a job.

    Red when: `bench/peers/stand_in.py`: `life.completed_at = time.monotonic()` -> `pass`
    """
    run = measured(SYSTEMS["quarry"], Scenario("smoke", "20 jobs", 20, concurrency=10, model_seconds=0.05, limit_seconds=30))
    assert (run["completed"], run["dead_letters"], run["throttled"]) == (20, 0, 0)
    assert run["model_calls"] == {"answered": 20}
    assert run["aws_calls"]["UpdateItem"] == 40
    assert run["latency_p50_seconds"] >= 0.05
