"""`docs/reference/peers.md`, wholly from the records. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bench.peers.scenarios import RECEIVES_MAX, SCENARIOS
from bench.peers.systems import SYSTEMS
from bench.peers.work import VISIBILITY_SECONDS
from bench.record import Record, where
from tests.support.processes import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "peers.md"
_NOT_RUN: Final = "NOT RUN\n"

Run = Mapping[str, Any]

_HEAD: Final = """# Beside peers

The same work on Quarry's worker and on what one would otherwise use, measured by `make bench`. This page and its pictures are
written from the records in [`bench/`](bench/), which name seed, commit and machine; a test refuses others.

**The work.** A job is one message on SQS, a write to its row in DynamoDB before the call (conditional: not if it is completed), one
Converse call, a write of the result after it, and the message deleted. All systems make the same writes and the same call. AWS is a
stand-in in memory ([`bench/peers/stand_in.py`](../../bench/peers/stand_in.py)) with delays, visibility, long polls and a
dead-letter queue, because an emulator's pace would be measured otherwise; it grants every condition. The model is Quarry's
simulator over HTTP, which takes 0.5 s. Each worker is one process with 100 slots, threads or tasks, and Taskiq's supervisor too.

**The peers** are configured as their own documentation recommends for such work; what was chosen and why, with links, is at the
head of each file. None is told the quotas. A message of the peers is handed out {receives_max} times before it is a dead letter.

