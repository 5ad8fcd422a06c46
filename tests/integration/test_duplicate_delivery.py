"""A duplicate or stale message never pays for a model call."""

from quarry.envelope import Envelope
from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def test_an_envelope_delivered_four_times_is_one_model_call(stack: Stack, simulator: Simulator) -> None:
    """Three copies beside the original, before, during and after the work: twenty jobs, twenty calls.

    Red when: `quarry/store/expressions.py`: `#status IN (:queued, :retrying)` -> `#status IN (:queued, :retrying, :processing)`
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 0.3})
    with stack.running_api():
        requests = [stack.submit(prompt=f"job {i}") for i in range(20)]
        for request_id in requests:
            for _ in range(3):
                stack.send(Envelope(request_id, "default").to_wire())
        # A copy that meets a job under way comes back when its lease would run out: a short lease makes that soon.
        short = {"QUARRY_WORKER__LEASE_SECONDS": "10"}
        with stack.running_worker("one", **short), stack.running_worker("two", **short):
            jobs = [stack.finished(request_id) for request_id in requests]
            for request_id in requests:
                stack.send(Envelope(request_id, "default").to_wire())
            eventually(stack.queue_is_empty, seconds=60, what="every copy to be settled")
    assert {job["status"] for job in jobs} == {"completed"}
    assert {job["attempts"] for job in jobs} == {1}
    calls = simulator.calls()
    assert (calls["calls"], calls["billed"]) == (20, 20)
    assert stack.dead_letters() == []


def test_a_stale_generation_is_acked_without_a_call(stack: Stack, simulator: Simulator) -> None:
    """An envelope for a job that does not exist, and one of a generation gone by, disappear; the job waits for its own.

    Red when: `worker/outcome.py`: `Verdict(None, Ack("no_record"))` -> `Verdict(None, Release(now, "no_record"))`
    Red when: `quarry/store/expressions.py`:
    `"#generation = :generation AND #deadline_at` -> `"#generation >= :generation AND #deadline_at`
    """
    stack.use(simulator)
    with stack.running_api():
        request_id = stack.submit(prompt="put to work anew since")
        stack.client("dynamodb").update_item(
            TableName=stack.name,
            Key={"pk": {"S": f"default#{request_id}"}, "sk": {"S": "job"}},
            UpdateExpression="SET generation = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        stack.send(Envelope("01a1fce02be7769abb984e7979ea003e", "default").to_wire())
        with stack.running_worker():
            eventually(stack.queue_is_empty, what="the messages to be settled")
        assert stack.job(request_id)["status"] == "queued"
    assert simulator.calls()["calls"] == 0
    assert stack.dead_letters() == []
