"""The worker process: CPU a job, memory, and how both grow with slots and with the answer's time.

    python -m bench.worker JOBS SLOTS MODEL_SECONDS

AWS is a stand-in here: an emulator would be busy long before the worker is. The model is the simulator, over HTTP.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.stack import simulated, stood_in
from bench.usage import Usage
from tests.support.processes import eventually

_LONG_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Run:
    """One worker that worked a backlog."""

    jobs: int
    slots: int
    model_seconds: float
    #: From the first tenth of the jobs to the last, user and system, of the whole process.
    cpu_ms: float
    #: Jobs a second, in the same time.
    rate: float
    peak_mib: float
    #: Calls open at the model, at most.
    in_flight: int


def work(jobs: int, slots: int, model_seconds: float) -> Run:
    """Start a worker before a queue of so many jobs; what it uses until the last of them is settled."""
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name, ExitStack() as running:
        stack = running.enter_context(stood_in(Path(name), jobs))
        counts = running.enter_context(httpx.Client(base_url=stack.aws_url))
        simulator = running.enter_context(simulated(stack.directory, model_seconds))
        stack.use(simulator)
        process = running.enter_context(stack.running_worker(QUARRY_WORKER__SLOTS=str(slots)))

        def recorded() -> int:
            time.sleep(0.05)
            return int(counts.get("/").json()["recorded"])

        eventually(lambda: recorded() >= jobs // 10, seconds=_LONG_SECONDS)
        first, began, before = Usage.of(process.popen.pid), time.monotonic(), recorded()
        most = 0

        def is_done() -> bool:
            nonlocal most
            calls = simulator.calls()
            most = max(most, calls["calls"] - calls["answered"])
            return recorded() >= jobs

        eventually(is_done, seconds=_LONG_SECONDS)
        last, seconds = Usage.of(process.popen.pid), time.monotonic() - began
    done = jobs - before
    cpu_ms = (last.cpu_seconds - first.cpu_seconds) / done * 1000
    return Run(jobs, slots, model_seconds, cpu_ms, done / seconds, last.peak_mib, most)


if __name__ == "__main__":
    print(work(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))  # noqa: T201
