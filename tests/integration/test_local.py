"""`quarry local`: everything in one command, one test per promise."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.emulator import EMULATOR_PYTHON
from tests.support.processes import ROOT, Process, alive, clean_environ, eventually, free_port, quarry, started_by

#: Not 0: what is free when it is chosen may be taken when it is used, with other test runners beside this one.
PORTS = ("--port", "--aws-port", "--simulator-port", "--metrics-port")
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
MODEL_PYTHON = ROOT / ".venv-model" / "bin" / "python"


class Local:
    """A running `quarry local`, and what it has said."""

    def __init__(self, process: Process, directory: Path) -> None:
        self.process = process
        self.temporary = directory
        self.descendants: list[int] = []

    @property
    def said(self) -> str:
        return self.process.output

    def url(self, name: str) -> str:
        """What listens under that name."""
        found = re.search(rf"^  {name} +(http://\S+)", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    def pid_of(self, words: str) -> int:
        """The process in whose command line these words stand."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,args="], check=True, capture_output=True, text=True).stdout
        pairs = (line.split(maxsplit=1) for line in listed.splitlines())
        [pid] = [int(pid) for pid, command in pairs if int(pid) in self.descendants and words in command]
        return pid

    def api(self, method: str, path: str, **arguments: Any) -> Any:
        answer = httpx.request(method, f"{self.url('API')}/v1/jobs{path}", timeout=40, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, prompt: str, **fields: Any) -> str:
        request_id: str = self.api("POST", "", json={"prompt": prompt, **fields})["request_id"]
        return request_id

    def answered(self, prompt: str, **fields: Any) -> str:
        """A job that is over."""
        request_id = self.submit(prompt, **fields)
        job = self.api("GET", f"/{request_id}?wait_seconds=30")
        assert job["status"] == "completed", job
        return request_id

    def code(self) -> int | None:
        """The exit code, once it has ended; None where it runs on."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.popen.wait(40)
        return None

    def interrupt(self) -> int | None:
        """Ctrl-C; returns the exit code."""
        self.process.signal(signal.SIGINT)
        return self.code()


@contextmanager
def local(directory: Path, *arguments: str, brain: str = "echo", ready: bool = True) -> Iterator[Local]:
    """A `quarry local` for the length of the block, and ended with it, whatever it leaves behind."""
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    log = directory / f"local-{len(list(directory.glob('local-*')))}.log"
    ports = [each for name in PORTS for each in (name, str(free_port()))]
    command = quarry("local", *ports, "--emulator-python", EMULATOR_PYTHON, "--brain", brain, *arguments)
    process = Process(command, clean_environ(TMPDIR=str(temporary)), log)
    running = Local(process, temporary)

    def is_ready() -> bool:
        assert process.popen.poll() is None, running.said
        return "source " in running.said

    try:
        if ready:
            eventually(is_ready, seconds=90, what=lambda: f"it to be ready; it said:\n{running.said}")
            running.descendants = started_by(process.popen.pid)
        yield running
    finally:
        running.descendants += started_by(process.popen.pid)
        process.popen.kill()
        process.popen.wait()
        for pid in alive(running.descendants):
            os.kill(pid, signal.SIGKILL)
    assert "Traceback" not in running.said


def test_its_words_work_in_another_terminal(tmp_path: Path) -> None:
    """Every address it names answers, and each command it shows does what it says; Ctrl-C stops all, and nothing is left.

    Red when: `quarry/local/service.py`: `f"--api {stack.api_url} "` -> `""`
    Red when: `quarry/local/service.py`: `.write_text(exports(stack), ` -> `.write_text("", `
    """
    with local(tmp_path, "--workers", "2") as stack:
        for url in (f"{stack.url('API')}/docs", *re.findall(r"http://\S+/metrics", stack.said)):
            assert httpx.get(url).status_code == 200, url
        assert len(re.findall(r"/metrics", stack.said)) == 3
        curl, submit, source = (
            re.findall(rf"^.*({start}.*)$", stack.said, re.MULTILINE)[-1]
            for start in ("  curl ", r"  \S+ (?:-m quarry )?submit ", "source ")
        )

        def typed(command: str) -> str:
            done = subprocess.run(
                ["bash", "-c", command], env=clean_environ(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            return done.stdout

        # The checkout under test, wherever the environment's own `quarry` comes from.
        ours = f"export PYTHONPATH={ROOT}; "
        assert json.loads(typed(curl))["status"] == "queued"
        assert typed(ours + submit) == "Name three rivers in Europe.\n"
        assert "FAIL" not in typed(f"{ours}{source}; {' '.join(quarry('doctor'))}")
        assert stack.interrupt() == 0
        assert stack.said.endswith("quarry: SIGINT: stopping\nquarry: stopped\n")
        assert alive(stack.descendants) == []
        assert list(stack.temporary.iterdir()) == []


def test_a_part_that_dies_is_named_and_ends_the_rest(tmp_path: Path) -> None:
    """A worker is killed: its name, how it ended, the end of its log; everything else stops, and the logs stay.

    Red when: `quarry/local/processes.py`, after `def check(`: `raise child.ended(code)` -> `pass`
    """
    with local(tmp_path) as stack:
        os.kill(stack.pid_of("quarry worker"), signal.SIGKILL)
        assert stack.code() == 1
        assert "quarry: worker-1 was killed by SIGKILL; the end of" in stack.said
        assert '"event":"service.started"' in stack.said.replace(" ", "")
        assert alive(stack.descendants) == []
        [directory] = stack.temporary.iterdir()
        assert (directory / "api.log").exists()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """Exit 78 and one sentence with the port, who wanted it, and the option that moves it; nothing was started.

    Red when: `quarry/local/ports.py`: `probe.bind((HOST, port))` -> `probe.bind((HOST, 0))`
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        first, second = (str(each.getsockname()[1]) for each in sockets)
        with local(tmp_path, "--port", first, "--simulator-port", second, ready=False) as stack:
            assert stack.code() == 78
            assert stack.said.count("\n") == 1
            assert f"port {first}, for the API (--port); port {second}, for the simulator (--simulator-port)" in stack.said
            assert list(stack.temporary.iterdir()) == []