{tuned}
"""

_TUNED: Final = {
    "celery": "acks late, one message a slot ahead, retries without end with backoff and jitter",
    "taskiq": "acknowledged when executed, the smart retry middleware with backoff and jitter, 1,000 tries",
    "threads": "boto3, ten tries with backoff and full jitter in the thread, then back on the queue",
    "litellm": "in an asyncio consumer: simple shuffle, ten retries, cooldown of 1 s, then back on the queue with a wait",
    "adaptive": "the same threads, botocore's adaptive retry mode with ten attempts; one client knows one region",
    "adaptive-3": "the same with a client for each region in turn, which botocore does not do by itself",
}


def rendered(records: Mapping[str, Record]) -> str:
    """The page; what was not measured says so."""
    tuned = "".join(
        f"| {SYSTEMS[name].title} | {text} | [`{SYSTEMS[name].module}.py`](../../bench/peers/{SYSTEMS[name].module}.py) |\n"
        for name, text in _TUNED.items()
    )
    tuned = f"| system | configuration | file |\n| --- | --- | --- |\n{tuned}"
    parts = [_HEAD.format(receives_max=RECEIVES_MAX, tuned=tuned.rstrip())]
    for name, (title, text, table) in _SECTIONS.items():
        found = records.get(name)
        parts.append(f"## {title}\n\n{text}\n\n{_measured(name, found, table) if found else _NOT_RUN}")
    return "\n".join(parts)


def told(run: Run) -> str:
    """One run in a line, for the terminal."""
    use = f", quota {run['quota']['share']:.1%}" if run.get("quota") else ""
    lost = run["jobs"] - run["completed"]
    return (
        f"{run['scenario']:14} {run['title'][:24]:24} {run['system']:11} {_rate(run)} jobs/s, "
        f"CPU {_number(run['cpu_ms_a_job'], 2)} ms, {run['peak_mib']:.0f} MiB{use}, "
        f"{run['throttled'] / run['jobs']:.2f} throttled a job, {lost} not done, p50 {_number(run['latency_p50_seconds'], 2)} s"
    )


def _measured(name: str, found: Record, table: Callable[[Sequence[Run]], str]) -> str:
    picture = f"![{_PICTURES[name]}](bench/{name}.png)\n\n" if name in _PICTURES else ""
    return f"{table(found['runs'])}\n{picture}{where(found)}; `{found['command']}`.\n"


def _cpu(runs: Sequence[Run]) -> str:
    of = _by_system(runs)
    middle = {name: statistics.median(run["cpu_ms_a_job"] for run in each) for name, each in of.items()}
    best = min((value for name, value in middle.items() if name != "quarry"), default=None)
    rows = [
        (
            SYSTEMS[name].title,
            _spread([run["cpu_ms_a_job"] for run in each], 2),
            f"{middle[name] / best:.2f}" if best else "-",
            f"{statistics.median(run['jobs_a_second'] for run in each):.0f}",
            f"{max(run['peak_mib'] for run in each):.0f}",
            _calls(each[0], "UpdateItem"),
            _calls(each[0], "ReceiveMessage"),
            _calls(each[0], "DeleteMessage", "DeleteMessageBatch"),
        )
        for name, each in of.items()
    ]
    head = ("system", "CPU ms a job", "of the best peer's", "jobs/s", "peak MiB", "writes a job", "receives a job", "deletes a job")
    return _table(head, rows)


def _paced(runs: Sequence[Run]) -> str:
    rows = [
        (
            SYSTEMS[name].title,
            f"{_number(each[0]['latency_p50_seconds'], 3)}",
            f"{_number(each[0]['latency_p95_seconds'], 3)}",
            f"{_number(each[0]['cpu_ms_a_job'], 2)}",
        )
        for name, each in _by_system(runs).items()
    ]
    return _table(("system", "p50 s", "p95 s", "CPU ms a job"), rows)


def _quota(runs: Sequence[Run]) -> str:
    rows = [
        (
            SYSTEMS[name].title,
            f"{run['regions']}",
            f"{run['quota']['share']:.1%}" if run["quota"] else "-",
            f"{run['throttled'] / run['jobs']:.3f}",
            f"{run['jobs'] - run['completed']:,} of {run['jobs']:,}",
            f"{run['left_on_queue']:,}",
            f"{run['dead_letters']:,}",
            _rate(run),
        )
        for name, each in _by_system(runs).items()
        for run in each
    ]
    head = ("system", "regions", "quota used", "throttled calls a job", "not done", "still queued", "dead letters", "jobs/s")
    return _table(head, rows)


def _growth(runs: Sequence[Run]) -> str:
    kinds: dict[tuple[str, str], dict[str, Run]] = {}
    for run in runs:
        kinds.setdefault((run["scenario"], run["title"]), {})[run["system"]] = run
    names = list(_by_system(runs))

    def cell(run: Run | None) -> str:
        return f"{_number(run['cpu_ms_a_job'], 2)} ms, {_rate(run)} jobs/s, {run['peak_mib']:.0f} MiB" if run else "-"

    rows = [(title, *(cell(of.get(name)) for name in names)) for (_, title), of in kinds.items()]
    return _table(("grows", *(SYSTEMS[name].title for name in names)), rows)


_CPU_TEXT: Final = f"""{SCENARIOS["cpu"][0].jobs:,} jobs in the queue, no quota. User and system time of the worker's processes
from the first tenth of the jobs to the last; median (lowest to highest) of all turns. Memory is the proportional share (PSS) at its
largest."""

_DELAY_TEXT: Final = "20 jobs a second, no quota: from the submission to the result in the table, of which the model takes 0.5 s."

_QUOTA_TEXT: Final = f"""Quota used: served of granted, of the regions that a system uses, after 30 s (of a quota by the minute:
in whole minutes of it) and until fewer jobs are left than slots. Throttled calls are those of the whole run, the cold start
included. Not done: no result when none had come for 90 s, or after {SCENARIOS["smooth"][0].limit_seconds:.0f} s; of these, some
are still queued (a peer's message that was given up comes back after {VISIBILITY_SECONDS} s), some are dead letters."""

_GROWTH_TEXT: Final = "No quota; what is not named is as under CPU, with 600 jobs; of several workers each has 50 slots."

_SECTIONS: Final[dict[str, tuple[str, str, Callable[[Sequence[Run]], str]]]] = {
    "cpu": ("CPU", _CPU_TEXT, _cpu),
    "paced": ("Delay", _DELAY_TEXT, _paced),
    "smooth": ("Three regions, 600 requests a minute each, refilled all the time", _QUOTA_TEXT, _quota),
    "minute": ("Three regions, 600 requests a minute each, all at the full minute", "As above, some of the systems.", _quota),
    "growth": ("Growth", _GROWTH_TEXT, _growth),
}
#: What `plots.py` draws.
_PICTURES: Final = {
    "cpu": "CPU a job",
    "smooth": "Served and throttled by second",
    "minute": "Served and throttled by second",
    "growth": "CPU a job, as slots, workers, regions and jobs grow",
}


def _by_system(runs: Sequence[Run]) -> dict[str, list[Run]]:
    return {name: found for name in SYSTEMS if (found := [run for run in runs if run["system"] == name])}


def _calls(run: Run, *names: str) -> str:
    return f"{sum(run['aws_calls'].get(name, 0) for name in names) / run['jobs']:.2f}"


def _rate(run: Run) -> str:
    return _number(run["jobs_a_second"], 1)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _spread(values: Sequence[float], digits: int) -> str:
    middle, least, most = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))
