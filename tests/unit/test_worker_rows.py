"""What workers keep in the job table beside the jobs."""

from quarry.clock import from_epoch_ms
from quarry.store.base import Heartbeat
from quarry.store.worker_rows import heartbeat_in, worker_key


def test_a_heartbeat_of_another_version_can_be_read() -> None:
    """In a rolling deploy workers read rows that have less in them, or more."""
    item = worker_key("w") | {"at": {"N": "0"}, "shares": {"M": {}}}
    assert heartbeat_in(item) == Heartbeat("w", from_epoch_ms(0))
