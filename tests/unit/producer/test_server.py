"""The server: how many connections this process has room for."""

import resource

import pytest

from producer.server import room_for


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "room", "raised"),
    [
        (100_000, 100_000, 4096, 4096, None),
        (1024, resource.RLIM_INFINITY, 4096, 4096, 2 * 4096 + 256),
        (1024, 4352, 4096, 2048, 4352),
    ],
    ids=["enough", "raised as far as is needed", "raised as far as it may be"],
)
def test_no_more_connections_than_files_can_be_opened_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, asked: int, room: int, raised: int | None
) -> None:
    """Two files each, the second for those that are turned away, and some for everything else."""
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    assert room_for(asked) == room
    assert set_to == ([] if raised is None else [(raised, hard)])
