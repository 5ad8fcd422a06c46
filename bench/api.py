"""The API process: CPU a submission, single and in bulk.

    python -m bench.api SINGLES BULKS

AWS is a stand-in, as for the worker. Callers keep their connections, sixteen of them for single submissions and four for bulks of
a hundred jobs.
"""

import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.stack import api_of, stood_in
from bench.usage import Usage

BULK_JOBS: Final = 100
_JOB: Final = {"prompt": "Summarise this ticket in one sentence. " + "The printer is out of paper again. " * 8, "max_tokens": 100}


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load on an API process, CPU and rate counted by job."""

    jobs: int
    cpu_ms: float
    rate: float
    peak_mib: float


def load(singles: int, bulks: int) -> tuple[Load, Load]:
    """Single submissions, then bulks."""
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name, ExitStack() as running:
        port, process = running.enter_context(api_of(running.enter_context(stood_in(Path(name)))))
        pid = process.popen.pid
        _measured(pid, port, "/v1/jobs", _JOB, 500, 1, 16)  # to be warm
        return (
            _measured(pid, port, "/v1/jobs", _JOB, singles, 1, 16),
            _measured(pid, port, "/v1/jobs/bulk", {"jobs": [_JOB] * BULK_JOBS}, bulks, BULK_JOBS, 4),
        )


def cpu_of_submissions(pid: int, port: int, count: int, header: str) -> float:
    """Milliseconds each, of single submissions to an API process that runs, with one more header line."""
    return _measured(pid, port, "/v1/jobs", _JOB, count, 1, 16, header).cpu_ms


def _measured(pid: int, port: int, path: str, body: Any, requests: int, jobs_each: int, connections: int, header: str = "") -> Load:
    before, began = Usage.of(pid), time.monotonic()
    asyncio.run(_send(port, path, body, requests, connections, header))
    after, seconds = Usage.of(pid), time.monotonic() - began
    jobs = requests * jobs_each
    return Load(jobs, (after.cpu_seconds - before.cpu_seconds) / jobs * 1000, jobs / seconds, after.peak_mib)


async def _send(port: int, path: str, body: Any, requests: int, connections: int, header: str) -> None:
    content = json.dumps(body).encode()
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}Content-Type: application/json\r\n"
    head = f"{lines}Content-Length: {len(content)}\r\n\r\n"
    left = iter(range(requests))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(head.encode() + content)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(int(line.partition(":")[2]) for line in answer.split("\r\n") if line.startswith("content-length"))
            text = await reader.readexactly(length)
            if " 202 " not in answer.split("\r\n", 1)[0]:
                raise RuntimeError(f"refused: {text!r}")
        writer.close()

    async with asyncio.TaskGroup() as callers:
        for _ in range(connections):
            callers.create_task(caller())


if __name__ == "__main__":
    print(*load(int(sys.argv[1]), int(sys.argv[2])), sep="\n")  # noqa: T201