@ON_LINUX
def test_nothing_outlives_a_command_that_is_killed(tmp_path: Path) -> None:
    """`kill -9`: emulator, simulator, its model, API and worker all end.

    Red when: `quarry/local/processes.py`: `libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)` -> `libc.prctl(_PR_SET_PDEATHSIG, 0)`
    """
    with local(tmp_path, brain="smollm2") as stack:
        assert len(stack.descendants) == 4 + MODEL_PYTHON.exists()
        stack.process.signal(signal.SIGKILL)
        eventually(lambda: alive(stack.descendants) == [], seconds=40, what=lambda: f"{alive(stack.descendants)} to end")


def test_a_second_interrupt_kills(tmp_path: Path) -> None:
    """While a worker drains, Ctrl-C again ends everything at once: exit 130, and the worker did not get to its end.

    Red when: `quarry/local/processes.py`: `< end and not self._in_haste()` -> `< end`
    """
    script, data = tmp_path / "script.json", tmp_path / "data"
    script.write_text('[{"act": {"hang": true}}]')
    with local(tmp_path, "--script", str(script), "--data", str(data)) as stack:
        request_id = stack.submit("hang")
        eventually(lambda: stack.api("GET", f"/{request_id}")["status"] == "processing")
        stack.process.signal(signal.SIGINT)
        eventually(lambda: "drain.started" in (data / "logs" / "worker-1.log").read_text())
        assert stack.interrupt() == 130
        assert stack.said.endswith("quarry: killed\n")
        assert alive(stack.descendants) == []
    assert "drain.finished" not in (data / "logs" / "worker-1.log").read_text()


