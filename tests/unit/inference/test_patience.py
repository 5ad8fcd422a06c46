"""How long calls may take: by what those take that ask for as much."""

import math

import pytest

from quarry.inference.patience import KINDS, Patience, kind_of


@pytest.mark.parametrize(
    ("max_tokens", "kind"), [(0, 0), (256, 0), (257, 1), (1024, 1), (1025, 2), (4096, 2), (16384, 3), (16385, 4), (10**9, 4)]
)
def test_kinds_are_four_times_as_big_each(max_tokens: int, kind: int) -> None:
    """Few of them, whatever is asked for."""
    assert kind_of(max_tokens) == kind
    assert kind in KINDS


def _taught(*answers: tuple[int, float], times: int = 5) -> Patience:
    """Each of these kinds was answered so often, and took so many seconds."""
    patience = Patience()
    for kind, seconds in answers:
        for _ in range(times):
            patience.answered(kind, seconds)
    return patience


def test_a_kind_is_judged_by_its_own_answers() -> None:
    """The others change nothing about it."""
    patience = _taught((1, 1.0), (3, 60.0), (0, 0.1))
    assert patience.late == [1.0, 2.0, 120.0, 120.0, math.inf]
    assert patience.overdue == [3.0, 5.0, 300.0, 300.0, math.inf]


def test_what_is_unknown_is_judged_by_what_is_bigger() -> None:
    """Or not at all; four answers are too few to know."""
    patience = _taught((3, 60.0))
    assert patience.overdue == [300.0, 300.0, 300.0, 300.0, math.inf]
    for _ in range(4):
        patience.answered(1, 1.0)
    assert patience.overdue[1] == 300.0
    patience.answered(1, 1.0)
    assert patience.overdue == [5.0, 5.0, 300.0, 300.0, math.inf]


def test_the_longest_is_remembered_for_longer() -> None:
    """One in a few hundred that takes twenty times as long is not forgotten between one and the next; after thousands, it is."""
    patience = _taught((0, 10.0), times=1)
    for _ in range(300):
        patience.answered(0, 0.5)
    assert patience.overdue[0] == 3.0
    assert 10 < patience.passed[0] < 20
    for _ in range(3000):
        patience.answered(0, 0.5)
    assert patience.passed[0] == 3.0
