"""The README, word for word: its shell blocks are run as a reader would run them, each in a terminal of its own."""

import json
import os
import secrets
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.pages import Block, blocks
from tests.support.processes import ROOT, clean_environ, free_port
from tests.support.reader import Reader

#: Every shell block, in order. One more in the README is one that these tests do not run: the line below fails then.
BLOCKS = [block for block in blocks(ROOT / "README.md") if block.language == "sh"]
QUICK_START, LOCAL, SUBMIT, DOCKER_UP, DOCKER_ASK, DOCKER_DOWN, EMULATOR, SIMULATOR, API, WORKER, CURL, FOLLOW, CLIENT = BLOCKS


def typed(reader: Reader, block: Block) -> str:
    """What a block prints in a terminal of its own."""
    with reader.terminal() as terminal:
        return terminal.type(block)


def test_the_walk_by_hand_leads_to_answers(tmp_path: Path) -> None:
    """Five terminals, as written; each command prints what the README says it does.

    Red when: `examples/local.sh`:
    `AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:4567` -> `AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:1`
    """
    reader = Reader(tmp_path)
    with ExitStack() as terminals:
        logs = [terminals.enter_context(reader.serving(block)) for block in (EMULATOR, SIMULATOR, API, WORKER)]
        assert "FAIL" not in logs[2].read_text()
        answer = typed(reader, CURL)
        assert "202 Accepted" in answer
        assert "location: /v1/jobs/" in answer.lower()
        followed, _, shown = typed(reader, FOLLOW).partition("request_id    ")
        assert json.loads(followed)["status"] == "completed"
        assert "status        completed" in shown
        said = typed(reader, CLIENT).partition("\n")[2].splitlines()
        assert said[0] == "Why is the sky blue?"
        assert len(said[1:]) == 3
        assert any(line.endswith("sky") for line in said)
        assert httpx.get(reader.placed("http://127.0.0.1:8000/docs")).status_code == 200


def test_one_command_is_a_stack(tmp_path: Path) -> None:
    """Two terminals, as written: the one serves, the other gets an answer.

    Red when: `quarry/cli/local.py`: `api=arguments.port` -> `api=0`
    """
    reader = Reader(tmp_path)
    with reader.serving(LOCAL) as log:
        assert "Name three rivers" in typed(reader, SUBMIT)
    assert log.read_text().endswith("quarry: stopped\n")


@pytest.mark.containers
def test_the_stack_in_containers() -> None:
    """Three blocks, as written, in the checkout: it starts, answers, grows to three workers and is gone.

    Only the ports and the project's name are this test's own. `make test-containers` runs it.
    """
    ports = {"API_PORT": str(free_port()), "AWS_PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}
    environ = clean_environ(**ports, COMPOSE_PROJECT_NAME=f"quarry-tests-{secrets.token_hex(4)}", TAG=os.environ.get("TAG", "dev"))

    def typed_here(text: str) -> str:
        command = ["bash", "-e", "-o", "pipefail", "-c", text.replace("8000", ports["API_PORT"])]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=230)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    try:
        assert f"http://127.0.0.1:{ports['API_PORT']}/docs" in typed_here(DOCKER_UP.text)
        job = json.loads(typed_here(DOCKER_ASK.text))
        assert (job["status"], job["result"]["text"]) == ("completed", "Why is the sky blue?")
        assert "worker-3 Removed" in " ".join(typed_here(DOCKER_DOWN.text).split())
    finally:
        typed_here("make down")


def test_the_quick_start_is_two_commands_of_the_makefile() -> None:
    """`make demo` is run as it is written. `make test` is what runs this: here it is only seen to exist."""
    demo, test = QUICK_START.text.splitlines()
    done = subprocess.run(demo.split(), cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False, timeout=220)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("completed") == len((ROOT / "examples" / "support-tickets.jsonl").read_text().splitlines())
    planned = subprocess.run([*test.split(), "-n"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "pytest" in planned.stdout
