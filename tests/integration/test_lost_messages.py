"""The record alone is enough: the sweep finds jobs whose message is lost, and sends them again."""

import time

from tests.support.processes import eventually
from tests.support.stack import Stack


def make_due(stack: Stack, request_id: str) -> None:
    """Let the time pass after which the sweep looks at a job."""
    stack.client("dynamodb").update_item(
        TableName=stack.name,
        Key={"pk": {"S": f"default#{request_id}"}, "sk": {"S": "job"}},
        UpdateExpression="SET check_at = :at",
        ExpressionAttributeValues={":at": {"N": str(int((time.time() - 120) * 1000))}},
    )


def test_jobs_outlive_a_purge_of_the_queue(stack: Stack) -> None:
    """All messages are thrown away; every job is answered, once.

    Red when: `worker/sweep.py`: `[failure] = await announce(self._lanes, job)` -> `failure = None`
    """
    # The role lasts three intervals: long enough that who stands still for a while keeps it.
    stack.env |= {"QUARRY_ROUTES_FILE": stack.routes(), "QUARRY_WORKER__SWEEP_SECONDS": "3"}
    with stack.running_api():
        ids = stack.submit_many(30)
        queue = stack.client("sqs")
        queue.purge_queue(QueueUrl=queue.get_queue_url(QueueName=stack.name)["QueueUrl"])
        eventually(stack.queue_is_empty)
        with stack.running_worker() as one, stack.running_worker("two") as two:
            for request_id in ids:
                make_due(stack, request_id)
            for request_id in ids:
                job = stack.finished(request_id)
                assert (job["status"], job["attempts"]) == ("completed", 1)
            eventually(stack.queue_is_empty)
            metrics = eventually(
                lambda: said if "quarry_swept_total{" in (said := stack.metrics(one) + stack.metrics(two)) else None
            )
    # One of the two had the role; the other one's counter is at nothing.
    assert sum(line.startswith("quarry_swept_total") for line in metrics.splitlines()) == 1


def test_a_job_whose_api_died_before_the_send_ends(stack: Stack) -> None:
    """Its caller got no answer: it runs, or expires at its deadline; it does not wait for ever.

    Red when: `worker/sweep.py`: `case DeadlinePassed() | CancelRequested():` -> `case CancelRequested():`
    """
    stack.env |= {"QUARRY_ROUTES_FILE": stack.routes(), "QUARRY_WORKER__SWEEP_SECONDS": "1"}
    with stack.running_api():
        late = stack.submit(prompt="Hi", deadline_seconds=1)
        queue = stack.client("sqs")
        queue.purge_queue(QueueUrl=queue.get_queue_url(QueueName=stack.name)["QueueUrl"])
        eventually(lambda: stack.job(late)["status"] == "expired")
        # So far only readers say so.
        assert stack.item(late)["status"] == {"S": "queued"}
        with stack.running_worker():
            make_due(stack, late)
            eventually(lambda: stack.item(late)["status"] == {"S": "expired"})
        assert "check_at" not in stack.item(late)
