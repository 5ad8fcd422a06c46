"""Somebody who reads the documentation with a terminal beside it, and types what it says."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from tempfile import mkstemp

from tests.support.pages import Block
from tests.support.processes import ROOT, RUNNER, answers, clean_environ, eventually, free_port

#: The ports that the pages name: the APIs', emulated AWS's, simulators', and those for metrics, which follow each other.
PORTS = ("8000", "8001", "4566", "4567", "4568", "4569", "9090", "9091", "9092")
#: The last command of a block that goes on running, and when it is ready: by what it says, or by an address that answers.
SERVERS = {
    "quarry local": "In another terminal:",
    "-m ministack": "http://127.0.0.1:4566/_ministack/health",
    "quarry simulator": "http://127.0.0.1:4567/livez",
    "quarry api": "http://127.0.0.1:8000/readyz",
    "quarry worker": "http://127.0.0.1:9090/readyz",
}


class Reader:
    """Follows pages in a directory of its own, which has what the checkout has, but for the small model: answers are echoes. Where
    one of the ports is taken on this machine, another is put in its place.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports = ports_for_a_stack()
        for each in ROOT.iterdir():
            if each.name not in (".git", ".venv-model", "examples"):
                (directory / each.name).symlink_to(each)
        (directory / "examples").mkdir()
        for each in (ROOT / "examples").iterdir():
            (directory / "examples" / each.name).write_text(self.placed(each.read_text()))

    def placed(self, text: str) -> str:
        """`text` with this reader's ports."""
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: self._ports[found[0]], text)

    @contextmanager
    def serving(self, block: Block) -> Iterator[Path]:
        """A terminal in which something goes on until Ctrl-C. The block starts when that is ready, with its log."""
        ready = self.placed(next(ready for name, ready in SERVERS.items() if name in block.text))
        api, aws, simulator, metrics = (self._ports[port] for port in ("8000", "4566", "4567", "9090"))
        options = f"--port {api} --aws-port {aws} --simulator-port {simulator} --metrics-port {metrics}"
        text = self.placed(block.text).replace("quarry local", f"quarry local {options}")
        log = self.directory / f"terminal-{block.line}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-e", "-c", text], env=self.environ(), cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

        def is_ready() -> bool:
            assert process.poll() is None, f"{block} ended:\n{log.read_text()}"
            return answers(ready) if ready.startswith("http") else ready in log.read_text()

        try:
            eventually(is_ready, seconds=60, what=lambda: f"{block} to be ready; it said:\n{log.read_text()}")
            yield log
        finally:
            _end(process, signal.SIGINT)
        assert "Traceback" not in log.read_text()

    @contextmanager
    def terminal(self) -> Iterator["Terminal"]:
        """A terminal that comes to its end with the page."""
        terminal = Terminal(self)
        try:
            yield terminal
        finally:
            terminal.close()

    def environ(self) -> dict[str, str]:
        """What a terminal begins with."""
        # The ports that the pages leave to their defaults; and the command of this checkout, whichever one the environment is of.
        return clean_environ(
            QUARRY_CLIENT__API_URL=f"http://127.0.0.1:{self._ports['8000']}",
            QUARRY_API__METRICS_PORT=self._ports["9091"],
            PYTHONPATH=str(ROOT),
        )


class Terminal:
    """A shell that keeps its variables from block to block. What ends with another code than 0 ends it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._number = 0
        descriptor, name = mkstemp(".log", "terminal-", reader.directory)
        os.close(descriptor)
        self._log = Path(name)
        # What runs in the background writes to it, too.
        with self._log.open("ab") as output:
            self._shell = subprocess.Popen(
                ["bash", "--norc", "-e", "-o", "pipefail"], env=reader.environ(), cwd=reader.directory, stdin=subprocess.PIPE,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def type(self, block: Block) -> str:
        """Run a block to its end; returns what it printed."""
        self._number += 1
        start, mark = self._log.stat().st_size, self._reader.directory / f".done-{self._number}"
        script = self._reader.directory / f".block-{self._number}"
        script.write_text(self._script(block))
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"source {script} < /dev/null\ntouch {mark}\n".encode())
        self._shell.stdin.flush()

        def printed() -> str:
            return self._log.read_bytes()[start:].decode(errors="replace")

        def ended() -> bool:
            assert self._shell.poll() is None, f"{block} failed:\n{block.text}\nIt printed:\n{printed()}"
            return mark.exists()

        eventually(ended, seconds=60, what=lambda: f"{block} to end; it printed:\n{printed()}")
        mark.unlink()
        return printed()

    def _script(self, block: Block) -> str:
        text = self._reader.placed(block.text)
        if block.language == "sh":
            return text
        named = re.match(r"# ([\w./-]+\.py)\n", text)
        return f"cat > {named[1]} <<'EOF'\n{text}EOF\n" if named else f"python - <<'EOF'\n{text}EOF\n"

    def close(self) -> None:
        """End the shell, and what it left in the background."""
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):
            self._shell.stdin.close()
        _end(self._shell, signal.SIGTERM)


def serves(block: Block) -> bool:
    """Whether the last command of a block goes on running."""
    last = block.text.strip().splitlines()[-1]
    return block.language == "sh" and not last.endswith("&") and any(name in last for name in SERVERS)


def ports_for_a_stack() -> dict[str, str]:
    """For each port of the pages one that is free: itself, if it is, and for one test runner only."""
    metrics = chain((9090,) if RUNNER == 0 else (), iter(free_port, None))
    first = next(first for first in metrics if all(map(is_free, range(first, first + 3))))
    ports = {port: port if RUNNER == 0 and is_free(int(port)) else str(free_port()) for port in PORTS}
    return ports | {str(9090 + i): str(first + i) for i in range(3)}


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """A signal to everything in the terminal; SIGKILL where that takes too long."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
