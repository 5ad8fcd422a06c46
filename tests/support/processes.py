"""Real processes for tests: started on loopback, waited for, and ended with their test, by pid."""

import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import httpx

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
#: Starting Python with everything imported takes a second or two, on a machine that has more to do than it can many times that.
START_SECONDS = 90.0
#: Linux gives out those from 32768 by itself: nobody is given one of these between its choice and its use.
PORTS = range(20_000, 32_768)
#: Which of the test runners beside each other this is, and how many they are: `pytest -n` has several.
RUNNER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
RUNNERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


class Process:
    """A running command; its output is kept in a file and shown when something goes wrong."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(command, env=dict(env), stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=ROOT)

    @property
    def output(self) -> str:
        """Everything it wrote so far."""
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, then wait; SIGKILL where that takes too long. Returns the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                return self.popen.wait(seconds)
            self.popen.kill()
        return self.popen.wait(seconds)


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[Process]:
    """A process for the length of the block."""
    process = Process(command, env, log)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def serving(command: Sequence[str], env: Mapping[str, str], log: Path, ready_url: str) -> Iterator[Process]:
    """A server for the length of the block; the block starts when `ready_url` answers 200."""
    with running(command, env, log) as process:

        def is_ready() -> bool:
            if process.popen.poll() is not None:
                raise AssertionError(f"{command} ended with {process.popen.returncode}:\n{process.output}")
            return answers(ready_url)

        eventually(is_ready, seconds=START_SECONDS, what=lambda: f"{ready_url} to answer; the log:\n{process.output}")
        yield process


def fetched(url: str, seconds: float = 30.0) -> httpx.Response:
    """A server's answer, by a client of its own: without the roots of trust, which take 28 ms of CPU to load (measured in November
    2026). Asked fifty times a second, that was most of what a waiting test took from the process that it waited for.
    """
    return httpx.get(url, timeout=seconds, verify=False)  # noqa: S501 - no TLS on loopback


def answers(url: str) -> bool:
    """Whether it is there, and well: whoever asks will ask again."""
    with suppress(httpx.TransportError):
        return fetched(url, 5).status_code == 200
    return False


def eventually(probe: Callable[[], T | None], *, seconds: float = 20.0, what: Callable[[], str] | str = "it") -> T:
    """What `probe` returns, as soon as that is true, asked often at first; fails after `seconds`."""
    end, pause = time.monotonic() + seconds, 0.02
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(1.1 * pause, 0.1)


def every(seconds: float, until: Callable[[], object], *, limit: float) -> Iterator[int]:
    """Count from 0 at this pace until `until` is true; fails where that takes longer than `limit` seconds."""
    started, due = time.monotonic(), itertools.count(1)
    for number in itertools.count():
        if until():
            return
        if time.monotonic() - started > limit:
            raise AssertionError(f"not done after {limit} s")
        yield number
        time.sleep(max(0.0, started + next(due) * seconds - time.monotonic()))


def started_by(pid: int) -> list[int]:
    """The processes that `pid` has started and that still run, and what those have started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    pairs = [(int(child), int(parent)) for child, parent in (line.split() for line in listed.splitlines())]
    found = [pid]
    for each in found:
        found += [child for child, parent in pairs if parent == each]
    return found[1:]


def alive(pids: Iterable[int]) -> list[int]:
    """Those of the processes that still run."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], check=True, capture_output=True, text=True).stdout
    running = {int(pid) for pid, stat in (line.split()[:2] for line in listed.splitlines()) if not stat.startswith("Z")}
    return [pid for pid in pids if pid in running]


def _ports() -> Iterator[int]:
    """This runner's share of the ports in an order of its own, again and again: one given out comes back as late as can be,
    since who was given it may not listen yet. The next three are nobody's: workers take theirs one after the other.
    """
    share = len(PORTS) // RUNNERS
    mine = list(PORTS[RUNNER * share : (RUNNER + 1) * share : 4])
    secrets.SystemRandom().shuffle(mine)
    return itertools.cycle(mine)


_GIVEN_OUT: Final = _ports()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on, and that no other caller of this is given."""
    for port in _GIVEN_OUT:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a cycle has no end")


def quarry(*arguments: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "quarry", *arguments]


def clean_environ(**extra: str) -> dict[str, str]:
    """The environment without anything that would configure Quarry, AWS or traces, plus `extra`. Without an endpoint of its own,
    AWS is a port of loopback where nobody listens.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QUARRY_", "AWS_", "OTEL_"))}
    return kept | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"} | extra
