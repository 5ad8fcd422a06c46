"""Quotas that nobody tells: what limiters make of them in simulated time, and what whole runs over real processes came to.

    QUOTA_FIGURES=FOLDER pytest tests/chaos/test_quotas.py -m long     (an hour and a half; in parts, if need be)
    python -m bench.quotas FOLDER                                       (six minutes more)

Each run keeps the commit that it was made of: the page tells it. Writes docs/reference/quotas.json; `make docs` then writes the
tables of docs/explanation/quotas.md.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench import record
from quarry.simulator.budgets import Budget
from tests.support.processes import ROOT
from tests.support.traffic import Traffic, by_the_minute, smooth

RECORD: Final = ROOT / "docs" / "reference" / "quotas.json"
_SEEDS: Final = range(1, 6)
_PER_MINUTE: Final = 600.0
#: What a call of the simulated traffic uses on average.
_TOKENS: Final = 340
Refill = Callable[[float], Budget]
#: How quotas come back, and from when to when they are looked at: from half a minute on, or when what was saved up is gone; by the
#: minute, the three after the first whole one.
_REFILLS: Final[Mapping[str, tuple[tuple[Refill, int, int], ...]]] = {
    "by the second, bursts of 1 s": ((smooth(1), 30, 150),),
    "by the second, bursts of 10, 60 s": ((smooth(10), 30, 150), (smooth(60), 90, 210)),
    "by the minute": tuple((by_the_minute(phase), 60 + phase, 240 + phase) for phase in (5, 20, 50)),
}


def main() -> int:
    """Simulate, gather, write."""
    if len(sys.argv) != 2 or not (folder := Path(sys.argv[1])).is_dir():
        sys.stderr.write(__doc__)
        return 2
    head = record.header(0, "python -m bench.quotas")
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    figures = {
        "simulated": list(_simulated()),
        "followed": list(_followed()),
        "processes": [run for run in runs if "use" in run],
        "processes_followed": [run for run in runs if "parts" in run],
    }
    record.write(RECORD, head, figures)
    return 0


def _simulated() -> Iterator[Mapping[str, Any]]:
    """One target, and always more work than it takes."""
    for workers in (1, 4, 10):
        for limit, unit in (("requests", 1), ("tokens", _TOKENS)):
            for name, refills in _REFILLS.items():
                runs = [
                    {
                        "seed": seed,
                        "use": traffic.use(begin, end) / (_PER_MINUTE * unit / 60),
                        "throttled": traffic.throttles_a_job(),
                    }
                    for refill, begin, end in refills
                    for seed in _SEEDS
                    for traffic in [Traffic([_PER_MINUTE * unit], refill, workers, seed, limit).run(end)]
                ]
                yield _told({"workers": workers, "limit": limit, "refill": name, "runs": runs})


def _followed() -> Iterator[Mapping[str, Any]]:
    """It is halved after two minutes, and whole again at second 200; looked at for fifty seconds from half a minute after each."""
    for workers in (1, 4, 10):
        for burst in (1, 10, 60):
            runs = []
            for seed in _SEEDS:
                traffic = Traffic([_PER_MINUTE], smooth(burst), workers, seed).run(120)
                traffic.change(0, _PER_MINUTE / 2)
                halved = traffic.run(200).use(150, 200) / (_PER_MINUTE / 120)
                traffic.change(0, _PER_MINUTE)
                runs.append({"seed": seed, "halved": halved, "doubled": traffic.run(280).use(230, 280) / (_PER_MINUTE / 60)})
            yield _told({"workers": workers, "refill": f"by the second, bursts of {burst} s", "runs": runs})


def _told(row: Mapping[str, Any]) -> Mapping[str, Any]:
    sys.stdout.write(f"{json.dumps(row)}\n")
    sys.stdout.flush()
    return row


if __name__ == "__main__":
    sys.exit(main())
