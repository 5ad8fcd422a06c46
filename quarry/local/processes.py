"""Child processes that end with their parent's block, whatever ends that: in order, an error, Ctrl-C, SIGTERM."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import httpx

from quarry.errors import QuarryError

#: Starting Python with everything imported takes seconds on a busy machine.
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 20


class ChildFailed(QuarryError):
    """A process ended that should not have, or did not get ready. The message holds the end of its log."""


class Stopped(QuarryError):
    """SIGINT (Ctrl-C), SIGTERM or SIGHUP (a lost terminal) came; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Child:
    """A running command whose output goes to a file."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
            self.popen = subprocess.Popen(  # noqa: S603 - our own commands
                command, env=dict(environ), cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def failure(self, what: str) -> ChildFailed:
        """The error that says `what` of this process."""
        tail = self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return ChildFailed("\n  ".join((f"{self.name} {what}; the end of {self._log}:", *tail)))


class Children:
    """Processes started one after the other and stopped in the opposite order."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: list[Child] = []
        self._signal: int | None = None

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Remember it, for `check`. An exception raised in here could be swallowed, or lose a process just started."""
        self._signal = number

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start a process; its log is `NAME.log` in the directory."""
        child = Child(name, command, environ, self._directory)
        self._running.append(child)
        return child

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a process to its end.

        Raises:
            ChildFailed: it ended with another code than 0.
            Stopped: a signal came.
        """
        child = self.start(name, command, environ)
        while (code := child.popen.poll()) is None:
            self._check_signal()
            time.sleep(_POLL_SECONDS)
        if code:
            raise child.failure(f"ended with {code}")
        self._running.remove(child)

    def check(self) -> None:
        """See that everything runs, and shall. Whoever waits for something calls this now and then.

        Raises:
            ChildFailed: something has ended.
            Stopped: a signal came.
        """
        self._check_signal()
        for child in self._running:
            if (code := child.popen.poll()) is not None:
                raise child.failure(f"ended with {code}")

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

    def _check_signal(self) -> None:
        if self._signal is not None:
            raise Stopped(self._signal)

    def stop(self) -> None:
        """SIGTERM to each in turn, the last started first; SIGKILL to what is still there when the time is up."""
        end = time.monotonic() + _STOP_SECONDS
        for child in reversed(self._running):
            child.popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.popen.wait(max(0.0, end - time.monotonic()))
        for child in self._running:
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


def free_ports(count: int) -> list[int]:
    """Different TCP ports of loopback that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _answers(client: httpx.Client, url: str) -> bool:
    with suppress(httpx.TransportError):
        return client.get(url).status_code == 200
    return False
