"""`make demo`: start the local stack, put a file of tickets through `quarry run`, print the answers, stop."""

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from quarry.clock import seconds_between
from quarry.errors import ConfigurationError, QuarryError
from quarry.local.ports import Ports
from quarry.local.processes import Stopped
from quarry.local.stack import DEFAULT_EMULATOR_PYTHON, DEFAULT_MODEL_PYTHON, Plan, local_stack
from quarry.runs.lines import facts_of
from quarry.simulator.script import read_script

_HEADINGS: Final = ("custom_id", "status", "seconds", "tokens", "served by", "answer")
_BRAINS: Final = {"echo": "the simulator gives back what it is told", "smollm2": "by SmolLM2-135M-Instruct, on this machine"}
#: Narrower than this, a table is not readable anyway.
_LEAST_WIDTH: Final = 80
_LEAST_ANSWER_WIDTH: Final = 24
_ANSWER_LINES: Final = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 where every job completed."""
    parser = argparse.ArgumentParser(prog="python -m quarry.local.demo", description="Show Quarry at work on one machine.")
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("examples/support-tickets.jsonl"), help="submission bodies, one a line"
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules and quotas for the simulator (default: none)")
    parser.add_argument("--brain", choices=("echo", "smollm2"), default="smollm2", help="what answers (default: %(default)s)")
    parser.add_argument("--emulator-python", type=Path, default=DEFAULT_EMULATOR_PYTHON, help="(default: %(default)s)")
    parser.add_argument("--model-python", type=Path, default=DEFAULT_MODEL_PYTHON, help="(default: %(default)s)")
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


def _run(arguments: argparse.Namespace, directory: Path) -> bool:
    """Start, run, print, stop; whether every job completed."""
    started, output = time.monotonic(), directory / "answers.jsonl"
    # Files that are none are refused before anything starts.
    facts_of(arguments.file)
    read_script(arguments.script)

    def say(what: str) -> None:
        _say(f"{time.monotonic() - started:4.1f} s  {what}")

    plan = Plan(
        ports=Ports(api=0, aws=0, simulator=0, metrics=0), brain=arguments.brain, script=arguments.script,
        emulator_python=arguments.emulator_python, model_python=arguments.model_python,
    )  # fmt: skip
    with local_stack(directory, plan, say) as stack:
        if stack.brain_missing:
            say(f"{plan.brain} cannot be had here, so the simulator echoes: {stack.brain_missing}")
        say(f"quarry run {arguments.file}")
        code = stack.run_quarry("run", str(arguments.file.absolute()), "--output", str(output))
        if output.exists():
            say(f"the answers ({_BRAINS[stack.brain]}):")
            print(table(rows_of(output), shutil.get_terminal_size((120, 24)).columns), flush=True)  # noqa: T201 - data
        say("stopping")
    say("stopped")
    return code == 0


def rows_of(output: Path) -> list[dict[str, Any]]:
    """The lines that `quarry run` has written, in the order of its input."""
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return sorted(rows, key=lambda row: int(row["line"]))


def table(rows: Sequence[Mapping[str, Any]], width: int) -> str:
    """Lines of results as a table at most `width` wide; the answers are wrapped, and long ones cut."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS) - 1)]
    indent = sum(widths) + 2 * len(widths)
    room = max(max(width, _LEAST_WIDTH) - indent, _LEAST_ANSWER_WIDTH)
    lines = []
    for *short, answer in cells:
        first, *more = textwrap.wrap(" ".join(answer.split()), room, max_lines=_ANSWER_LINES, placeholder=" …") or [""]
        lines.append("  ".join((*map(str.ljust, short, widths), first)).rstrip())
        lines += [" " * indent + line for line in more]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = str(row["custom_id"] or f"line {row['line']}")
    if row["status"] != "completed":
        return name, row["status"], "-", "-", "-", f"{row['error']['code']}: {row['error']['message']}"
    usage = row["usage"]
    seconds = seconds_between(row["created_at"], row["finished_at"])
    tokens = f"{usage['input_tokens']}+{usage['output_tokens']}"
    return name, row["status"], f"{seconds:.1f}", tokens, row["served_by"]["model"], row["result"]["text"]


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)  # noqa: T201 - talk goes to stderr


if __name__ == "__main__":
    sys.exit(main())
