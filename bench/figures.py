"""`make figures`: measure everything that `docs/reference/performance.md` tells, and write its tables anew."""

import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import latency, wrong_keys
from bench.api import BULK_JOBS, load
from bench.worker import Run, work

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "performance.md"
_RUNS: Final = 3
Row = tuple[str, str, str]


def main() -> int:
    """Measure, print, write."""
    tables = {"machine": machine(), "worker": worker(), "growth": growth(), "api": api(), "keys": keys(), "delay": delay()}
    page = PAGE.read_text()
    for name, table in tables.items():
        page, found = re.subn(rf"(<!-- figures: {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\g<2>", page, flags=re.DOTALL)
        assert found == 1, f"{PAGE} has no place for {name}"  # noqa: S101 - a page of ours
    PAGE.write_text(page)
    return 0


def machine() -> str:
    """Where and when."""
    load_now = os.getloadavg()[0]
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    told = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {when}; load before: {load_now:.1f}"
    return _shown(f"{told}\n")


def worker() -> str:
    """CPU, rate and memory at the size that the promises are about."""
    runs = [work(5000, 500, 0.5) for _ in range(_RUNS)]
    full = work(4000, 500, 4.0)
    return _table(
        ("worker, 500 slots", "asked", "measured"),
        ("CPU a job, the model taking 0.5 s", "≤ 2.2 ms", _spread("ms", [each.cpu_ms for each in runs], 2)),
        ("rate, the same", "-", _spread("jobs/s", [each.rate for each in runs], 0)),
        (f"memory at its peak (RSS), {full.in_flight} calls in flight", "≤ 200 MiB", f"{full.peak_mib:.0f} MiB"),
    )


def growth() -> str:
    """CPU and memory by slots, and by the number of jobs."""
    runs = [*(work(3000, slots, 0.1) for slots in (20, 100, 500)), work(20_000, 500, 0.1)]
    head = ("slots", "jobs in the queue", "CPU a job, rate, memory; the model taking 0.1 s")
    return _table(head, *((f"{each.slots}", f"{each.jobs:,}", _costs(each)) for each in runs))


def _costs(run: Run) -> str:
    return f"{run.cpu_ms:.2f} ms, {run.rate:.0f} jobs/s, {run.peak_mib:.0f} MiB"


def api() -> str:
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


def keys() -> str:
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


def delay() -> str:
    """What is added to the model's time."""
    runs = [latency.overhead(60, seconds) for seconds in (0.2, 1.0, 3.0)]
    rows = [(f"{each.model_seconds:g} s", "p50 ≤ 50 ms", f"p50 {each.p50_ms:.0f} ms, p95 {each.p95_ms:.0f} ms") for each in runs]
    return _table(("the model takes", "asked", "added, from the submission to the answer in hand"), *rows)


def _spread(unit: str, values: Sequence[float], digits: int) -> str:
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} {unit} ({least} to {most})"


def _table(head: Row, *rows: Row) -> str:
    return _shown("".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rows)))


def _shown(text: str) -> str:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return text


if __name__ == "__main__":
    sys.exit(main())
