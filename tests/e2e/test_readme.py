"""The README, word for word: its shell blocks are run as a reader would run them, each in a terminal of its own."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from tests.support.processes import ROOT, clean_environ, eventually, free_port

README = (ROOT / "README.md").read_text()
#: Every shell block, in order. One more in the README is one that these tests do not run: the line below fails then.
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
QUICK_START, LOCAL, SUBMIT, EMULATOR, SIMULATOR, API, WORKER, CURL, FOLLOW, CLIENT = BLOCKS
#: The ports that the README names, and the API's metrics port, which it leaves to its default.
PORTS = ("4566", "4567", "8000", "9090", "9091")
#: Those that `quarry local` listens on by itself, and what moves them.
LOCAL_OPTIONS = {"4566": "--aws-port", "4567": "--simulator-port", "8000": "--port", "9090": "--metrics-port"}


class Reader:
    """Somebody who follows the README. Where one of its ports is taken on this machine, another is put in its place."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = {port: port if is_free(port) else str(free_port()) for port in PORTS}
        self._profile = directory / "local.sh"
        self._profile.write_text(self._placed((ROOT / "examples" / "local.sh").read_text()))

    def url(self, port: str, path: str) -> str:
        """An address of the walk."""
        return f"http://127.0.0.1:{self._ports[port]}{path}"

    def moved(self, block: str) -> str:
        """The block of `quarry local`, with an option for each port that it cannot have."""
        options = [f"{LOCAL_OPTIONS[port]} {free}" for port, free in self._ports.items() if port in LOCAL_OPTIONS and free != port]
        return " ".join((block.rstrip(), *options))

    @contextmanager
    def serving(self, name: str, block: str, ready: str) -> Iterator[None]:
        """A terminal in which something goes on running, until Ctrl-C."""
        log = self._directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(block), env=self._environ(), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            with suppress(httpx.TransportError):
                return httpx.get(ready, timeout=2).status_code == 200
            return False

        try:
            eventually(is_ready, seconds=60, what=lambda: f"{name} to be ready; it said:\n{log.read_text()}")
            yield
        finally:
            stop(process)
        assert "Traceback" not in log.read_text()

    def run(self, block: str) -> str:
        """A terminal that comes to its end; returns what it printed."""
        done = subprocess.run(
            self._command(block), env=self._environ(), cwd=ROOT, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def _command(self, block: str) -> list[str]:
        # Activating an environment reads variables that a terminal has and a script may not: hence no `-u`.
        return ["bash", "-e", "-o", "pipefail", "-c", self._placed(block).replace("examples/local.sh", str(self._profile))]

    def _environ(self) -> dict[str, str]:
        moved = {
            "QUARRY_API__METRICS_PORT": self._ports["9091"] if self._ports["9091"] != "9091" else None,
            "QUARRY_CLIENT__API_URL": self.url("8000", "") if self._ports["8000"] != "8000" else None,
        }
        return clean_environ(**{name: value for name, value in moved.items() if value})

    def _placed(self, text: str) -> str:
        return re.sub("|".join(PORTS), lambda found: self._ports[found[0]], text)


def is_free(port: str) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(port)))
        return True
    return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C: SIGINT to everything in the terminal."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def test_the_walk_by_hand_leads_to_answers(tmp_path: Path) -> None:
    """Five terminals, as written; each command prints what the README says it does.

    Red when: `examples/local.sh`:
    `AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:4567` -> `AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:1`
    """
    reader = Reader(tmp_path)
    with ExitStack() as terminals:
        for name, block, port, path in (
            ("emulator", EMULATOR, "4566", "/_ministack/health"),
            ("simulator", SIMULATOR, "4567", "/livez"),
            ("api", API, "8000", "/readyz"),
            ("worker", WORKER, "9090", "/readyz"),
        ):
            terminals.enter_context(reader.serving(name, block, reader.url(port, path)))
        assert "FAIL" not in (tmp_path / "api.log").read_text()
        answer = reader.run(CURL)
        assert "202 Accepted" in answer
        assert "location: /v1/jobs/" in answer.lower()
        followed, _, shown = reader.run(FOLLOW).partition("request_id    ")
        assert json.loads(followed)["status"] == "completed"
        assert "status        completed" in shown
        said = reader.run(CLIENT).splitlines()
        assert said[0] == "Why is the sky blue?"
        assert len(said[1:]) == 3
        assert any(line.endswith("sky") for line in said)
        assert httpx.get(reader.url("8000", "/docs")).status_code == 200


def test_one_command_is_a_stack(tmp_path: Path) -> None:
    """Two terminals, as written: the one serves, the other gets an answer.

    Red when: `quarry/cli/local.py`: `api=arguments.port` -> `api=0`
    """
    reader = Reader(tmp_path)
    with reader.serving("local", reader.moved(LOCAL), reader.url("8000", "/readyz")):
        eventually(lambda: "In another terminal" in (tmp_path / "local.log").read_text(), seconds=60)
        assert reader.run(SUBMIT).strip()
    assert (tmp_path / "local.log").read_text().endswith("quarry: stopped\n")


def test_the_quick_start_is_two_commands_of_the_makefile() -> None:
    """`make demo` is run as it is written. `make test` is what runs this: here it is only seen to exist."""
    demo, test = QUICK_START.splitlines()
    done = subprocess.run(demo.split(), cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("completed") == len((ROOT / "examples" / "support-tickets.jsonl").read_text().splitlines())
    planned = subprocess.run([*test.split(), "-n"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "pytest" in planned.stdout
