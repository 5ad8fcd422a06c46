"""Who stands aside while a service has workers of two deployments."""

from datetime import timedelta

import pytest

from quarry.store.base import Origin
from quarry.testing import NOW
from worker.succession import Succession, has_successor


def fleet(*workers: str) -> dict[str, Origin]:
    """Workers as `service:revision:minute`, minute being that of their start; each is called what it is."""
    parts = {each: each.split(":") for each in workers}
    return {each: Origin(service, revision, NOW + timedelta(minutes=int(at))) for each, (service, revision, at) in parts.items()}


def aside(*workers: str) -> list[str]:
    """Those of the fleet that stand aside."""
    origins = fleet(*workers)
    return [
        each
        for each in workers
        if has_successor(each, origins[each], {peer: origin for peer, origin in origins.items() if peer != each})
    ]


@pytest.mark.parametrize(
    ("workers", "standing_aside"),
    [
        (["a:1:0"], []),
        (["a:1:0", "a:1:5"], []),
        (["a:1:0", "a:1:1", "a:1:2", "a:2:9"], ["a:1:0"]),
        (["a:1:0", "a:1:1", "a:2:8", "a:2:9"], ["a:1:0", "a:1:1"]),
        (["a:1:0", "a:2:7", "a:2:8", "a:2:9"], ["a:1:0"]),
        (["a:1:0", "a:2:1", "a:1:9"], ["a:2:1"]),
        (["a:1:0", "a:2:1", "a:3:9"], ["a:1:0"]),
        (["a:1:0", "b:2:9"], []),
        (["a:9:0", "a:10:1"], ["a:9:0"]),
        (["a:1:5", "a:2:5"], ["a:1:5"]),
    ],
    ids=[
        "alone", "one deployment", "one for one", "as many as there are", "more than there were", "a rollback", "three deployments",
        "another service", "revisions are no numbers", "at the same time",
    ],
)  # fmt: skip
def test_as_many_stand_aside_as_there_are_successors_the_oldest_first(workers: list[str], standing_aside: list[str]) -> None:
    assert aside(*workers) == standing_aside


def test_who_stood_aside_goes_on_where_its_successors_are_gone() -> None:
    """A deployment that fails and is rolled back leaves nobody waiting."""
    mine = Succession("a:1:0", lambda: True)
    mine.follow(fleet("a:2:9"))
    assert not mine.has_successor
    mine.origin = fleet("a:1:0")["a:1:0"]
    mine.follow(fleet("a:2:9"))
    assert mine.has_successor
    mine.follow({})
    assert not mine.has_successor


def test_who_is_not_ready_stands_aside_for_nobody() -> None:
    """It is in nobody's row of those who were there before: all that are not ready would stand aside for one."""
    mine = Succession("a:1:0", lambda: False)
    mine.origin = fleet("a:1:0")["a:1:0"]
    mine.follow(fleet("a:2:9"))
    assert not mine.has_successor


def test_who_is_not_ready_makes_nobody_stand_aside() -> None:
    """It says nothing of where it comes from: it may never be ready."""
    ready = False
    mine = Succession("a", lambda: ready)
    mine.origin = fleet("a:1:0")["a:1:0"]
    assert mine.word() is None
    ready = True
    assert mine.word() == mine.origin
