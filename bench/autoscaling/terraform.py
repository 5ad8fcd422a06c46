"""Our policy's numbers as Terraform has them: a table of where each stands. A test holds `numbers.py` to them."""

import re
from pathlib import Path
from typing import Final

from bench.autoscaling.numbers import Numbers
from tests.support.processes import ROOT

FOLDER: Final = ROOT / "terraform"
_MODULE: Final = "modules/autoscaling"
_DEFAULT: Final = r'variable "{}" {{[^}}]*?\n  default\s*= ([\d.]+)'
#: Field → folder, and a pattern whose only group is the number.
_NUMBERS: Final = {
    "slots": (".", _DEFAULT.format("slots")),
    "typical_job_seconds": (".", _DEFAULT.format("typical_job_seconds")),
    "acceptable_latency_seconds": (".", _DEFAULT.format("acceptable_latency_seconds")),
    "full": (_MODULE, r"MAX\(\[used / ([\d.]+), \(waiting / tasks \+ used\) / "),
    "busy": (_MODULE, r'half\s*= format\("%\.6g", ([\d.]+) \* var\.slots_per_task\)'),
    "out_cooldown_seconds": (_MODULE, r"target_value\s*= var\.slots_per_task\s+scale_out_cooldown = (\d+)"),
    "in_cooldown_seconds": (_MODULE, r"scale_in_cooldown = (\d+)"),
    "surge_minutes": (_MODULE, r"surge = \{[^}]*?minutes\s*= (\d+)"),
    "surge_cooldown_seconds": (_MODULE, r"surge = \{[^}]*?cooldown = (\d+)"),
}
_SURGE: Final = (_MODULE, r"surge = \{([^}]*)\}")
_SURGE_OVER: Final = r"over\s*= (\d+) \* var\.slots_per_task"
_SURGE_STEP: Final = r"\[(?:(\d+)|(\d+) \* var\.slots_per_task), .*?, (\d+)\]"


def read(folder: Path = FOLDER) -> Numbers:
    """As they stand there.

    Raises:
        LookupError: one does not stand where it stood: then this table, and likely the model, have to follow.
    """
    found = {name: float(_found(folder, *place)) for name, place in _NUMBERS.items()}
    row = _found(folder, *_SURGE)
    over = re.search(_SURGE_OVER, row)
    if over is None:
        raise LookupError(f"{_SURGE[0]}: the surge has no `over` in slots")
    steps = tuple(
        (int(over[1]) + int(plain or times), int(percent))
        for plain, times, percent in re.findall(_SURGE_STEP, row.partition("by")[2])
    )
    whole = {name: int(found.pop(name)) for name in ("slots", "surge_minutes")}
    return Numbers(**whole, **found, surge=steps)  # type: ignore[arg-type]


def _found(folder: Path, where: str, pattern: str) -> str:
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted((folder / where).glob("*.tf")))
    match = re.search(pattern, text)
    if match is None:
        raise LookupError(f"{folder / where}/*.tf have nothing like {pattern}")
    return match[1]
