"""The comparison of a plan with the list of an emulator's gaps."""

from typing import Any

import pytest

from tests.support.drift import Gap, changes, compared


def _plan(address: str, **change: Any) -> dict[str, Any]:
    return {"resource_changes": [{"address": address, "change": change}]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"actions": ["no-op"], "before": {"a": 1}, "after": {"a": 2}}, set()),
        ({"actions": ["read"], "before": None, "after": {"a": 2}}, set()),
        ({"actions": ["update"], "before": {"a": 1, "b": 1}, "after": {"a": 2, "b": 1}, "after_unknown": {}}, {"a"}),
        ({"actions": ["update"], "before": {"a": 1}, "after": {}, "after_unknown": {"a": True, "b": False}}, {"a"}),
        ({"actions": ["update"], "before": {"a": 1, "b": None}, "after": {}, "after_unknown": {}}, {"a"}),
        ({"actions": ["update"], "before": {"a": None}, "after": {}, "after_unknown": {"a": True}}, {"a"}),
        ({"actions": ["create"], "before": None, "after": {"a": 1}}, {"-"}),
        ({"actions": ["delete"], "before": {"a": 1}, "after": None}, {"-"}),
        (
            {
                "actions": ["delete", "create"],
                "before": {"a": 1, "arn": "x"},
                "after": {"a": 2},
                "after_unknown": {"arn": True},
                "replace_paths": [["a", 0, "b"]],
            },
            {"a"},
        ),
    ],
)
def test_a_plan_changes_what_it_does_not_leave_as_it_is(change: dict[str, Any], expected: set[str]) -> None:
    """An update names its attributes, those not known yet among them; a replacement those that force it; the rest stands whole."""
    assert changes(_plan("aws_x.y", **change)) == {("aws_x.y", each) for each in expected}


def test_each_change_needs_a_row_and_each_row_a_change() -> None:
    """A row explains one attribute of the addresses that it matches as a whole; one that explains nothing is told."""
    used, unused = Gap("module.*.aws_x.y[*]", "a", "kept nowhere"), Gap("aws_x.y", "a", "mended since")
    found = {('module.m["k"].aws_x.y[0]', "a"), ("module.m.aws_x.y[1]", "b"), ("aws_x.yy", "a")}
    assert compared(found, [used, unused]) == ([("aws_x.yy", "a"), ("module.m.aws_x.y[1]", "b")], [unused])
