"""`make bench`: measure Quarry's worker beside its peers, and write docs/reference/peers.md anew.

    python -m bench.peers [--only celery,quarry] [--scenario cpu,smooth] [--jobs N] [--rounds N] [--seed N] [--allow-dirty]

All systems of a scenario take turns in one run, in an order that the seed shuffles for each round. With `--only` or `--jobs` the
figures are printed and not recorded: a page of a part of the systems would be read as all of them.
"""

import argparse
import dataclasses
import random
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from bench.peers import page, record
from bench.peers.measure import measured
from bench.peers.scenarios import SCENARIOS, Scenario
from bench.peers.systems import PYTHON, SYSTEMS, missing
from tests.support.processes import ROOT

#: How often each system is measured. The long ones are long enough to be an average of themselves.
_ROUNDS: Final = {"cpu": 3}


def main() -> int:
    """Measure, print, write."""
    asked = _arguments()
    if sentence := missing():
        sys.stderr.write(f"{sentence}\n")
        return 2
    head = record.header(asked.seed, shlex.join(["python", "-m", "bench.peers", *sys.argv[1:]]))
    if head["commit"].endswith("-dirty") and not asked.allow_dirty:
        sys.stderr.write("commit first: figures name the commit that they were measured on (or --allow-dirty)\n")
        return 2
    for name in asked.scenario:
        runs = _turns(SCENARIOS[name], asked, _ROUNDS.get(name, 1) if asked.rounds is None else asked.rounds)
        if not asked.only and not asked.jobs:
            record.write(name, head | {"runs": runs})
    if not asked.only and not asked.jobs:
        publish()
    return 0


def publish() -> None:
    """Write the page and draw the plots, from the records."""
    page.PAGE.write_text(page.rendered(record.read()))
    subprocess.run([str(PYTHON), "-m", "bench.peers.plots"], check=True, cwd=ROOT)  # noqa: S603 - ours


def _turns(scenarios: Sequence[Scenario], asked: argparse.Namespace, rounds: int) -> list[dict[str, Any]]:
    draw = random.Random(asked.seed)  # noqa: S311 - no secret
    runs = []
    for number in range(rounds):
        for scenario in scenarios:
            whole = dataclasses.replace(scenario, jobs=asked.jobs) if asked.jobs else scenario
            names = [name for name in scenario.systems if not asked.only or name in asked.only]
            for name in draw.sample(names, len(names)):
                runs.append(measured(SYSTEMS[name], whole) | {"round": number})
                sys.stdout.write(f"{page.told(runs[-1])}\n")
                sys.stdout.flush()
    return runs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Measure Quarry's worker beside its peers.")
    parser.add_argument("--only", type=_listed(SYSTEMS), default=[], help=f"of {', '.join(SYSTEMS)}; nothing is recorded then")
    parser.add_argument("--scenario", type=_listed(SCENARIOS), default=list(SCENARIOS), help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--jobs", type=int, help="other than the scenario's; nothing is recorded then")
    parser.add_argument("--rounds", type=int, help="how often each system has its turn")
    parser.add_argument("--seed", type=int, default=1, help="shuffles the turns")
    parser.add_argument("--allow-dirty", action="store_true", help="measure files that are not committed; docs/ may not show that")
    parser.add_argument("--publish", action="store_true", help="measure nothing, write page and plots anew from the records")
    asked = parser.parse_args()
    if asked.publish:
        publish()
        raise SystemExit(0)
    return asked


def _listed(known: Any) -> Any:
    def names(text: str) -> list[str]:
        found = [name for name in text.split(",") if name]
        if unknown := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not of {', '.join(known)}")
        return found

    return names


if __name__ == "__main__":
    sys.exit(main())
