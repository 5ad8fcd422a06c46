"""`quarry run`: submit a file of jobs, follow them, write their results."""

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quarry.cli import exits
from quarry.cli.connect import add_api_argument, connect
from quarry.cli.values import count, masked

if TYPE_CHECKING:
    from quarry.client import ApiClient
    from quarry.runs.journal import Journal
    from quarry.runs.lines import FileFacts
    from quarry.runs.output import Output
    from quarry.runs.tally import Tally

HELP = (
    "Submit a file of jobs, one JSON body a line; follow them; write their results.\n"
    "The same command goes on after an interruption. Exit code 1: a line failed, or the run stopped; stderr says which."
)
EXAMPLES = """\
  quarry run jobs.jsonl --output results.jsonl
  quarry run jobs.jsonl --output results.jsonl --in-flight 500 --api http://127.0.0.1:8000
  quarry run jobs.jsonl --output results.jsonl --retry-failed
  quarry run jobs.jsonl --output again.jsonl --anew"""

IN_FLIGHT: Final = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("file", metavar="FILE.jsonl", type=Path, help="submission bodies as the REST API takes them, one a line")
    parser.add_argument(
        "--output", metavar="OUT.jsonl", type=Path, required=True,
        help="a line for each line, as they finish; OUT.jsonl.journal beside it holds what a resumed run has to know",
    )  # fmt: skip
    parser.add_argument(
        "--in-flight", metavar="N", type=count, default=IN_FLIGHT,
        help="jobs that are submitted and not yet over, at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--anew", action="store_true",
        help="new jobs also for lines that were submitted before, within 24 h, for another output; else those give their answers",
    )  # fmt: skip
    parser.add_argument(
        "--retry-failed", action="store_true",
        help="where the run is over: try what failed, expired or was degraded again, as new jobs; what was redriven is followed",
    )  # fmt: skip
    add_api_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run it to its end; 1 where a line failed."""
    from quarry.runs.lines import RunRefused
    from quarry.runs.patience import RunStopped

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tally = _run(arguments)
    except RunRefused as error:
        raise exits.WrongUsage(str(error)) from error
    except RunStopped as error:
        raise exits.CommandFailed(f"stopped: {error}\n{_how_to_resume()}") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        # A full disk, mostly. What was written holds, and what was torn is mended.
        raise exits.CommandFailed(f"stopped: {error}\n{_how_to_resume()}") from error
    except KeyboardInterrupt:
        _say(f"interrupted; jobs that were submitted go on. {_how_to_resume()}")
        return exits.INTERRUPTED
    if tally.failed or tally.degraded:
        lines = f"jq -c 'select(.status != \"completed\" or .degraded)' {shlex.quote(str(arguments.output))}"
        _say(f"these lines say why: {lines}")
    return exits.FAILED if tally.failed or tally.degraded else exits.DONE


def _run(arguments: argparse.Namespace) -> "Tally":
    from contextlib import closing
    from uuid import uuid4

    from quarry.cli.meter import meter
    from quarry.runs.journal import Journal
    from quarry.runs.lines import facts_of
    from quarry.runs.runner import Plan, Runner

    out: Path = arguments.output
    facts = facts_of(arguments.file)
    journal_path = out.with_name(f"{out.name}.journal")
    _refuse_what_is_not_ours(out, journal_path)
    with (
        closing(Journal.open(journal_path, facts, uuid4().hex if arguments.anew else "")) as journal,
        connect(arguments) as client,
        closing(_results(arguments, facts, journal, client)) as output,
        meter(sys.stderr) as show,
    ):
        runner = Runner(Plan(arguments.file, facts, arguments.in_flight), client, journal, output, show.tally, say=show.say)
        if output.count.done or runner.tally().in_flight:
            show.say(f"going on: {runner.tally().done:,} of {facts.jobs:,} lines are done")
        tally = runner.run()
        show.end(tally)
    return tally


def _results(arguments: argparse.Namespace, facts: "FileFacts", journal: "Journal", client: "ApiClient") -> "Output":
    from uuid import uuid4

    from quarry.runs.output import Output
    from quarry.runs.retrying import retry_failed

    if arguments.retry_failed:
        found = retry_failed(arguments.output, facts, journal, client, uuid4().hex)
        _say("the run is not over and goes on; nothing is tried again" if found is None else f"lines to be tried again: {found:,}")
    return Output.open(arguments.output, facts.last)


def _refuse_what_is_not_ours(out: Path, journal: Path) -> None:
    if str(out) == "-":
        raise exits.WrongUsage("--output cannot be stdout: a run goes on by its file")
    if out.exists() and not out.is_file():
        raise exits.WrongUsage(f"{out} is no file, and a run needs one to go on with")
    if out.exists() and out.stat().st_size and not journal.exists():
        raise exits.WrongUsage(f"{out} is there already, and is not a run's (there is no {journal}); name another --output")


def _how_to_resume() -> str:
    return f"The same command goes on where this one stopped: quarry {masked(shlex.join(sys.argv[1:]))}"


def _say(text: str) -> None:
    print(f"quarry: {text}", file=sys.stderr)
