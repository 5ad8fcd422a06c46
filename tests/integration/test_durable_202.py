"""A `202` means durable: the job is recorded and has its message, whatever happens to the process that said so."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.processes import eventually, free_port, quarry, serving
from tests.support.stack import TERMINAL, Stack


@pytest.fixture(autouse=True)
def _echo(stack: Stack) -> None:
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()


@pytest.fixture
def api(stack: Stack) -> Iterator[httpx.Client]:
    """A client of an API process of this test alone."""
    with stack.running_api() as client:
        yield client


def test_every_accepted_job_outlives_the_api(stack: Stack) -> None:
    """The API is killed the moment the last of many answers is there; a worker then finishes every accepted job.

    Red when: `producer/submit.py`, after `async def _announce(`:
    `[failure] = await announce(self._lanes, job)` ->
    `failure, _ = None, asyncio.get_running_loop().call_later(9, announce, self._lanes, job)`
    """
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with serving(quarry("api", "--port", str(port)), stack.environ(), stack.directory / "killed.log", f"{base}/readyz") as process:
        with httpx.Client(base_url=base, timeout=40) as client, ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: client.post("/v1/jobs", json={"prompt": f"Job {i}"}), range(80)))
        process.signal(signal.SIGKILL)
        assert process.popen.wait(10) == -signal.SIGKILL
    assert {answer.status_code for answer in answers} == {202}
    ids = [answer.json()["request_id"] for answer in answers]
    # One more where the API sent one again, since the emulator was late to answer.
    waiting, in_flight = stack.queue_counts()
    assert (waiting >= 80, in_flight) == (True, 0)
    with stack.running_api() as api, stack.running_worker():

        def all_done() -> bool:
            jobs = api.post("/v1/jobs/lookup", json={"request_ids": ids}).json()["jobs"]
            return all(job["status"] in TERMINAL for job in jobs)

        eventually(all_done, seconds=40)
        for i, request_id in enumerate(ids):
            assert api.get(f"/v1/jobs/{request_id}").json()["result"]["text"] == f"Job {i}"


def test_the_answer_is_the_job(stack: Stack, api: httpx.Client) -> None:
    """202 with `Location` and the job as it stands, with every field that was given.

    Red when: `producer/admission.py`: `custom_id=submission.custom_id,` -> ``
    """
    tool = {"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "system": "Be kind.",
        "custom_id": "mine",
        "metadata": {"a": "b"},
        "deadline_seconds": 60,
        "max_attempts": 2,
        "max_tokens": 7,
        "temperature": 0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
        "converse": {"toolConfig": {"tools": [tool]}},
    }
    answer = api.post("/v1/jobs", json=body)
    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job['request_id']}")
    assert "server" not in answer.headers
    assert (job["status"], job["custom_id"], job["metadata"], job["attempts"]) == ("queued", "mine", {"a": "b"}, 0)
    assert api.get(answer.headers["location"]).json() == job
    item = stack.item(job["request_id"])
    assert json.loads(item["invocation"]["S"]) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "system": [{"text": "Be kind."}],
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
        "converse": body["converse"],
    }
    assert item["max_attempts"] == {"N": "2"}
    assert "check_at" in item


def test_a_send_that_is_refused_leaves_nothing_behind(stack: Stack, api: httpx.Client) -> None:
    """The queue is gone: 503 with `Retry-After`, and the record is taken back; before long the API says that it is not ready.

    Red when: `producer/submit.py`:
    `if failure.applied is False and await self._withdraw(job, key):` -> `if failure.applied is False:`
    """
    queue = stack.client("sqs")
    queue.delete_queue(QueueUrl=queue.get_queue_url(QueueName=stack.name)["QueueUrl"])
    answer = api.post("/v1/jobs", json={"prompt": "Hi"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "queue_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "NonExistentQueue" not in answer.text
    rows = api.post("/v1/jobs/bulk", json={"jobs": [{"prompt": "Hi", "custom_id": str(i)} for i in range(3)]}).json()["jobs"]
    assert [(row["error"]["code"], row["custom_id"]) for row in rows] == [("queue_unavailable", str(i)) for i in range(3)]
    keyed = api.post("/v1/jobs", json={"prompt": "Hi"}, headers={"Idempotency-Key": "k"})
    assert keyed.json()["code"] == "queue_unavailable"
    assert stack.client("dynamodb").scan(TableName=stack.name, Select="COUNT")["Count"] == 0
    eventually(lambda: api.get("/readyz").status_code == 503, seconds=30)
    assert api.get("/livez").status_code == 200


def test_a_store_that_is_away_is_a_503(stack: Stack, api: httpx.Client) -> None:
    """No table: 503 `store_unavailable` on every call, and no message without a record.

    Red when: `producer/submit.py`:
    `await self._store.create(job)` ->
    `await asyncio.gather(self._announce(job, None), self._store.create(job))`: the message may come first.
    """
    request_id = api.post("/v1/jobs", json={"prompt": "Hi"}).json()["request_id"]
    stack.client("dynamodb").delete_table(TableName=stack.name)
    answers = [
        api.post("/v1/jobs", json={"prompt": "Hi"}),
        api.get(f"/v1/jobs/{request_id}"),
        api.get("/v1/jobs"),
        api.post("/v1/jobs/lookup", json={"request_ids": [request_id]}),
        api.post(f"/v1/jobs/{request_id}/cancel"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "store_unavailable")] * 5
    assert stack.queue_counts() == (1, 0)
