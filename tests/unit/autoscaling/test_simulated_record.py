"""What is on record was simulated with Terraform's numbers, by the model that there is."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.autoscaling import terraform
from bench.autoscaling.__main__ import RECORD, figures, numbers, simulated
from bench.autoscaling.contestants import CONTESTANTS
from bench.autoscaling.numbers import OURS
from bench.autoscaling.shapes import SHAPES


def recorded() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(RECORD.read_text())["figures"]
    return made


def test_our_numbers_are_terraforms() -> None:
    """Changed there, they are to be changed in `numbers.py` too; and then `make autoscaling` is due."""
    assert terraform.read() == OURS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scale_out_cooldown = 60", "scale_out_cooldown = 61"),
        ("scale_in_cooldown = 180", "scale_in_cooldown = 181"),
        ("used / 0.9", "used / 0.8"),
        ("0.5 * var", "0.4 * var"),
        ("null, 700]", "null, 701]"),
        ("[2 * var.slots_per_task, 6", "[3 * var.slots_per_task, 6"),
        ("over     = 2 *", "over     = 3 *"),
    ],
)
def test_a_number_of_terraforms_that_changed_is_seen(old: str, new: str, tmp_path: Path) -> None:
    """Each that the policy is made of."""
    shutil.copytree(terraform.FOLDER, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*", "examples", "tests"))
    [file] = [path for path in (tmp_path / "terraform" / "modules" / "autoscaling").glob("*.tf") if old in path.read_text()]
    file.write_text(file.read_text().replace(old, new, 1))

    assert terraform.read(tmp_path / "terraform") != OURS


def test_the_record_is_of_our_numbers() -> None:
    """Changed numbers need a new record: `make autoscaling`."""
    assert recorded()["numbers"] == numbers(OURS)


def test_the_record_is_what_the_model_says_now() -> None:
    """The shortest run on record, again: the model has not changed since, or `make autoscaling` is due."""
    [spike] = [shape for shape in recorded()["shapes"] if shape["name"] == "spike"]

    assert {"contestant": "ours", **figures(simulated(SHAPES["spike"], CONTESTANTS["ours"], OURS), OURS.slots)} in spike["rows"]


def test_a_quota_feeds_so_many_tasks() -> None:
    """100 slots of 20 s are 300 calls a minute of a task."""
    assert [OURS.fed(rpm) for rpm in (1, 300, 301, 2400)] == [1, 1, 2, 8]
