"""`quarry run`: every line comes to one line of results, and to one job, whatever interrupts it."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from quarry.cli import exits
from tests.support.processes import ROOT, Process, eventually, quarry, running
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def _echo(stack: Stack) -> None:
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()


class Run:
    """A run of one test: its files, and its process as often as it is started."""

    def __init__(self, stack: Stack, *lines: str) -> None:
        self.stack = stack
        self.file, self.out = stack.directory / "jobs.jsonl", stack.directory / "results.jsonl"
        self.file.write_text("".join(f"{line}\n" for line in lines))

    def command(self, *options: str) -> list[str]:
        return quarry("run", str(self.file), "--output", str(self.out), *options)

    def environ(self) -> dict[str, str]:
        assert self.stack.api is not None
        return self.stack.environ(QUARRY_CLIENT__API_URL=str(self.stack.api.base_url))

    def to_its_end(self, *options: str, code: int = 0) -> str:
        """Run it; returns what it said."""
        done = subprocess.run(
            self.command(*options), env=self.environ(), capture_output=True, text=True, check=False, cwd=ROOT, timeout=90
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        return done.stderr

    @contextmanager
    def going(self, *options: str) -> Iterator[Process]:
        """Run it beside the test."""
        with running(self.command(*options), self.environ(), self.stack.directory / "run.log") as process:
            yield process

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The lines of results that are whole."""
        text = self.out.read_text() if self.out.exists() else ""
        return [parsed(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def has_come_to(self, lines: int) -> None:
        """Wait for as many lines of results."""
        eventually(lambda: len(self.rows) >= lines, seconds=60, what=f"{lines} lines of results")

    def jobs(self) -> int:
        """How many jobs are in the table."""
        table = self.stack.client("dynamodb").get_paginator("scan")
        jobs = {"FilterExpression": "sk = :job", "ExpressionAttributeValues": {":job": {"S": "job"}}, "Select": "COUNT"}
        return sum(page["Count"] for page in table.paginate(TableName=self.stack.name, **jobs))


def parsed(line: str) -> dict[str, Any]:
    """A line of results; a torn one that was written on after is a failure of the promise."""
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise AssertionError(f"no JSON: {line}") from error
    return row


def prompts(count: int) -> list[str]:
    return [json.dumps({"custom_id": f"line-{number}", "prompt": f"Prompt {number}"}) for number in range(1, count + 1)]


def test_every_line_has_its_answer(stack: Stack) -> None:
    """One line of results for each, with what the job came to; talk goes to stderr; exit code 0; typed again, nothing happens.

    Red when: `quarry/runs/runner.py`: `return [row_of_job(number, view) for number in job.lines]` -> `return []`
    """
    run = Run(stack, *prompts(120), "", '{"prompt": "Nameless"}')
    with stack.running_api(), stack.running_worker():
        said = run.to_its_end()
        assert "121 lines done, 121 completed, 0 failed" in said
        assert "121 of 121 lines are done" in run.to_its_end()
    rows = {row["line"]: row for row in run.rows}
    assert len(run.rows) == len(rows) == run.jobs() == 121
    assert [rows[number]["result"]["text"] for number in (1, 120, 122)] == ["Prompt 1", "Prompt 120", "Nameless"]
    assert rows[7]["custom_id"] == "line-7"
    assert rows[7]["usage"]["total_tokens"] > 0
    assert stack.item(rows[7]["request_id"])


def test_killed_twice_and_resumed_none_is_submitted_twice(stack: Stack) -> None:
    """SIGKILL in the middle, the last line of results torn, the last record of the journal too: in the end one job a line.

    Red when: `quarry/runs/lines.py`: `body[KEY_FIELD] = key_of(body, None if custom_id else number, salt)` ->
    `body[KEY_FIELD] = __import__("uuid").uuid4().hex`: what was being submitted is submitted again.
    Red when: `quarry/runs/journal.py`: `os.ftruncate(descriptor, end)` -> `pass`
    """
    run = Run(stack, *prompts(600))
    journal = run.out.with_name("results.jsonl.journal")
    with stack.running_api(), stack.running_worker():
        for enough in (20, 250):
            with run.going("--in-flight", "150") as process:
                run.has_come_to(enough)
                process.popen.kill()
                process.popen.wait()
            run.out.write_bytes(run.out.read_bytes()[:-7])
            # The answer to the last submission is lost, and half of its record is there.
            kept, lost = journal.read_bytes().rsplit(b'{"accepted"', 1)
            journal.write_bytes(kept + b'{"accepted"' + lost[: len(lost) // 2])
        assert 20 < len(run.rows) < 600
        run.to_its_end("--in-flight", "150")
    assert Counter(row["line"] for row in run.rows) == Counter(range(1, 601))
    assert {row["result"]["text"] for row in run.rows} == {f"Prompt {number}" for number in range(1, 601)}
    assert run.jobs() == 600


def test_ctrl_c_ends_it_with_the_way_back(stack: Stack) -> None:
    """Exit code 130 and the command that goes on; nothing is torn, and no stack trace is shown.

    Red when: `quarry/cli/run.py`: `return exits.INTERRUPTED` -> `return exits.FAILED`
    """
    run = Run(stack, *prompts(200))
    with stack.running_api():
        with run.going("--in-flight", "40") as process:
            eventually(lambda: run.jobs() >= 40, what="jobs")
            process.signal(signal.SIGINT)
            assert process.popen.wait(20) == exits.INTERRUPTED
        assert "Traceback" not in process.output
        assert f"goes on where this one stopped: quarry run {run.file} --output {run.out} --in-flight 40" in process.output
        with stack.running_worker():
            run.to_its_end()
    assert len(run.rows) == run.jobs() == 200


def test_bad_lines_are_lines_of_results(stack: Stack) -> None:
    """What is no JSON, no object, or refused has its error under its line number; the others run; exit code 1.

    Red when: `quarry/runs/runner.py`: `self._output.append([row_of_fault(line)])` -> `pass`: bad lines are lost.
    Red when: `quarry/cli/run.py`: `return exits.FAILED if tally.failed or tally.degraded else exits.DONE` -> `return exits.DONE`
    Red when: `quarry/cli/run.py`: `_say(f"these lines say why: {lines}")` -> `pass`: nobody is told where to look.
    """
    deep = '{"custom_id": "deep", "prompt": "x", "converse": ' + "[" * 300 + "]" * 300 + "}"
    run = Run(
        stack, '{"prompt": "One"}', "{", '["prompt"]', '{"prompt": "x", "wat": 1, "custom_id": "five"}', deep,
        '{"prompt": "x", "model": "nosuch"}', '{"prompt": "x", "max_tokens": 1e999}', '{"prompt": "\\ud800"}', '{"prompt": "Two"}',
    )  # fmt: skip
    with stack.running_api(), stack.running_worker():
        said = run.to_its_end(code=exits.FAILED)
    rows = {row["line"]: row for row in run.rows}
    assert sorted(rows) == list(range(1, 10))
    codes = [rows[number].get("error", {}).get("code") for number in range(1, 8)]
    assert codes == [
        None,
        "invalid_json",
        "invalid_request",
        "invalid_request",
        "invalid_json",
        "model_not_allowed",
        "invalid_json",
    ]
    assert rows[4]["custom_id"] == "five"
    assert rows[4]["error"]["errors"] == [{"path": "wat", "message": "is not a known field"}]
    assert rows[9]["result"]["text"] == "Two"
    assert {row["status"] for number, row in rows.items() if number not in {1, 8, 9}} == {"failed"}
    assert f"{len(rows)} lines done" in said
    assert "these lines say why: jq -c 'select(.status != " in said


def test_an_api_that_restarts_is_borne_with(stack: Stack) -> None:
    """The API goes away in the middle and comes back: the run waits, says so, and completes.

    Red when: `quarry/runs/patience.py`: `PATIENCE_SECONDS: Final = 300.0` -> `PATIENCE_SECONDS: Final = -1.0`
    """
    run = Run(stack, *prompts(300))
    with stack.running_worker(), ExitStack() as until_it_goes_away:
        api = until_it_goes_away.enter_context(stack.running_api())
        with run.going("--in-flight", "50") as process:
            run.has_come_to(20)
            until_it_goes_away.close()
            eventually(lambda: "no API answers" in process.output, what="the run to notice")
            with running(quarry("api", "--port", str(api.base_url.port)), stack.environ(), stack.directory / "api-2.log"):
                assert process.popen.wait(60) == exits.DONE, process.output
    assert len(run.rows) == run.jobs() == 300


def test_a_large_answer_is_fetched(stack: Stack) -> None:
    """Above 256 KiB the API shows a URL; the line of results has what is there.

    Red when: `quarry/runs/runner.py`: `{"result": self._client.result_of(view["result"])}` -> `{}`
    """
    text = "word " * 60_000
    run = Run(stack, json.dumps({"prompt": text, "custom_id": "large"}), '{"prompt": "small"}')
    stack.env["QUARRY_JOB__PAYLOAD_MAX_BYTES"] = "1000000"
    with stack.running_api(), stack.running_worker():
        run.to_its_end()
    assert {row["result"].get("text") for row in run.rows} == {text, "small"}


def test_a_run_is_told_from_another(stack: Stack) -> None:
    """A changed file, an output that is something else, a file that is not there: exit code 2, and nothing is submitted.

    Red when: `quarry/runs/journal.py`: `if head["sha256"] != facts.sha256:` -> `if False:`
    """
    run = Run(stack, *prompts(2))
    with stack.running_api(), stack.running_worker():
        run.out.write_text("mine\n")
        assert "is there already" in run.to_its_end(code=exits.USAGE)
        run.out.unlink()
        run.to_its_end()
        run.file.write_text("\n".join(prompts(3)))
        assert "is not what it was" in run.to_its_end(code=exits.USAGE)
        assert run.jobs() == 2
        run.out = run.out.with_name("second.jsonl")
        run.to_its_end()
        assert run.jobs() == 3  # Two of them are those of the first run.
        run.out = run.out.with_name("third.jsonl")
        run.to_its_end("--anew")
        assert run.jobs() == 6
    run.file.unlink()
    assert "there is no" in run.to_its_end(code=exits.USAGE)


def test_failed_lines_run_again_once(stack: Stack, simulator: Simulator) -> None:
    """`--retry-failed`, killed and typed again: each failed line comes to one job more, and each line to one line of results.

    Red when: `quarry/runs/journal.py`: `past.salts[number] = record["salt"]` -> `pass`: they are given the jobs that failed.
    """
    stack.use(simulator)
    run = Run(stack, *prompts(20))
    simulator.rule(match={"text_contains": "7"}, act={"error": "ValidationException", "message": "no"})
    with stack.running_api(), stack.running_worker():
        run.to_its_end(code=exits.FAILED)
        assert sorted(row["line"] for row in run.rows if row["status"] == "failed") == [7, 17]
        simulator.reset()
        journal = run.out.with_name("results.jsonl.journal")
        with run.going("--retry-failed", "--in-flight", "1") as process:
            eventually(lambda: b'"again"' in journal.read_bytes(), what="the journal to say so")
            process.popen.kill()
            process.popen.wait()
        run.to_its_end("--retry-failed")
    assert Counter(row["line"] for row in run.rows) == Counter(range(1, 21))
    assert {row["status"] for row in run.rows} == {"completed"}
    assert run.jobs() == 22
