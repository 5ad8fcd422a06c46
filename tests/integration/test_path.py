"""A job submitted over REST comes back answered."""

import subprocess

import pytest

from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def _echo(stack: Stack) -> None:
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()


def test_a_job_submitted_with_curl_comes_back_answered(stack: Stack) -> None:
    """`curl POST` → SQS → worker → echo → `GET` says `completed`.

    Red when: `worker/settle.py`: `await queue.ack(delivery)` -> `pass`
    """
    with stack.running_api() as api, stack.running_worker():
        answer = subprocess.run(
            ["curl", "-sS", f"{api.base_url}/v1/jobs", "--json", '{"prompt": "Hello"}'],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        request_id = answer.stdout.split('"request_id":"')[1][:32]
        job = stack.finished(request_id)
    assert job["status"] == "completed"
    assert job["result"]["text"] == "Hello"
    assert job["served_by"] == {"provider": "echo", "region": "us-east-1", "model": "echo"}
    queue = stack.client("sqs")
    url = queue.get_queue_url(QueueName=stack.name)["QueueUrl"]
    counts = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")
