"""The generated parts that tell what was measured, each from a record in `reference/`."""  # noqa: INP001 - beside a script, no package

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import record
from bench.autoscaling.contestants import CONTESTANTS
from bench.autoscaling.shapes import SHAPES
from bench.record import Record, where
from docs.markdown import table

REFERENCE: Final = Path(__file__).resolve().parent / "reference"
Told = Callable[[Record], str]
#: Of the samples of one expression.
_SHOWN: Final = 4


def generators() -> Iterator[tuple[str, Callable[[], str]]]:
    """By the name of a block, what stands in it."""
    for name, (file, told) in _BLOCKS.items():
        yield name, partial(_of, file, told)


def _of(file: str, told: Told) -> str:
    path = REFERENCE / f"{file}.json"
    return told(record.read(path)) if path.exists() else "NOT RUN\n"


def _where(made: Record) -> str:
    return f"{where(made)}; `{made['command']}`.\n"


def _plain(made: Record) -> str:
    """A row for each figure."""
    return f"{table(('figure', 'measured'), list(made['figures'].items()))}\n{_where(made)}"


def _performance(name: str, made: Record) -> str:
    """One of the tables that `make figures` measured; its first row is the head."""
    head, *rows = made["figures"][name]
    return table(tuple(head), [tuple(row) for row in rows])


def _simulated(made: Record) -> str:
    """Use and throttles in simulated time."""
    rows = [
        (
            str(row["workers"]),
            row["limit"],
            row["refill"],
            _least([run["use"] for run in row["runs"]]),
            _most([run["throttled"] for run in row["runs"]]),
        )
        for row in made["figures"]["simulated"]
    ]
    return f"{table(('workers', 'quota', 'comes back', 'used', 'throttled calls a job'), rows)}\n{_where(made)}"


def _followed(made: Record) -> str:
    """What was used of a quota half a minute after it was halved, and after it was doubled, in simulated time."""
    rows = [
        (str(row["workers"]), row["refill"], *(_least([run[part] for run in row["runs"]]) for part in ("halved", "doubled")))
        for row in made["figures"]["followed"]
    ]
    return table(("workers", "comes back", "used of the halved", "used of the doubled"), rows)


def _processes(made: Record) -> str:
    """Use and throttles over real processes, with what was asked."""
    groups: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for run in made["figures"]["processes"]:
        groups.setdefault((run["limit"], run["refill"], run["workers"]), []).append(run)
    rows = [
        (
            f"{limit}, {'by the second' if refill == 'smooth' else 'by the minute'}",
            str(workers),
            str(len(runs)),
            f"≥ {runs[0]['asked_use']}: {_least([run['use'] for run in runs])}",
            f"≤ {runs[0]['asked_throttled']}: {_most([run['throttled'] / run['jobs'] for run in runs])}",
            _most([run["cold"] / run["jobs"] for run in runs]),
            f"{sum(run['jobs'] - run['completed'] for run in runs)} of {sum(run['jobs'] for run in runs):,}",
            _commits(runs),
        )
        for (limit, refill, workers), runs in sorted(groups.items())
    ]
    head = (
        "quota",
        "workers",
        "runs",
        "used after 30 s",
        "throttled calls a job",
        "of them in the first 30 s",
        "jobs not completed",
        "commit",
    )
    return f"{table(head, rows)}\n{_where(made)}"


def _commits(runs: Sequence[Mapping[str, Any]]) -> str:
    """What was measured."""
    return ", ".join(f"`{commit}`" for commit in sorted({run["commit"] for run in runs}))


def _processes_followed(made: Record) -> str:
    """And of a quota that is halved and doubled."""
    rows = [
        (
            run["limit"],
            str(run["workers"]),
            *(f"{part['use']:.3f}; {part['throttled']:.3f}" for part in run["parts"]),
            _commits([run]),
        )
        for run in made["figures"]["processes_followed"]
    ]
    return table(
        ("quota", "workers", "halved: used; throttled calls a job", "doubled: used; throttled calls a job", "commit"), rows
    )


def _panels(made: Record) -> str:
    """Every expression with what it returned, in the order of the board and of the files."""
    parts: list[str] = []
    places = dict.fromkeys(each["where"] for each in made["figures"]["answers"])
    for place in places:
        rows = [
            (each["name"], f"`{each['expression']}`", _returned(each))
            for each in made["figures"]["answers"]
            if each["where"] == place
        ]
        parts.append(f"## {place}\n\n{table(('panel or rule', 'expression', 'returned'), rows)}")
    states = [(f"`{name}`", state) for name, state in made["figures"]["alerts"].items()]
    parts.append(f"## Alerts by then\n\n{table(('alert', 'state'), states)}")
    return "\n".join(parts) + f"\nPrometheus {made['figures']['prometheus']}; {_where(made)}"


