"""`make panels`: what every expression of the board and of the rules returns in a real run, for docs/reference/panels.md."""

import re
import subprocess
import sys
import tempfile
from math import isnan
from pathlib import Path
from typing import Any

from bench import record
from bench.stack import emulated
from tests.support.observed import observed
from tests.support.processes import ROOT
from tests.support.prometheus import PROGRAMS, Prometheus, Sample
from tests.support.questions import Question, questions
from tests.support.simulator import simulating


def main() -> int:
    """Run once, and write the record."""
    head = record.header(0, "make panels")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with emulated(directory) as stack, simulating(directory) as simulator, observed(stack, simulator, directory) as prometheus:
            answers = [_answered(prometheus, each) for each in questions()]
            alerts = {each["name"]: each["state"] for each in prometheus.rules() if each["type"] == "alerting"}
    figures = {"prometheus": _version(), "answers": answers, "alerts": alerts}
    record.write(ROOT / "docs" / "reference" / "panels.json", head, figures)
    return 0


def _answered(prometheus: Prometheus, question: Question) -> dict[str, Any]:
    # Of a target that nobody called in that time, a quantile is no number.
    samples = prometheus.ask(question.expression)
    return {**question._asdict(), "quiet": question.quiet, "samples": [_plain(each) for each in samples if not isnan(each[1])]}


def _plain(sample: Sample) -> tuple[str, float]:
    """Labels as a text, without addresses of the machine."""
    labels, value = sample
    told = {name: label for name, label in labels.items() if name not in {"__name__", "instance"}}
    return ", ".join(told.values()), float(f"{value:.3g}")


def _version() -> str:
    said = subprocess.run([PROGRAMS / "prometheus", "--version"], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    found = re.search(r"version (\S+)", said.stdout + said.stderr)
    return found[1] if found else "unknown"


if __name__ == "__main__":
    sys.exit(main())
