"""Our metric math, held to the examples of "Using math expressions with CloudWatch metrics":
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html (read in November 2026).
"""

import pytest

from tests.support.scaling.metric_math import Series, Unknown, series

gap = None
#: "metric1 has values of [30, 20, 0, 0] and metric2 has values of [20, -, 20, -]".
COMPARED: dict[str, Series] = {"metric1": (30, 20, 0, 0), "metric2": (20, gap, 20, gap)}
#: The tables below "IF(metric1, metric2, metric3)" and its neighbours.
CHOSEN: dict[str, Series] = {"metric1": (1, 1, 0, 0, gap), "metric2": (30, gap, 0, 0, 30), "metric3": (0, 0, 20, gap, 20)}


def value(expression: str, **published: Series) -> Series:
    return series({"e": expression}, published, "e")


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("(metric1 < metric2)", (0, 0, 1, 0)),
        ("(metric1 >= 30)", (1, 0, 0, 0)),
        ("(metric1 > 15 AND metric2 > 15)", (1, 0, 0, 0)),
    ],
)
def test_comparisons_of_the_guide(expression: str, output: Series) -> None:
    """Where only one series has a value, the other one's is 0."""
    assert value(expression, **COMPARED) == output


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("IF(metric1, metric2, metric3)", (30, 0, 20, gap, gap)),
        ("IF(metric1, 5, metric3)", (5, 5, 20, gap, gap)),
        ("IF(metric1, metric2, 5)", (30, 0, 5, 5, gap)),
    ],
)
def test_choices_of_the_guide(expression: str, output: Series) -> None:
    """A true one without a value is 0; a false one without a value is dropped, and so is one whose condition is missing."""
    assert value(expression, **CHOSEN) == output


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        # "To display only the low values of a metric", "relative highs and lows".
        ("IF(metric1<400, metric1)", (100, gap, 300)),
        ("IF(metric1<400, 10, 2)", (10, 2, 10)),
        # "5 * m1", "SUM(100/[m1, m2])", "-m1", and powers.
        ("5 * metric1", (500, 2500, 1500)),
        ("SUM(300/[metric1, metric1])", (6, 1.2, 2)),
        ("-metric1 + 2 ^ 3 ^ 2", (412, 12, 212)),
        ("TIME_SERIES(10)", (10, 10, 10)),
        ("MAX([metric1, TIME_SERIES(250)])", (250, 500, 300)),
        ("metric1 - MIN(metric1)", (0, 400, 200)),
    ],
)
def test_arithmetic(expression: str, output: Series) -> None:
    """Of series, of scalars, and of arrays."""
    assert value(expression, metric1=(100, 500, 300)) == output


def test_missing_values_and_division_by_zero() -> None:
    """The guide: "Missing values in a time series are treated as 0"; a point that would be divided by zero is dropped."""
    assert value("a + b", a=(1, gap, gap), b=(1, 2, gap)) == (2, 2, gap)
    assert value("a / b", a=(1, 1, 1), b=(2, 0, gap)) == (0.5, gap, gap)


def test_fill() -> None:
    """As in "FILL(m1, 10)", "FILL(m1, REPEAT)": what came before the first value stays missing; another series may fill."""
    assert value("FILL(m, 10)", m=(gap, 1, gap)) == (10, 1, 10)
    assert value("FILL(m, REPEAT)", m=(gap, 1, gap)) == (gap, 1, 1)
    assert value("FILL(m, n)", m=(gap, 1, gap), n=(7, 8, 9)) == (7, 1, 9)


def test_an_expression_names_another() -> None:
    """By its id."""
    assert series({"e1": "m1 + m2", "e2": "e1 / 2"}, {"m1": (2,), "m2": (4,)}, "e2") == (3,)


@pytest.mark.parametrize(
    "expression",
    ["metric2", "MAX(metric1)", "FILL(metric1, LINEAR)", "metric1 +", "metric1 metric1", "(metric1", "1", "RATE(metric1)", "§"],
)
def test_what_is_no_series_or_not_understood_is_refused(expression: str) -> None:
    """A scalar is no result; nothing is guessed."""
    with pytest.raises(Unknown):
        value(expression, metric1=(1, 2))
