"""The bench of peers measures Quarry's worker; the peers themselves are not here, their environment is `make bench`'s."""

import pytest

from bench import worker
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


def test_worker_alone_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """All jobs that the stand-in of AWS hands out are worked by the worker, none by what it does beside.

    Red when: `bench/stand_in_aws.py`: `is_normal = "-" not in request["QueueUrl"].rpartition("/")[2]` -> `is_normal = True`
    """
    monkeypatch.setattr(worker, "_LONG_SECONDS", 30.0)
    run = worker.work(200, 10, 0.02)
    assert run.rate > 0
    assert 0 < run.in_flight <= 10