def _returned(answer: Mapping[str, Any]) -> str:
    """A few of its samples, with the values of their labels."""
    samples = answer["samples"]
    if not samples:
        return f"nothing: {answer['quiet']}"
    told = "; ".join(f"{labels}: {value:g}" if labels else f"{value:g}" for labels, value in samples[:_SHOWN])
    return told if len(samples) <= _SHOWN else f"{told}; and {len(samples) - _SHOWN} more"


def _autoscaling(name: str, made: Record) -> str:
    """Every contestant on one shape of traffic."""
    [shape] = [each for each in made["figures"]["shapes"] if each["name"] == name]
    rows = [
        (
            CONTESTANTS[row["contestant"]].title,
            f"{row['wait_p50_seconds']:,.1f} s, {row['wait_p95_seconds']:,.1f} s, {row['wait_longest_seconds']:,.0f} s",
            f"{row['backlog_seconds'] / 60:,.0f} min",
            f"{row['most_tasks']} ({shape['needed_tasks']})",
            f"{row['task_hours']:,.1f}, {row['wasted_task_hours']:,.1f}",
            str(row["changes"]),
            _meanwhile(row) if "meanwhile" in row else f"{row['held_seconds'] / 60:,.0f} min",
            f"{row['expired']:,}, {row['cut']:,}",
        )
        for row in shape["rows"]
    ]
    head = (
        "scaled by",
        "wait: half, 95 of 100, longest",
        "longest backlog",
        "most tasks (needed)",
        "task-hours, wasted",
        "changes",
        "in the failure: tasks, task-hours" if "meanwhile" in shape["rows"][0] else "held by quota",
        "expired, cut",
    )
    about = (
        f"{shape['title']}; {shape['rows'][0]['jobs']:,} jobs; quota {shape['rpm']:,} a minute; at most {shape['max_tasks']} tasks."
    )
    return f"{about[0].upper()}{about[1:]}\n\n{table(head, rows)}"


def _meanwhile(row: Mapping[str, Any]) -> str:
    first, most, last = row["meanwhile"]
    return f"{first} → {f'{most} → ' if most not in {first, last} else ''}{last}, {row['meanwhile_task_hours']:,.1f}"


def _choices(made: Record) -> str:
    """Our policy with one number changed, and in another world."""
    rows = [
        (
            f"`{row['name']}`",
            f"**{_chosen(row)}**" if row["chosen"] else _chosen(row),
            *(_briefly(row[trial]) for trial in made["figures"]["trials"]),
        )
        for row in made["figures"]["choices"]
    ]
    return table(("number", "is", *made["figures"]["trials"].values()), rows)


def _briefly(run: Mapping[str, Any]) -> str:
    waits = f"{run['wait_p95_seconds']:,.1f} s, {run['wait_longest_seconds']:,.0f} s"
    return f"{waits}; {run['task_hours']:,.1f} h; {run['changes']}"


def _chosen(row: Mapping[str, Any]) -> str:
    if row["name"] != "surge":
        return str(row["value"])
    return "; ".join(f"+{percent} % from {times:g} targets on" for times, percent in row["value"]) or "none"


def _burst(made: Record) -> str:
    """The burst of the scaling plot, and what became of it."""
    figures = made["figures"]
    rows = [
        ("jobs, and of them completed", f"{figures['jobs']:,}, {figures['completed']:,}"),
        ("minutes from the burst until there were more tasks", f"{figures['minutes_until_out']} (asked: 2 at most)"),
        ("tasks", " → ".join(str(each) for each in [figures["changes"][0]["from"], *(each["to"] for each in figures["changes"])])),
        ("calls under way when their task was asked to stop", str(figures["calls_in_flight_at_kills"])),
        ("calls paid again", f"{figures['calls_paid_again']} (asked: no more than those)"),
    ]
    return f"{table(('figure', 'measured'), rows)}\n{_where(made)}"


def _least(values: Sequence[float]) -> str:
    return f"{median(values):.3f}, {min(values):.3f}"


def _most(values: Sequence[float]) -> str:
    return f"{median(values):.3f}, {max(values):.3f}"


_BLOCKS: Final[Mapping[str, tuple[str, Told]]] = {
    "containers": ("containers", _plain),
    "fairness": ("fairness", _plain),
    "terraform": ("terraform", _plain),
    "autoscaling-burst": ("autoscaling-burst", _burst),
    "performance-where": ("performance", _where),
    **{
        f"performance-{name}": ("performance", partial(_performance, name)) for name in ("worker", "growth", "api", "keys", "delay")
    },
    "panels": ("panels", _panels),
    "autoscaling-where": ("autoscaling", _where),
    **{f"autoscaling-{name}": ("autoscaling", partial(_autoscaling, name)) for name in SHAPES},
    "autoscaling-choices": ("autoscaling", _choices),
    "quotas-simulated": ("quotas", _simulated),
    "quotas-followed": ("quotas", _followed),
    "quotas-processes": ("quotas", _processes),
    "quotas-processes-followed": ("quotas", _processes_followed),
}
