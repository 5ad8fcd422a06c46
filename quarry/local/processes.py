"""Child processes that end with their parent's block, whatever ends that: in order, an error, Ctrl-C, SIGTERM, even SIGKILL."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import httpx

from quarry.errors import QuarryError

#: Starting Python with everything imported takes seconds on a busy machine.
_START_SECONDS: Final = 60.0
#: For those that are stopped together: longer than a worker drains, and than the emulator saves. Our choice.
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 20
#: The tier of what is run to its end beside the others.
_FIRST_TO_STOP: Final = 99
#: Source: prctl(2), Linux man-pages.
_PR_SET_PDEATHSIG: Final = 1


class ChildFailed(QuarryError):
    """A process ended that should not have, or did not get ready: `what`. The message holds the end of its log, too."""

    def __init__(self, what: str, log: Path) -> None:
        self.what = what
        tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        super().__init__("\n  ".join((f"{what}; the end of {log}:", *tail)))


class Stopped(QuarryError):
    """SIGINT (Ctrl-C), SIGTERM or SIGHUP (a lost terminal) came; `number` says which, and `what`.

    `signals` are those that have come, and goes on growing.
    """

    def __init__(self, signals: Sequence[int]) -> None:
        self.number = signals[0]
        self._signals = signals
        self.what = signal.Signals(self.number).name
        super().__init__(self.what)

    @property
    def in_haste(self) -> bool:
        """Whether Ctrl-C has come twice. (A terminal that is closed may send SIGHUP twice, and means nothing by it.)"""
        return self._signals.count(signal.SIGINT) > 1


class Child:
    """A running command whose output goes to a file. Those of one `tier` are stopped together, the higher tiers first."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], directory: Path, tier: int, *, shown: bool = False
    ) -> None:
        self.name = name
        self.tier = tier
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
            self.popen = subprocess.Popen(  # noqa: S603 - our own commands
                command, env=dict(environ), cwd=directory, stdin=subprocess.DEVNULL, stdout=output,
                stderr=None if shown else output, start_new_session=True, preexec_fn=_end_with_parent(),  # noqa: PLW1509 - we have one thread
            )  # fmt: skip

    def failure(self, what: str) -> ChildFailed:
        """The error that says `what` of this process."""
        return ChildFailed(f"{self.name} {what}", self._log)

    def ended(self, code: int) -> ChildFailed:
        """The error that says how it ended."""
        return self.failure(f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}")


class Children:
    """Processes that are started one after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: list[Child] = []
        self._signals: list[int] = []

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember it, for `check`. An exception raised in here could be swallowed, or lose a process just started."""
        self._signals.append(number)

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str], tier: int = 0) -> Child:
        """Start a process; its log is `NAME.log` in the directory."""
        child = Child(name, command, environ, self._directory, tier)
        self._running.append(child)
        return child

    def run(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], *, expected: Container[int] = (0,), shown: bool = False
    ) -> int:
        """Run a process to its end; returns its exit code. What it says on stderr goes to its log, or is `shown` on ours.

        Raises:
            ChildFailed: it ended otherwise than `expected`, or another process ended meanwhile.
            Stopped: a signal came.
        """
        child = Child(name, command, environ, self._directory, tier=_FIRST_TO_STOP, shown=shown)
        self._running.append(child)
        while child.popen.poll() is None:
            self._check(each for each in self._running if each is not child)
            time.sleep(_POLL_SECONDS)
        self._running.remove(child)
        code = child.popen.wait()
        if code not in expected:
            raise child.ended(code)
        return code

    def check(self) -> None:
        """See that everything runs, and shall. Whoever waits for something calls this now and then.

        Raises:
            ChildFailed: something has ended.
            Stopped: a signal came.
        """
        self._check(self._running)

    def _check(self, running: Iterable[Child]) -> None:
        if self._signals:
            raise Stopped(self._signals)
        for child in running:
            if (code := child.popen.poll()) is not None:
                raise child.ended(code)

    def _in_haste(self) -> bool:
        return bool(self._signals) and Stopped(self._signals).in_haste

    def wait(self) -> NoReturn:
        """Wait for the first thing to go wrong, or for a signal.

        Raises:
            ChildFailed: something has ended.
            Stopped: a signal came.
        """
        while True:
            self.check()
            time.sleep(_POLL_SECONDS)

    def await_ready(self, urls: Mapping[str, str]) -> None:
        """Wait until every URL (by the name of its process) answers 200.

        Raises:
            ChildFailed: a process ended, or took too long.
            Stopped: a signal came.
        """
        end = time.monotonic() + _START_SECONDS
        with httpx.Client(timeout=2, trust_env=False) as client:
            for name, url in urls.items():
                while not _answers(client, url):
                    self.check()
                    if time.monotonic() > end:
                        [child] = [each for each in self._running if each.name == name]
                        raise child.failure(f"was not ready after {_START_SECONDS:.0f} s")
                    time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM, tier by tier, from the highest; SIGKILL to what is still there when its time is up, or Ctrl-C came twice."""
        by_tier = sorted(self._running, key=lambda child: child.tier, reverse=True)
        for _, tier in groupby(by_tier, key=lambda child: child.tier):
            stopping = list(tier)
            for child in stopping:
                child.popen.terminate()
            end = time.monotonic() + _STOP_SECONDS
            while any(child.popen.poll() is None for child in stopping) and time.monotonic() < end and not self._in_haste():
                time.sleep(_POLL_SECONDS)
        for child in by_tier:
            child.popen.kill()
            child.popen.wait()


@contextmanager
def children(directory: Path) -> Iterator[Children]:
    """Children for the length of the block. Meanwhile a signal does not interrupt: the next `check` raises `Stopped`."""
    made = Children(directory)
    with _on_signals(made.on_signal):
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def _on_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _end_with_parent() -> Callable[[], None] | None:
    """What a child does before its program begins: ask for SIGTERM when its parent dies, of whatever. Linux can do that."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # It may be dead already.
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _answers(client: httpx.Client, url: str) -> bool:
    with suppress(httpx.TransportError):
        return client.get(url).status_code == 200
    return False
