"""What a flood of wrong keys costs those with a right one.

    python -m bench.wrong_keys SECONDS

An API process that asks for keys, on a stand-in for AWS. A caller with a valid key submits at a modest pace: alone, then beside a
process that sends wrong keys as fast as they are answered. Then what authentication adds to the CPU of a submission, by turns.
"""

import asyncio
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.api import cpu_of_submissions
from bench.flood import KINDS
from bench.stack import api_of, stood_in
from bench.stand_in_aws import KEY
from tests.support.processes import Process, clean_environ, running

#: Of the caller with the valid key.
_PER_SECOND: Final = 50
_CONNECTIONS: Final = 10
_BODY: Final = json.dumps({"prompt": "Hi"})
_REQUEST: Final = (
    f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(_BODY)}\r\n\r\n{_BODY}"
).encode()
_TURNS: Final = 5
_SUBMISSIONS: Final = 2000


@dataclass(frozen=True, slots=True)
class Calm:
    """The valid requests: how long they took."""

    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class Flood:
    """The same beside a flood, and what that made the store do."""

    kind: str
    rate: float
    reads: int
    writes: int
    valid: Calm


def measured(seconds: float) -> tuple[Calm, list[Flood]]:
    """The valid requests alone, and beside each kind of flood, so long each."""
    with _api(authenticating=True) as (url, aws, _):
        return asyncio.run(_submit(url, seconds)), [_flooded(url, aws, kind, seconds) for kind in KINDS]


def main(seconds: float) -> None:
    """Measure and print."""
    calm, floods = measured(seconds)
    sys.stdout.write(f"idle: p50 {calm.p50_ms:.1f} ms, p99 {calm.p99_ms:.1f} ms ({calm.count} requests)\n")
    for flood in floods:
        ratio = flood.valid.p99_ms / calm.p99_ms
        sys.stdout.write(
            f"{flood.kind}: p50 {flood.valid.p50_ms:.1f} ms, p99 {flood.valid.p99_ms:.1f} ms, {ratio:.1f} times idle (asked: ≤ 5); "
            f"{flood.rate:.0f} wrong keys/s; store: {flood.reads} reads, {flood.writes} writes (asked: 0) for them\n"
        )
    off, on = overhead()
    sys.stdout.write(f"CPU of a submission: {off:.3f} ms without keys, {on:.3f} ms with: {on / off - 1:+.1%} (asked: ≤ 15%)\n")


@contextmanager
def _api(*, authenticating: bool) -> Iterator[tuple[str, str, Process]]:
    """The URLs of an API and of its AWS, and the API's process."""
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name, stood_in(Path(name)) as stack:
        if authenticating:
            stack.env |= {"QUARRY_ENVIRONMENT": "production", "QUARRY_API__AUTH": "api_key"}
        with api_of(stack) as (port, process):
            yield f"http://127.0.0.1:{port}", stack.aws_url, process


def _flooded(url: str, aws: str, kind: str, seconds: float) -> Flood:
    port = url.rpartition(":")[2]
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name:
        log, before = Path(name) / "flood.log", _counts(aws)
        command = [sys.executable, "-m", "bench.flood", port, kind, str(seconds + 1)]
        with running(command, clean_environ(), log) as flood:
            valid = asyncio.run(_submit(url, seconds))
            flood.popen.wait(seconds + 30)
            sent = json.loads(flood.output)
        after = _counts(aws)
    # The valid submissions wrote a record each, and nothing besides: what is left of the writes was for wrong keys.
    return Flood(kind, sent["answered"] / sent["seconds"], after[0] - before[0], after[1] - before[1] - valid.count, valid)


def _counts(aws: str) -> tuple[int, int]:
    """The keys read so far, and the items written."""
    counted: dict[str, int] = httpx.get(aws).json()
    return counted["keys_read"], counted["written"]


async def _submit(url: str, seconds: float) -> Calm:
    """At an even pace, whether or not the last is answered: who waits for answers does not see how bad it is."""
    callers = [await asyncio.open_connection("127.0.0.1", _port(url)) for _ in range(_CONNECTIONS)]
    taken: list[float] = []

    async def calls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: int) -> None:
        for number in range(first, math.ceil(seconds * _PER_SECOND), _CONNECTIONS):
            due = start + number / _PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(_REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202 "):
                raise RuntimeError(f"refused: {head!r}")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]))
            taken.append((time.perf_counter() - due) * 1000)

    start = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as tasks:
        for first, (reader, writer) in enumerate(callers):
            tasks.create_task(calls(reader, writer, first))
    for _, writer in callers:
        writer.close()
    hundredths = statistics.quantiles(taken, n=100)
    return Calm(hundredths[49], hundredths[98], len(taken))


def overhead() -> tuple[float, float]:
    """CPU of a submission in ms, without and with keys: medians of turns."""
    with _api(authenticating=False) as (open_url, _, open_api), _api(authenticating=True) as (url, _, api):
        turns: tuple[list[float], list[float]] = ([], [])
        header = f"Authorization: Bearer {KEY}\r\n"
        for _ in range(_TURNS + 1):
            turns[0].append(cpu_of_submissions(open_api.popen.pid, _port(open_url), _SUBMISSIONS, header))
            turns[1].append(cpu_of_submissions(api.popen.pid, _port(url), _SUBMISSIONS, header))
        # The first turn only warms up.
        return statistics.median(turns[0][1:]), statistics.median(turns[1][1:])


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


if __name__ == "__main__":
    main(float(sys.argv[1]))
