"""The demo shows answers, or says what is wrong, and leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.emulator import EMULATOR_PYTHON
from tests.support.processes import ROOT, alive, clean_environ, eventually, started_by

PROMPTS = ROOT / "examples" / "prompts.jsonl"


def demo(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A running demo; its own temporary files go to `directory`."""
    return subprocess.Popen(
        [sys.executable, "-m", "quarry.local.demo", "--emulator-python", EMULATOR_PYTHON, "--brain", "echo", *arguments],
        env=clean_environ(TMPDIR=str(directory), COLUMNS="160"), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_demo_prints_an_answer_to_every_prompt(tmp_path: Path) -> None:
    """Each prompt of the example file has a row with its answer, its tokens and who served it; the exit code is 0.

    Red when: `quarry/local/demo.py`: `key=lambda row: int(row["line"])` -> `key=lambda row: -int(row["line"])`
    """
    with demo(tmp_path, str(PROMPTS), "--script", "examples/simulator.json") as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    rows = [line for line in out.splitlines()[1:] if not line.startswith(" ")]
    expected = [json.loads(line)["custom_id"] for line in PROMPTS.read_text().splitlines()]
    assert [row.split()[0] for row in rows] == expected
    assert all("completed" in row and "  echo  " in row for row in rows)
    assert f"{len(expected)} lines done, {len(expected)} completed, 0 failed" in err
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_that_fails_is_a_row_and_an_exit_code(tmp_path: Path) -> None:
    """One rejected prompt does not hide the answers of the others, and the exit code is 1.

    Red when: `quarry/local/demo.py`: `return code == 0` -> `return True`
    """
    script, prompts = tmp_path / "script.json", tmp_path / "prompts.jsonl"
    script.write_text(json.dumps([{"match": {"text_contains": "bad"}, "act": {"error": "ValidationException", "message": "No."}}]))
    prompts.write_text('{"prompt": "good", "custom_id": "one"}\n{"prompt": "bad", "custom_id": "two"}\n{"custom_id": "three"}\n')
    with demo(tmp_path, str(prompts), "--script", str(script)) as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 1, err
    assert [row.split()[:2] for row in out.splitlines()[1:]] == [["one", "completed"], ["two", "failed"], ["three", "failed"]]


def test_without_the_model_the_demo_says_so_and_echoes(tmp_path: Path) -> None:
    """What is missing is named before the answers, which are there all the same.

    Red when: `quarry/local/demo.py`: `if stack.brain_missing:` -> `if not stack.brain_missing:`
    """
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "hello", "custom_id": "one"}\n')
    nosuch = tmp_path / "nosuch"
    with demo(tmp_path, str(prompts), "--brain", "smollm2", "--model-python", str(nosuch)) as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert f"smollm2 cannot be had here, so the simulator echoes: there is no {nosuch}; `make model` makes it" in err
    assert out.splitlines()[1].split() == ["one", "completed", *out.splitlines()[1].split()[2:4], "echo", "hello"]


def test_a_process_that_dies_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The emulator does not start: the demo says so, in its words, instead of waiting.

    Red when: `quarry/local/processes.py`: `splitlines()[-_TAIL_LINES:]` -> `splitlines()[:0]`
    """
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho there is no emulator here >&2\nexit 3\n")
    python.chmod(0o700)
    with demo(tmp_path, str(PROMPTS), "--emulator-python", str(python)) as process:
        out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (1, "")
    assert "emulator ended with 3; the end of" in err
    assert "there is no emulator here" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_demo_that_is_stopped_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, a kill, a closed terminal: every process ends, the temporary files go, and nobody sees a stack trace.

    Red when: `quarry/local/processes.py`: `made.stop()` -> `pass`: the children run on.
    Red when: `quarry/local/demo.py`, after `except Stopped as stopped:`: `shutil.rmtree(directory)` -> `pass`
    """
    with demo(tmp_path, str(PROMPTS)) as process:
        children = eventually(lambda: found if len(found := started_by(process.pid)) >= 2 else None, seconds=40)
        process.send_signal(number)
        _, err = process.communicate(timeout=40)
    assert process.returncode == 128 + number, err
    left = alive(children)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
    assert err.splitlines()[-1] == f"demo: stopped by {number.name}"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
