"""The queue and the table that the systems of the bench share behave as the services do, where it counts for them."""

from typing import Any

import pytest

from bench.peers import work
from bench.peers.expressions import apply
from bench.peers.queue import Queue
from quarry.store import expressions
from quarry.testing.builders import a_job


def test_message_is_hidden_while_it_is_held() -> None:
    """A message is with one receiver until its visibility ends."""
    queue = Queue()
    queue.send("a", {}, now=0.0)
    assert [message.body for message in queue.receive(10, 30.0, now=1.0)] == ["a"]
    assert queue.receive(10, 30.0, now=30.9) == []
    assert [message.receives for message in queue.receive(10, 30.0, now=31.0)] == [2]


def test_message_is_delayed() -> None:
    """A delay hides a message before its first receipt."""
    queue = Queue()
    queue.send("a", {}, now=0.0, delay=5.0)
    assert queue.receive(1, 30.0, now=4.9) == []
    assert len(queue.receive(1, 30.0, now=5.0)) == 1


def test_message_comes_back_early() -> None:
    """A receiver may give it back; the earlier end of its visibility counts no more."""
    queue = Queue()
    queue.send("a", {}, now=0.0)
    [held] = queue.receive(1, 30.0, now=0.0)
    queue.change(held.receipt, 2.0, now=1.0)
    assert queue.receive(1, 60.0, now=2.9) == []
    assert len(queue.receive(1, 60.0, now=3.0)) == 1
    assert queue.receive(1, 60.0, now=31.0) == []


def test_old_receipt_does_nothing() -> None:
    """Who lost a message to another cannot delete it or give it back."""
    queue = Queue()
    queue.send("a", {}, now=0.0)
    [first] = queue.receive(1, 30.0, now=0.0)
    old = first.receipt
    [second] = queue.receive(1, 30.0, now=30.0)
    queue.delete(old)
    queue.change(old, 0.0, now=30.0)
    assert (len(queue), queue.receive(1, 30.0, now=31.0)) == (1, [])
    queue.delete(second.receipt)
    assert len(queue) == 0


def test_message_that_is_received_too_often_is_a_dead_letter() -> None:
    """After so many receipts it is handed out no more."""
    queue = Queue(receives_max=2)
    queue.send("a", {}, now=0.0)
    for now in (0.0, 1.0):
        assert len(queue.receive(1, 1.0, now)) == 1
    assert queue.receive(1, 1.0, now=2.0) == []
    assert (len(queue), queue.dead) == (0, 1)


def test_peers_writes_are_applied() -> None:
    """The writes of all peers leave a row that is completed, with its result, after two claims."""
    row: dict[str, Any] = {"pk": {"S": "job-1"}, "status": {"S": "queued"}}
    apply(row, work.claim("job-1"))
    assert row["status"] == {"S": "processing"}
    apply(row, work.claim("job-1"))
    apply(row, work.completion("job-1", "Hello", 3, 5))
    assert (row["status"], row["attempts"], row["result"]) == ({"S": "completed"}, {"N": "2"}, {"S": "Hello"})
    assert row["usage"] == {"M": {"input": {"N": "3"}, "output": {"N": "5"}}}


def test_quarrys_writes_are_applied() -> None:
    """What Quarry removes is gone, what it adds to a list is added."""
    row: dict[str, Any] = {"a": {"S": "x"}, "list": {"L": [{"N": "1"}]}, "m": {"N": "4"}}
    request = {
        "UpdateExpression": "SET #list = list_append(if_not_exists(#list, :none), :this), #n = #m + :one REMOVE #a",
        "ExpressionAttributeNames": {"#list": "list", "#a": "a", "#n": "n", "#m": "m"},
        "ExpressionAttributeValues": {":none": {"L": []}, ":this": {"L": [{"N": "2"}]}, ":one": {"N": "1"}},
    }
    apply(row, request)
    assert row == {"list": {"L": [{"N": "1"}, {"N": "2"}]}, "m": {"N": "4"}, "n": {"N": "5"}}


def test_record_of_quarry_is_understood() -> None:
    """The longest of its expressions has nothing that is not understood."""
    job = a_job()
    row: dict[str, Any] = {"revision": {"N": "1"}}
    apply(row, expressions.record("jobs", job, "token", retention_ms=1000))
    assert (row["status"], row["revision"], row["recorded_token"]) == ({"S": "queued"}, {"N": "2"}, {"S": "token"})


def test_unknown_expression_is_refused() -> None:
    """What is not understood is an error, not a write that is left out."""
    request = {"UpdateExpression": "SET #a = #b - :one", "ExpressionAttributeNames": {"#a": "a", "#b": "b"}}
    with pytest.raises(ValueError, match="not understood"):
        apply({}, request)
