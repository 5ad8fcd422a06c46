"""`make figures`: measure everything that `docs/reference/performance.md` tells, into the record that its tables are made from."""

import statistics
import sys
from collections.abc import Sequence
from typing import Final

from bench import latency, record, wrong_keys
from bench.api import BULK_JOBS, load
from bench.worker import Run, work
from tests.support.processes import ROOT

RECORD: Final = ROOT / "docs" / "reference" / "performance.json"
_RUNS: Final = 3
Row = tuple[str, str, str]
Table = Sequence[Row]


def main() -> int:
    """Measure, print, write."""
    head = record.header(0, "make figures")
    if head["commit"].endswith("-dirty"):
        sys.stderr.write("commit first: figures name the commit that they were measured on\n")
        return 2
    record.write(RECORD, head, {"worker": worker(), "growth": growth(), "api": api(), "keys": keys(), "delay": delay()})
    return 0


def worker() -> Table:
    """CPU, rate and memory at the size that the promises are about."""
    runs = [work(5000, 500, 0.5) for _ in range(_RUNS)]
    full = work(4000, 500, 4.0)
    return _table(
        ("worker, 500 slots", "asked", "measured"),
        ("CPU a job, the model taking 0.5 s", "≤ 2.2 ms", _spread("ms", [each.cpu_ms for each in runs], 2)),
        ("rate, the same", "-", _spread("jobs/s", [each.rate for each in runs], 0)),
        (f"memory at its peak (RSS), {full.in_flight} calls in flight", "≤ 200 MiB", f"{full.peak_mib:.0f} MiB"),
    )


def growth() -> Table:
    """CPU and memory by slots, and by the number of jobs."""
    runs = [*(work(3000, slots, 0.1) for slots in (20, 100, 500)), work(20_000, 500, 0.1)]
    head = ("slots", "jobs in the queue", "CPU a job, rate, memory; the model taking 0.1 s")
    return _table(head, *((f"{each.slots}", f"{each.jobs:,}", _costs(each)) for each in runs))


def _costs(run: Run) -> str:
    return f"{run.cpu_ms:.2f} ms, {run.rate:.0f} jobs/s, {run.peak_mib:.0f} MiB"


def api() -> Table:
    """CPU and rates of submissions."""
    runs = [load(5000, 100) for _ in range(_RUNS)]
    singles, bulks = [each[0] for each in runs], [each[1] for each in runs]
    return _table(
        ("API", "asked", "measured"),
        ("CPU of a single submission", "≤ 1.0 ms", _spread("ms", [each.cpu_ms for each in singles], 2)),
        ("rate, the same", "-", _spread("jobs/s", [each.rate for each in singles], 0)),
        (f"CPU a job, in bulks of {BULK_JOBS}", "≤ 0.3 ms", _spread("ms", [each.cpu_ms for each in bulks], 2)),
        ("rate, the same", "-", _spread("jobs/s", [each.rate for each in bulks], 0)),
        ("memory at its peak (RSS)", "-", f"{max(each.peak_mib for each in bulks):.0f} MiB"),
    )


def keys() -> Table:
    """What authentication costs, and what strangers cost those with a key."""
    off, on = wrong_keys.overhead()
    calm, floods = wrong_keys.measured(20)
    asked, beside = "p99 ≤ 5 times the first; no writes", "valid submissions beside a flood of keys"

    def told(flood: wrong_keys.Flood) -> str:
        slower = f"p99 {flood.valid.p99_ms:.0f} ms, {flood.valid.p99_ms / calm.p99_ms:.1f} times"
        return f"{slower}; {flood.rate:.0f} refused a second; {flood.reads} reads, {flood.writes} writes"

    rows = [(f"{beside}: {each.kind}", asked, told(each)) for each in floods]
    return _table(
        ("authentication by keys", "asked", "measured"),
        ("valid submissions, 50 a second, alone", "-", f"p50 {calm.p50_ms:.0f} ms, p99 {calm.p99_ms:.0f} ms"),
        *rows,
        ("CPU of a submission, without and with", "≤ 15% more", f"{off:.2f} ms, {on:.2f} ms: {on / off - 1:+.0%}"),
    )


def delay() -> Table:
    """What is added to the model's time."""
    runs = [latency.overhead(60, seconds) for seconds in (0.2, 1.0, 3.0)]
    rows = [(f"{each.model_seconds:g} s", "p50 ≤ 50 ms", f"p50 {each.p50_ms:.0f} ms, p95 {each.p95_ms:.0f} ms") for each in runs]
    return _table(("the model takes", "asked", "added, from the submission to the answer in hand"), *rows)


def _spread(unit: str, values: Sequence[float], digits: int) -> str:
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} {unit} ({least} to {most})"


def _table(head: Row, *rows: Row) -> Table:
    for row in (head, *rows):
        sys.stdout.write(f"{' | '.join(row)}\n")
    sys.stdout.flush()
    return head, *rows


if __name__ == "__main__":
    sys.exit(main())
