"""The guard that keeps tests on this machine."""

import socket

import boto3
import pytest
from botocore.exceptions import HTTPClientError

from tests.support.guard import ReachedOutside


def test_no_test_can_reach_a_real_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by name nor by address, and not through an SDK whose endpoint was forgotten."""
    with pytest.raises(ReachedOutside):
        socket.getaddrinfo("sqs.us-east-1.amazonaws.com", 443)
    with socket.socket() as probe, pytest.raises(ReachedOutside):
        probe.connect(("192.0.2.1", 443))
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106 - nobody's
    with pytest.raises(HTTPClientError, match="is not loopback"):
        client.list_queues()


def test_loopback_is_reached() -> None:
    """The emulators live there."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as connection:
        assert connection.getpeername() == server.getsockname()
