"""An answer that is too large for the table lies in S3: shown up to 256 KiB, above that under a URL."""

import httpx

from tests.support.simulator import Simulator
from tests.support.stack import Stack


def answered(stack: Stack, simulator: Simulator, text: str) -> str:
    """A finished job with that answer; returns its id."""
    stack.use(simulator)
    simulator.rule({"text": text})
    with stack.running_worker():
        request_id = stack.submit(prompt="Hello", max_tokens=10)
        assert stack.finished(request_id)["status"] == "completed"
    return request_id


def test_a_hundred_kibibytes_are_shown(stack: Stack, simulator: Simulator) -> None:
    """As if they lay in the record, by GET and by lookup; while S3 is away, that is a 503.

    Red when: `producer/lookup.py`:
    `stored = await self.results.show(job.result_object, until) if job.result_object else None` -> `stored = None`
    """
    text = "Grüße! " * 14_000
    with stack.running_api() as api:
        request_id = answered(stack, simulator, text)
        job = stack.job(request_id)
        [row] = api.post("/v1/jobs/lookup", json={"request_ids": [request_id]}).json()["jobs"]
        [listed] = api.get("/v1/jobs").json()["jobs"]
    assert job["result"] == {"text": text, "content": [{"text": text}], "stop_reason": "end_turn", "filtered": False}
    assert row["result"] == job["result"]
    assert not {"result", "url"} & set(listed)
    assert len(stack.item(request_id)["result"]["S"]) < 1000
    with stack.running_api(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1") as api:
        away = api.get(f"/v1/jobs/{request_id}")
    assert (away.status_code, away.json()["code"]) == (503, "payloads_unavailable")


def test_two_megabytes_are_had_by_url(stack: Stack, simulator: Simulator) -> None:
    """The object is what `result` would be, and who has the URL needs no credentials.

    Red when: `worker/record.py`: `return replace(verdict, record=set_apart(verdict.record, stored))` -> `return verdict`
    """
    text = "0123456789" * 200_000
    with stack.running_api(QUARRY_STORE__URL_SECONDS="600") as api:
        request_id = answered(stack, simulator, text)
        link = stack.job(request_id)["result"]
        [row] = api.post("/v1/jobs/lookup", json={"request_ids": [request_id]}).json()["jobs"]
        finished_at = stack.job(request_id)["finished_at"]
    got = httpx.get(link["url"])
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "application/json"
    assert got.json() == {"text": text, "content": [{"text": text}], "stop_reason": "end_turn", "filtered": False}
    assert link["size_bytes"] == len(got.content)
    assert link["url_expires_at"] > finished_at
    assert set(row["result"]) == {"url", "url_expires_at", "size_bytes"}
