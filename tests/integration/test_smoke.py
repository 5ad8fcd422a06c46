"""The smoke test that gates a deployment, as the workflow runs it: at a real API with a key, and at what is wrong with one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.keys import ASKING, created
from tests.support.processes import ROOT, eventually, free_port
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def _echo(stack: Stack) -> None:
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()


def smoke(stack: Stack, folder: Path, url: str, seconds: int, *, code: int, key: str = "") -> str:
    """What it says; it ends with `code`."""
    program = folder / "quarry"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m quarry "$@"\n')
    program.chmod(0o755)
    env = stack.environ()
    env |= {"PATH": f"{folder}:{env['PATH']}"} | ({"QUARRY_CLIENT__API_KEY": key} if key else {})
    command = [str(ROOT / ".github" / "scripts" / "smoke.sh"), url, str(seconds)]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_quarry_that_answers_passes(stack: Stack, tmp_path: Path) -> None:
    """With a caller's key; without a good one nothing is submitted.

    Red when: `.github/scripts/smoke.sh`: `.status == "completed"'` -> `.status == "running"'`
    Red when: `.github/scripts/smoke.sh`: `failed 4 "no job` -> `failed 0 "no job`: a wrong key would pass.
    """
    key = created(stack, "--tenant", "smoke")
    with stack.running_api(**ASKING) as api, stack.running_worker():
        said = smoke(stack, tmp_path, str(api.base_url), 30, key=key, code=0)
        assert "was answered by echo and explained" in said
        assert "unauthenticated" in smoke(stack, tmp_path, str(api.base_url), 30, code=4)


def test_workers_that_answer_nothing_fail_in_time(stack: Stack, tmp_path: Path) -> None:
    """Which is what the API alone cannot show.

    Red when: `.github/scripts/smoke.sh`: `--wait "$(left 3)" --json` -> `--json`
    """
    with stack.running_api() as api:
        assert "no job was answered" in smoke(stack, tmp_path, str(api.base_url), 10, code=4)


def test_an_api_that_is_not_ready_fails_in_time(stack: Stack, tmp_path: Path) -> None:
    """Nobody there, or one whose queue is gone: no job is submitted.

    Red when: `.github/scripts/smoke.sh`: `"$url/readyz"` -> `"$url/livez"`
    """
    assert "not ready" in smoke(stack, tmp_path, f"http://127.0.0.1:{free_port()}", 1, code=3)
    with stack.running_api() as api:
        sqs = stack.client("sqs")
        sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=stack.name)["QueueUrl"])
        eventually(lambda: api.get("/readyz").status_code != 200)
        assert "not ready" in smoke(stack, tmp_path, str(api.base_url), 1, code=3)
