"""What a plan would still change, against a list of what an emulator forgets."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Gap:
    """One attribute that an emulator does not keep. `*` in `address` stands for anything; `reason` is for people."""

    address: str
    attribute: str
    reason: str

    def explains(self, change: tuple[str, str]) -> bool:
        """Whether this change of (address, attribute) is meant."""
        address, attribute = change
        pattern = ".*".join(map(re.escape, self.address.split("*")))
        return attribute == self.attribute and re.fullmatch(pattern, address) is not None


def read_gaps(path: Path) -> list[Gap]:
    """The rows of a file: `[[gap]]` with `address`, `attribute` and `reason`."""
    return [Gap(**row) for row in tomllib.loads(path.read_text())["gap"]]


def changes(plan: dict[str, Any]) -> set[tuple[str, str]]:
    """Each (address, attribute) that the plan (`terraform show -json`) would change; `-` stands for all of a resource that would
    be made or removed. Of one that would be replaced, those for which it must be.
    """
    found: set[tuple[str, str]] = set()
    for resource in plan.get("resource_changes", []):
        change, address = resource["change"], resource["address"]
        if set(change["actions"]) <= {"no-op", "read"}:
            continue
        found |= {(address, each) for each in _attributes(change)}
    return found


def _attributes(change: dict[str, Any]) -> set[str]:
    before, after = change.get("before"), change.get("after")
    if before is None or after is None:
        return {"-"}
    if "replace_paths" in change:
        return {str(path[0]) for path in change["replace_paths"]}
    unknown = {name for name, value in change.get("after_unknown", {}).items() if value}
    return unknown | {name for name in before | after if before.get(name) != after.get(name)}


def compared(found: Iterable[tuple[str, str]], gaps: list[Gap]) -> tuple[list[tuple[str, str]], list[Gap]]:
    """The changes that no row explains, and the rows that explain no change: both should be empty."""
    changed = sorted(found)
    unexplained = [each for each in changed if not any(gap.explains(each) for gap in gaps)]
    return unexplained, [gap for gap in gaps if not any(gap.explains(each) for each in changed)]
