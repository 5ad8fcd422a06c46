"""`make demo`: start the local stack, submit a file of prompts, wait, print the answers, stop."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from quarry.client import ApiClient, JobView
from quarry.errors import ConfigurationError, QuarryError
from quarry.job import TERMINAL
from quarry.local.processes import Stopped
from quarry.local.stack import DEFAULT_EMULATOR_PYTHON, LocalStack, local_stack

_HEADINGS: Final = ("custom_id", "status", "seconds", "tokens", "served by", "answer")
_BRAINS: Final = {"echo": "the simulator gives back what it is told", "smollm2": "by SmolLM2-135M-Instruct, on this machine"}
_PAUSE_SECONDS: Final = 0.3
#: Narrower than this, a table is not readable anyway.
_LEAST_WIDTH: Final = 80
_LEAST_ANSWER_WIDTH: Final = 24


class DemoFailed(QuarryError):
    """The demo did not come to its end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 where every job completed."""
    parser = argparse.ArgumentParser(prog="python -m quarry.local.demo", description="Show Quarry at work on one machine.")
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("examples/support-tickets.jsonl"), help="submission bodies, one a line"
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules for the simulator: delays, faults (default: none)")
    parser.add_argument("--brain", choices=("echo", "smollm2"), default="smollm2", help="what answers (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long the jobs may take (default: %(default)s)")
    parser.add_argument("--emulator-python", type=Path, default=DEFAULT_EMULATOR_PYTHON, help="(default: %(default)s)")
    return _outcome(parser.parse_args(argv))


def _outcome(arguments: argparse.Namespace) -> int:
    directory = Path(tempfile.mkdtemp(prefix="quarry-demo-"))
    try:
        completed = _run(arguments, directory)
    except Stopped as stopped:
        _say(f"stopped by {stopped}")
        shutil.rmtree(directory)
        return 128 + stopped.number
    except QuarryError as error:
        _say(f"failed: {error}\n(all logs: {directory})")
        return 78 if isinstance(error, ConfigurationError) else 1
    shutil.rmtree(directory)
    return 0 if completed else 1


def read(path: Path) -> list[dict[str, Any]]:
    """The submission bodies of a file, one JSON object a line; empty lines are passed over.

    Raises:
        DemoFailed: it cannot be read; the message names the line.
    """
    bodies = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                body = json.loads(line)
                if not isinstance(body, dict):
                    raise DemoFailed(f"{path}, line {number} is not a JSON object")
                bodies.append(body)
    except OSError as error:
        raise DemoFailed(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DemoFailed(f"{path} is not JSON, one object a line: {error}") from error
    return bodies


def _run(arguments: argparse.Namespace, directory: Path) -> bool:
    """Start, submit, wait, print, stop; whether every job completed."""
    bodies, started = read(arguments.file), time.monotonic()

    def say(what: str) -> None:
        _say(f"{time.monotonic() - started:4.1f} s  {what}")

    running = local_stack(directory, arguments.emulator_python, say, arguments.script, arguments.brain)
    with running as stack, ApiClient(stack.api_url) as client:
        if stack.brain != arguments.brain:
            say(f"{arguments.brain} cannot be had here, so the simulator echoes; `make model` says why")
        rows = client.submit_many(bodies)
        say(f"submitted {len(rows)} jobs to {stack.api_url}")
        jobs = _finished(stack, client, rows, arguments.seconds)
        say(f"all finished; their answers ({_BRAINS[stack.brain]}):")
        print(table(jobs, shutil.get_terminal_size((120, 24)).columns), flush=True)  # noqa: T201 - data goes to stdout
        say("stopping")
    say("stopped")
    return all(job.get("status") == "completed" for job in jobs)


def _finished(stack: LocalStack, client: ApiClient, rows: list[JobView], seconds: float) -> list[JobView]:
    """The rows of the bulk submission, each replaced by its job once all are terminal."""
    end = time.monotonic() + seconds
    ids = [row["request_id"] for row in rows if "request_id" in row]
    while True:
        jobs = {job["request_id"]: job for job in client.look_up(ids)} if ids else {}
        if all(job.get("status") in TERMINAL for job in jobs.values()):
            return [jobs.get(row.get("request_id"), row) for row in rows]
        stack.processes.check()
        if time.monotonic() > end:
            unfinished = sum(job.get("status") not in TERMINAL for job in jobs.values())
            raise DemoFailed(f"{unfinished} of {len(rows)} jobs are not finished after {seconds:.0f} s")
        time.sleep(_PAUSE_SECONDS)


def table(jobs: Sequence[Mapping[str, Any]], width: int) -> str:
    """Jobs as a table at most `width` wide; the answers are cut."""
    rows = [_HEADINGS, *(_row(job) for job in jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    room = max(max(width, _LEAST_WIDTH) - sum(widths) - 2 * len(widths), _LEAST_ANSWER_WIDTH)
    return "\n".join("  ".join((*map(str.ljust, row, widths), _cut(row[-1], room))).rstrip() for row in rows)


def _row(job: Mapping[str, Any]) -> tuple[str, ...]:
    name = job.get("custom_id") or job.get("request_id") or "-"
    result, usage, served_by = job.get("result"), job.get("usage"), job.get("served_by")
    if result is None or usage is None or served_by is None:
        error = job.get("error") or {"code": "", "message": ""}
        return (
            name,
            job.get("status", "refused"),
            "-",
            "-",
            "-",
            f"{error['code']}: {error.get('message') or error.get('detail')}",
        )
    tokens = f"{usage['input_tokens']}+{usage['output_tokens']}"
    return (
        name,
        job["status"],
        f"{_latency(job):.1f}",
        tokens,
        served_by["provider"] + "/" + served_by["region"],
        result.get("text") or result["url"],
    )


def _latency(job: Mapping[str, Any]) -> float:
    return (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()


def _cut(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr)  # noqa: T201 - talk goes to stderr


if __name__ == "__main__":
    sys.exit(main())
