"""What is on record was simulated with the numbers that there are."""

import json

from bench.autoscaling.__main__ import RECORD, figures, numbers, simulated
from bench.autoscaling.contestants import CONTESTANTS
from bench.autoscaling.numbers import OURS
from bench.autoscaling.shapes import SHAPES


def test_the_record_is_of_our_numbers() -> None:
    """Changed numbers need a new record: `make autoscaling`."""
    if RECORD.exists():
        assert json.loads(RECORD.read_text())["figures"]["numbers"] == numbers(OURS)


def test_the_record_is_what_the_model_says_now() -> None:
    """The shortest run on record, again: the model has not changed since, or `make autoscaling` is due."""
    if RECORD.exists():
        [spike] = [shape for shape in json.loads(RECORD.read_text())["figures"]["shapes"] if shape["name"] == "spike"]
        found = {"contestant": "ours", **figures(simulated(SHAPES["spike"], CONTESTANTS["ours"], OURS), OURS.slots)}
        assert found in spike["rows"]


def test_a_quota_feeds_so_many_tasks() -> None:
    """100 slots of 20 s are 300 calls a minute of a task."""
    assert [OURS.fed(rpm) for rpm in (1, 300, 301, 2400)] == [1, 1, 2, 8]
