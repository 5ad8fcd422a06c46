"""What workers keep in the job table beside the jobs."""

from typing import Any

import pytest

from quarry.clock import from_epoch_ms
from quarry.store.base import Heartbeat
from quarry.store.worker_rows import heartbeat_in, worker_key


def test_a_heartbeat_of_another_version_can_be_read() -> None:
    """In a rolling deploy workers read rows that have less in them, or more."""
    item = worker_key("w") | {"at": {"N": "0"}, "shares": {"M": {}}}
    assert heartbeat_in(item) == Heartbeat("w", from_epoch_ms(0))


@pytest.mark.parametrize(
    "damaged",
    [
        {"openings": {"M": {"a": {"N": "many"}}}},
        {"openings": {"S": "none"}},
        {"limits": {"M": {"a": {"N": "1"}}}},
        {"slots": {"S": "ten"}},
        {"origin": {"M": {}}},
        {"origin": {"S": "here"}},
    ],
)
def test_of_a_heartbeat_that_cannot_be_read_one_sees_that_a_worker_lives(damaged: dict[str, Any]) -> None:
    """It must not keep the rows of all others from being read."""
    assert heartbeat_in(worker_key("w") | {"at": {"N": "0"}} | damaged) == Heartbeat("w", from_epoch_ms(0))
