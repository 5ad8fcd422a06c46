"""Our alarms, held to the tables of "Configuring how CloudWatch alarms treat missing data":
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html (read in November 2026).
"""

import pytest

from tests.support.scaling.alarms import Rule, State

#: "0 is a non-breaching data point, X is a breaching data point, and - is a missing data point".
POINTS = {"0": 0.0, "X": 1.0, "-": None}
STATES = {"OK": State.OK, "ALARM": State.ALARM, "INSUFFICIENT": State.INSUFFICIENT_DATA}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
#: Points; and the state for each treatment, where RETAIN is that from before.
THREE_OF_THREE = [
    ("0 - X - X", "OK OK OK OK"),
    ("0 - - - -", "OK OK OK OK"),
    ("- - - - -", "INSUFFICIENT RETAIN ALARM OK"),
    ("0 X X - X", "ALARM ALARM ALARM ALARM"),
    ("- - - - X", "INSUFFICIENT RETAIN ALARM OK"),
    ("X - - - -", "ALARM RETAIN ALARM OK"),
]
TWO_OF_THREE = [
    ("0 - X - X", "ALARM ALARM ALARM ALARM"),
    ("0 0 X 0 X", "ALARM ALARM ALARM ALARM"),
    ("0 - X - -", "OK OK ALARM OK"),
    ("- - - - 0", "OK OK ALARM OK"),
    ("- - - - X", "INSUFFICIENT RETAIN ALARM OK"),
]


@pytest.mark.parametrize(
    ("needed", "points", "states"), [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE]
)
@pytest.mark.parametrize("before", State)
def test_the_tables_of_the_guide(needed: int, points: str, states: str, before: State) -> None:
    """Each row, for each way to treat what is missing."""
    seen = [POINTS[each] for each in points.split()]
    for treatment, expected in zip(TREATMENTS, states.split(), strict=True):
        rule = Rule("GreaterThanThreshold", 0, periods=3, points=needed, missing=treatment)
        assert (treatment, rule.state(seen, before)) == (treatment, STATES.get(expected, before))


def test_three_consecutive_periods() -> None:
    """As in "Evaluating an alarm": above three units in the third to fifth period, then below, then above for one period only."""
    rule = Rule("GreaterThanThreshold", 3, periods=3, points=3)
    values = [2, 1, 4, 5, 4, 2, 2, 1, 4, 2]
    states, state = [], State.INSUFFICIENT_DATA
    for end in range(1, len(values) + 1):
        state = rule.state([float(each) for each in values[:end]], state)
        states.append(state)
    assert [number for number, each in enumerate(states, 1) if each is State.ALARM] == [5]
