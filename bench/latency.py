"""What Quarry adds to a model's answer on an idle local stack: submit, wait by long-poll, one job at a time.

python -m bench.latency JOBS MODEL_SECONDS
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.stack import emulated, simulated

#: As `quarry local` runs it.
LOCAL_WORKER: Final = {"QUARRY_WORKER__SLOTS": "20", "QUARRY_WORKER__RECEIVERS": "10"}


@dataclass(frozen=True, slots=True)
class Overhead:
    """From before the submission to the answer in hand, less the model's time, in milliseconds."""

    jobs: int
    model_seconds: float
    p50_ms: float
    p95_ms: float


def overhead(jobs: int, model_seconds: float) -> Overhead:
    """Submit so many, each after the answer to the one before."""
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name, ExitStack() as running:
        stack = running.enter_context(emulated(Path(name)))
        stack.use(running.enter_context(simulated(Path(name), model_seconds)))
        client = running.enter_context(stack.running_api())
        running.enter_context(stack.running_worker(**LOCAL_WORKER))
        taken = [_answered(client) - model_seconds for _ in range(jobs + 5)][5:]  # the first are to be warm
    return Overhead(jobs, model_seconds, 1000 * statistics.median(taken), 1000 * statistics.quantiles(taken, n=20)[-1])


def _answered(client: httpx.Client) -> float:
    began = time.monotonic()
    submitted = client.post("/v1/jobs", json={"prompt": "Hi", "max_tokens": 10}).raise_for_status().json()
    job = client.get(f"/v1/jobs/{submitted['request_id']}", params={"wait_seconds": 30}).raise_for_status().json()
    if job["status"] != "completed":
        raise RuntimeError(f"not answered: {job}")
    return time.monotonic() - began


if __name__ == "__main__":
    print(overhead(int(sys.argv[1]), float(sys.argv[2])))  # noqa: T201
