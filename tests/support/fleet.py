"""Workers to be hurt: started without waiting, killed, paused and replaced while jobs run."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import START_SECONDS, Process, answers, eventually, fetched, free_port, quarry
from tests.support.stack import Stack

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Worker:
    """One worker process. `counted` is what its metrics said last about calls that may be paid again, by reason."""

    process: Process
    probes: str
    counted: Counter[str]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.popen.pid

    @property
    def rss_bytes(self) -> int:
        """Memory that it holds now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def is_alive(self) -> bool:
        """Whether it has started, and serves its probes."""
        return self.process.popen.poll() is None and answers(f"{self.probes}/livez")

    def scrape(self) -> None:
        """Read its metrics."""
        self._count(self.metrics())

    def _count(self, metrics: str) -> None:
        self.counted = Counter(
            {
                sample.labels["reason"]: int(sample.value)
                for family in text_string_to_metric_families(metrics)
                for sample in family.samples
                if sample.name == "quarry_calls_repeated_total"
            }
        )

    def metrics(self) -> str:
        """All that it measures, as text. It may be paused: then nobody waits for it for long."""
        return fetched(f"{self.probes}/metrics", 5).text

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does; what its metrics say is read just before."""
        metrics = None
        with suppress(httpx.TransportError):
            metrics = self.metrics()
        self.process.signal(signal.SIGKILL)
        self.process.popen.wait(10)
        # Reading takes a while, in which it would have counted more.
        if metrics is not None:
            self._count(metrics)

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.signal(signal.SIGCONT)


class Fleet:
    """All workers of a test, dead ones included."""

    def __init__(self, stack: Stack, **env: str) -> None:
        self._stack = stack
        self._env = env
        self.all: list[Worker] = []

    def start(self, **env: str) -> Worker:
        """Start a worker; it takes a second or two until it works."""
        port = str(free_port())
        environ = self._stack.environ(**(self._env | env | {"QUARRY_WORKER__METRICS_PORT": port}))
        log = self._stack.directory / f"worker-{len(self.all)}.log"
        made = Worker(Process(quarry("worker"), environ, log), f"http://127.0.0.1:{port}", Counter())
        self.all.append(made)
        return made

    def await_all(self) -> None:
        """Wait until all that have not ended live."""
        for each in self.all:
            if each.process.popen.poll() is None:
                eventually(each.is_alive, seconds=START_SECONDS, what=f"a worker to start: {each.process.log}")

    def alive(self) -> list[Worker]:
        """Those that have started and not ended, the oldest first."""
        return [each for each in self.all if each.is_alive()]

    def counted(self) -> Counter[str]:
        """Calls that may be paid again, by reason: the sum of all metrics, those of the dead as they were last read."""
        for each in self.all:
            if each.process.popen.poll() is None:
                # One that has only just been started has counted nothing, and does not listen yet.
                with suppress(httpx.ConnectError):
                    each.scrape()
        return sum((each.counted for each in self.all), Counter[str]())

    def stop(self) -> None:
        """End all of them, at once: they are used to it."""
        for each in self.all:
            each.process.popen.kill()
            each.process.popen.wait(10)


@contextmanager
def fleet(stack: Stack, **env: str) -> Iterator[Fleet]:
    """A fleet that ends with the block."""
    made = Fleet(stack, **env)
    try:
        yield made
    finally:
        made.stop()
