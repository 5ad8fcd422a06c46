"""`quarry run` of many lines, killed and resumed twice: what comes of it, and how much memory it takes.

    .venv/bin/python -m bench.run_100k
    .venv/bin/python -m bench.run_100k --lines 10000 --workers 2
    .venv/bin/python -m bench.run_100k --in-memory

Everything runs on this machine. Without `--in-memory`: API and workers on emulated AWS, with models that echo; the rate is then the
emulator's, and 100,000 lines take it an hour. With it, the same API and worker work over the fakes of `quarry.testing`, and the
rate is Quarry's own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from bench.stack import emulated
from tests.support.processes import ROOT, clean_environ, eventually, free_port, quarry, serving
from tests.support.stack import Stack

KILLED = -9
PEAK_MAX_MIB = 150
HOURS_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Sitting:
    """One process of the run."""

    code: int
    seconds: float
    peak_mib: float


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=2000)
    parser.add_argument("--in-memory", action="store_true", help="fakes in the place of AWS")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as name, ExitStack() as running:
        api = running.enter_context(in_memory(Path(name)) if arguments.in_memory else quarry_of(Path(name), arguments.workers))
        file, out = Path(name) / "jobs.jsonl", Path(name) / "results.jsonl"
        write(file, arguments.lines)
        command = quarry("run", str(file), "--output", str(out), "--in-flight", str(arguments.in_flight))
        thirds = [arguments.lines // 3, 2 * arguments.lines // 3, None]
        sittings = [sit(command, api, out, until) for until in thirds]
        lines, different = results(out)
        jobs = api.jobs()
    peak = max(each.peak_mib for each in sittings)
    seconds = sum(each.seconds for each in sittings)
    rows = (
        (
            "killed and resumed",
            "twice",
            f"{sum(each.code == KILLED for each in sittings)} times; then exit code {sittings[-1].code}",
        ),
        ("lines of results", f"{arguments.lines:,}", f"{lines:,}, of {different:,} different lines"),
        ("jobs made", f"{arguments.lines:,}", f"{jobs:,}"),
        ("peak memory (RSS)", f"<= {PEAK_MAX_MIB} MiB", ", ".join(f"{each.peak_mib:.0f}" for each in sittings) + " MiB"),
        ("time", "-", f"{seconds:,.0f} s, {arguments.lines / seconds:,.0f} jobs/s"),
    )
    say("| | asked | measured |\n| --- | --- | --- |")
    for row in rows:
        say(f"| {' | '.join(row)} |")
    right = (
        lines == different == jobs == arguments.lines
        and peak <= PEAK_MAX_MIB
        and [each.code for each in sittings] == [KILLED, KILLED, 0]
    )
    return 0 if right else 1


@dataclass(frozen=True, slots=True)
class Api:
    """What is submitted to: the client's environment, and how many jobs there are."""

    environ: dict[str, str]
    jobs: Callable[[], int]


def sit(command: list[str], api: Api, out: Path, until: int | None) -> Sitting:
    """Run until there are so many results, then kill it; or to its end."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=api.environ, cwd=ROOT)  # noqa: S603 - our own command
    if until is not None:
        counted = Counted(out)
        eventually(lambda: counted.lines() >= until or process.poll() is not None, seconds=HOURS_SECONDS)
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Sitting(process.returncode, time.monotonic() - started, usage.ru_maxrss / 1024)


class Counted:
    """A growing file's lines; what was counted is not read again."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._lines = path, 0, 0

    def lines(self) -> int:
        """How many there are."""
        time.sleep(0.2)
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            self._lines += new.count(b"\n")
        return self._lines


def write(path: Path, count: int) -> None:
    """A file of submissions of about 300 bytes each."""
    with path.open("w") as file:
        for number in range(1, count + 1):
            body = {"custom_id": f"line-{number}", "prompt": f"{number} " + "ticket " * 30, "max_tokens": 100}
            file.write(json.dumps(body) + "\n")


def results(out: Path) -> tuple[int, int]:
    """Lines of results, and of how many lines of the file."""
    with out.open() as file:
        lines = [json.loads(each)["line"] for each in file]
    return len(lines), len(set(lines))


def count_jobs(stack: Stack) -> int:
    """Jobs in the table: a line submitted twice would be two."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(
        TableName=stack.name, FilterExpression="sk = :job", ExpressionAttributeValues={":job": {"S": "job"}}, Select="COUNT"
    )  # fmt: skip
    return sum(page["Count"] for page in pages)


@contextmanager
def quarry_of(directory: Path, workers: int) -> Iterator[Api]:
    """Emulated AWS, an API and workers that echo."""
    with ExitStack() as running:
        stack = running.enter_context(emulated(directory))
        api = running.enter_context(stack.running_api())
        for number in range(workers):
            running.enter_context(stack.running_worker(f"worker-{number}"))
        yield Api(stack.environ(QUARRY_CLIENT__API_URL=str(api.base_url)), partial(count_jobs, stack))


@contextmanager
def in_memory(directory: Path) -> Iterator[Api]:
    """API and worker over fakes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.in_memory", str(port)]
    with serving(command, clean_environ(QUARRY_ENVIRONMENT="local"), directory / "quarry.log", f"{url}/livez"):
        yield Api(clean_environ(QUARRY_CLIENT__API_URL=url), lambda: int(httpx.get(f"{url}/count").json()["jobs"]))


def say(text: str) -> None:
    """A line of the table."""
    print(text, flush=True)  # noqa: T201 - data goes to stdout


if __name__ == "__main__":
    sys.exit(main())
