"""The generated parts on Terraform: what an apply has measured, and what the emulated AWS forgets."""  # noqa: INP001 - beside a script, no package

import json
import tomllib
from pathlib import Path

from docs.markdown import table

_ROOT = Path(__file__).resolve().parents[1]
RECORD = _ROOT / "docs" / "reference" / "terraform.json"
GAPS = _ROOT / "tests" / "e2e" / "terraform" / "emulator_gaps.toml"


def figures() -> str:
    """A row for each figure of the record that `make test-terraform TERRAFORM_FIGURES=…` wrote."""
    return table(("figure", "measured"), list(json.loads(RECORD.read_text(encoding="utf-8")).items()))


def gaps() -> str:
    """A row for each of the allow-list."""
    rows = tomllib.loads(GAPS.read_text(encoding="utf-8"))["gap"]
    return table(
        ("resource", "attribute", "why"), [(f"`{row['address']}`", f"`{row['attribute']}`", row["reason"]) for row in rows]
    )
