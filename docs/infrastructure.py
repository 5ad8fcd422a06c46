"""The generated part on Terraform: what the emulated AWS forgets."""  # noqa: INP001 - beside a script, no package

import tomllib
from pathlib import Path

from docs.markdown import table

_ROOT = Path(__file__).resolve().parents[1]
GAPS = _ROOT / "tests" / "e2e" / "terraform" / "emulator_gaps.toml"


def gaps() -> str:
    """A row for each of the allow-list."""
    rows = tomllib.loads(GAPS.read_text(encoding="utf-8"))["gap"]
    return table(
        ("resource", "attribute", "why"), [(f"`{row['address']}`", f"`{row['attribute']}`", row["reason"]) for row in rows]
    )