@ON_LINUX
def test_data_are_kept_through_a_stop_and_a_kill(tmp_path: Path) -> None:
    """`--data`: jobs, answers and what waits are there again after Ctrl-C, and after a `kill -9` of the command; a second one that
    would use them is refused.

    Red when: `quarry/local/stack.py`: `{"PERSIST_STATE": "1", ` -> `{"PERSIST_STATE": "0", `
    """
    data = str(tmp_path / "data")
    with local(tmp_path, "--data", data) as stack:
        first = stack.answered("one")
        with local(tmp_path, "--data", data, ready=False) as other:
            assert other.code() == 78
            assert "in use by another `quarry local`" in other.said
        assert stack.interrupt() == 0
    with local(tmp_path, "--data", data) as stack:
        assert stack.api("GET", f"/{first}")["result"]["text"] == "one"
        large = stack.answered("two " * 50_000)
        stack.process.signal(signal.SIGKILL)
        eventually(lambda: alive(stack.descendants) == [], seconds=40)
    with local(tmp_path, "--data", data) as stack:
        assert stack.api("GET", f"/{large}")["result"]["text"].startswith("two two ")
        assert [each["request_id"] for each in stack.api("GET", "")["jobs"]] == [large, first]
        stack.answered("three")


def test_what_a_killed_emulator_loses_is_what_the_help_says(tmp_path: Path) -> None:
    """What it held since its start is gone but for objects in S3; what an earlier stop wrote is there, and new jobs run.

    Red when: `quarry/local/processes.py`: `f"was killed by {signal.Signals(-code).name}"` -> `"is well"`
    """
    data = str(tmp_path / "data")
    with local(tmp_path, "--data", data) as stack:
        kept = stack.answered("kept")
        assert stack.interrupt() == 0
    with local(tmp_path, "--data", data) as stack:
        stack.answered("lost " * 10_000)
        os.kill(stack.pid_of("-m ministack"), signal.SIGKILL)
        assert stack.code() == 1
        assert "emulator was killed by SIGKILL" in stack.said
    assert any(path.is_file() for path in Path(data, "s3").rglob("*"))
    with local(tmp_path, "--data", data) as stack:
        assert [each["request_id"] for each in stack.api("GET", "")["jobs"]] == [kept]
        stack.answered("new")


def test_without_the_model_it_says_so_and_echoes(tmp_path: Path) -> None:
    """One sentence says what is missing and what would make it; jobs are answered all the same.

    Red when: `quarry/local/service.py`: `if stack.brain_missing:` -> `if not stack.brain_missing:`
    Red when: `quarry/simulator/server.py`: `chosen = Thinking(missing=str(error))` -> `raise`
    """
    with local(tmp_path, "--model-python", str(tmp_path / "nosuch"), brain="smollm2") as stack:
        [line] = [line for line in stack.said.splitlines() if line.startswith("  simulator")]
        assert f"it echoes, since smollm2 cannot be had: there is no {tmp_path / 'nosuch'}; `make model` makes it" in line
        job = stack.api("GET", f"/{stack.answered('hello')}")
        assert (job["result"]["text"], job["served_by"]["model"]) == ("hello", "echo")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_it_can_be_stopped_before_it_is_ready(number: signal.Signals, tmp_path: Path) -> None:
    """A signal in the middle of the start ends what was started, and leaves nothing.

    Red when: `quarry/local/processes.py`: `made.stop()` -> `pass`
    """
    with local(tmp_path, ready=False) as stack:
        pid = stack.process.popen.pid
        stack.descendants = eventually(lambda: started_by(pid), seconds=40)
        stack.process.signal(number)
        assert stack.code() == 0
        assert stack.said.endswith("quarry: stopped\n")
        assert alive(stack.descendants) == []
        assert list(stack.temporary.iterdir()) == []
