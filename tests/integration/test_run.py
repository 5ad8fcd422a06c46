"""`quarry run`: every line comes to one line of results, and to one job, whatever interrupts it."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quarry.cli import exits
from tests.support.processes import ROOT, Process, eventually, quarry, running
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
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def jobs(self) -> int:
        """How many jobs are in the table."""
        items = self.stack.client("dynamodb").get_paginator("scan").paginate(
            TableName=self.stack.name, FilterExpression="sk = :job", ExpressionAttributeValues={":job": {"S": "job"}}, Select="COUNT"
        )  # fmt: skip
        return sum(page["Count"] for page in items)


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
