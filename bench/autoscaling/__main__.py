"""Simulates every contestant on every shape, and our policy with other numbers: `make autoscaling`, minutes on two processors.

    python -m bench.autoscaling [--shape NAME]

Writes docs/reference/autoscaling.json; `make docs` then writes the tables of docs/reference/autoscaling.md.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from typing import Any, Final

from bench import record
from bench.autoscaling.contestants import CONTESTANTS, Contestant, ours
from bench.autoscaling.model import Fleet, Outcome, Simulation, lengths
from bench.autoscaling.numbers import OURS, Numbers
from bench.autoscaling.shapes import SHAPES, TRIAL_SLOTS, TRIALS, Failure, Shape
from tests.support.processes import ROOT

RECORD: Final = ROOT / "docs" / "reference" / "autoscaling.json"
_SEED: Final = 1
_PROCESSES: Final = 2
#: Deviation of the logarithm of jobs' lengths: one in twenty takes 2.2 times the mean, or longer.
_SPREAD: Final = 0.6
#: A worker of 100 slots: docs/reference/performance.md, November 2026.
_CPU_SECONDS_A_JOB: Final = 0.0021
#: A job's deadline where it names none.
_DEADLINE_SECONDS: Final = 86_400.0
#: One number of ours at a time, and what it might be instead.
_CHOICES: Final[Mapping[str, tuple[Any, ...]]] = {
    "full": (0.7, 0.8, 0.9, 1.0),
    "busy": (0.0, 0.5, 0.9),
    "out_cooldown_seconds": (0, 60, 120, 300),
    "in_cooldown_seconds": (60, 180, 300, 600),
    "acceptable_latency_seconds": (20, 60, 120, 300),
    "surge": ((), OURS.surge),
}
#: What is assumed of AWS, and what else it might be.
_ASSUMED: Final[Mapping[str, tuple[Any, ...]]] = {"startup_seconds": (30, 60, 120), "lag_minutes": (0, 1, 2)}


def main() -> int:
    """Simulate, tell, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.autoscaling", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, action="append", help="only this one, and nothing is written")
    only = parser.parse_args().shape
    head = record.header(_SEED, "make autoscaling")
    with ProcessPoolExecutor(_PROCESSES) as pool:
        # The longest first.
        runs = [(shape, name) for shape in reversed(only or list(SHAPES)) for name in _contestants(SHAPES[shape])]
        rows = dict(zip(runs, pool.map(_contest, *zip(*runs, strict=True)), strict=True))
        choices = [] if only else list(pool.map(_choice, *zip(*_choices(), strict=True)))
    for (shape, name), row in rows.items():
        sys.stdout.write(f"{shape} {name} {json.dumps(row)}\n")
    if only:
        return 0
    shapes = [
        {"name": name, **_told(shape), "rows": [{"contestant": each, **rows[name, each]} for each in _contestants(shape)]}
        for name, shape in SHAPES.items()
    ]
    record.write(RECORD, head, {"numbers": numbers(OURS), "shapes": shapes, "choices": choices, "trials": _trials()})
    return 0


def numbers(of: Numbers) -> Mapping[str, Any]:
    """As they stand in the record."""
    told: Mapping[str, Any] = json.loads(json.dumps(asdict(of)))
    return told


def _trials() -> Mapping[str, str]:
    return {name: shape.title for name, shape in TRIALS.items()}


def _contestants(shape: Shape) -> list[str]:
    return [name for name, each in CONTESTANTS.items() if shape.failure or not each.of_failures]


def _contest(shape: str, name: str) -> Mapping[str, Any]:
    return figures(simulated(SHAPES[shape], CONTESTANTS[name], OURS), OURS.slots, SHAPES[shape].failure)


def _choices() -> Iterator[tuple[str, Any]]:
    for name, values in {**_CHOICES, **_ASSUMED}.items():
        for value in values:
            yield name, value


def _choice(name: str, value: Any) -> Mapping[str, Any]:
    with_it = replace(OURS, **{name: value}) if name in _CHOICES else OURS
    assumed = {name: value} if name in _ASSUMED else {}
    of = replace(with_it, slots=TRIAL_SLOTS)
    contestant = Contestant("", ours, bounded_by_quota=True)
    found = {each: figures(simulated(shape, contestant, of, **assumed), of.slots) for each, shape in TRIALS.items()}
    return {"name": name, "value": value, "chosen": name in _CHOICES and getattr(OURS, name) == value, **found}


def simulated(shape: Shape, contestant: Contestant, of: Numbers, **assumed: Any) -> Outcome:
    """One run."""
    ceiling = min(shape.max_tasks, of.fed(shape.rpm)) if contestant.bounded_by_quota else shape.max_tasks
    fleet = Fleet(
        slots=of.slots,
        min_tasks=1,
        max_tasks=ceiling,
        rpm=shape.rpm,
        cpu_seconds_a_job=_CPU_SECONDS_A_JOB,
        deadline_seconds=_DEADLINE_SECONDS,
        failure=shape.failure,
        **assumed,
    )
    drawn = lengths(of.typical_job_seconds, _SPREAD, _SEED)
    return Simulation(fleet, contestant.policy(of), shape.arrivals(_SEED), drawn, _SEED).run()


def figures(of: Outcome, slots: int, failure: Failure | None = None) -> Mapping[str, Any]:
    """What the page shows of a run. `meanwhile`: tasks as ordered, at the full minutes of a failure."""
    hours = of.task_seconds / 3600
    meanwhile = [row[4] for row in of.history if failure and failure.start_seconds <= row[0] < failure.end_seconds]
    return {
        "jobs": of.jobs,
        "expired": of.expired,
        "wait_p50_seconds": of.wait(0.5),
        "wait_p95_seconds": of.wait(0.95),
        "wait_longest_seconds": round(of.longest_wait_seconds, 1),
        "backlog_seconds": round(of.backlog_seconds),
        "held_seconds": round(of.held_seconds),
        "most_tasks": of.most_tasks,
        "task_hours": round(hours, 1),
        "wasted_task_hours": round(hours - of.busy_slot_seconds / slots / 3600, 1),
        "changes": of.changes,
        "cut": of.cut,
        **(
            {"meanwhile": [meanwhile[0], max(meanwhile), meanwhile[-1]], "meanwhile_task_hours": round(sum(meanwhile) / 60, 1)}
            if meanwhile
            else {}
        ),
    }


def _told(shape: Shape) -> Mapping[str, Any]:
    needed = -int(-min(max(shape.rates), shape.rpm / 60) * OURS.typical_job_seconds // OURS.slots)
    return {"title": shape.title, "rpm": shape.rpm, "max_tasks": shape.max_tasks, "needed_tasks": needed}


if __name__ == "__main__":
    sys.exit(main())
